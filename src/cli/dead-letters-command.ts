/** `greenroom dead-letters`: what could not be delivered, to look at, to send again or to drop. */
import type { Command } from 'commander';
import { mayDestroy } from './actor-commands.ts';
import { checkedId, connect, wantsJson, wholeOption, withConnection } from './connection.ts';
import { timeText } from './events-command.ts';
import { wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { printTable } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

interface DeadLettersOptions {
  readonly after?: string;
  readonly limit?: string;
  readonly resend?: string;
  readonly drop?: string;
  readonly yes?: boolean;
}

interface DeadLetterAnswer {
  readonly id: string;
  readonly from: { readonly type: string; readonly id: string };
  readonly to: { readonly type: string; readonly id: string };
  readonly command: string;
  readonly reason: { readonly code: string; readonly message: string };
  readonly reminder?: string;
  readonly at: number;
}

const limitDefault = 100;
const limitMax = 1_000;

export function addDeadLettersCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('dead-letters'))
    .summary('what could not be delivered: list it, send it again or drop it')
    .description('List tells and reminders that were given up, oldest first; send one again, or drop it for good.')
    .option('--after <id>', 'only those after this one')
    .option('--limit <n>', `dead letters at most (default ${limitDefault}, up to ${limitMax})`)
    .option('--resend <id>', 'deliver this one again')
    .option('--drop <id>', 'forget this one')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['greenroom dead-letters', ''],
        ['greenroom dead-letters --resend 0mjxkq1c0-1c2d-3', 'once its receiver can take it'],
        ['greenroom dead-letters --drop 0mjxkq1c0-1c2d-3 --yes', ''],
      ]),
    )
    .action(async (options: DeadLettersOptions, command: Command) => {
      if (options.resend !== undefined && options.drop !== undefined)
        throw wrongUsage('give --resend or --drop, not both');
      if (options.resend !== undefined) return resend(options.resend, command, terminal);
      if (options.drop !== undefined) return drop(options.drop, options.yes, command, terminal);
      await list(options, command, terminal);
    });
}

async function list(options: DeadLettersOptions, command: Command, terminal: Terminal): Promise<void> {
  const limit = wholeOption('--limit', options.limit, 1, limitMax) ?? limitDefault;
  const after = options.after === undefined ? {} : { after: checkedId(options.after) };
  const query = new URLSearchParams({ limit: String(limit), ...after });
  const page = await connect(command, terminal).get<{ deadLetters: readonly DeadLetterAnswer[]; next?: string }>(
    `/v1/dead-letters?${query}`,
  );
  if (wantsJson(command)) return terminal.print(compactJson(page));
  printTable(
    terminal,
    [
      { title: 'ID', paint: terminal.out.cyan },
      { title: 'AT' },
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'COMMAND' },
      { title: 'BECAUSE' },
    ],
    page.deadLetters.map(({ id, at, from, to, command: name, reason, reminder }) => [
      id,
      timeText(at),
      `${from.type} ${from.id}`,
      reminder === undefined ? `${to.type} ${to.id}` : `its reminder '${reminder}'`,
      name,
      `${reason.code}: ${reason.message}`,
    ]),
  );
  if (page.deadLetters.length === 0) terminal.note('no dead letters');
  if (page.next !== undefined) terminal.note(`more: --after '${printable(page.next)}'`);
}

async function resend(rawId: string, command: Command, terminal: Terminal): Promise<void> {
  const id = checkedId(rawId);
  await connect(command, terminal).change('POST', `/v1/dead-letters/${encodeURIComponent(id)}/resend`);
  if (!wantsJson(command)) terminal.note(`${printable(id)} is sent again; refused again, it is a new dead letter`);
}

async function drop(rawId: string, yes: boolean | undefined, command: Command, terminal: Terminal): Promise<void> {
  const id = checkedId(rawId);
  if (!(await mayDestroy(terminal, yes, `Drop the dead letter ${printable(id)} for good?`))) return;
  await connect(command, terminal).change('DELETE', `/v1/dead-letters/${encodeURIComponent(id)}`);
  if (!wantsJson(command)) terminal.note(`${printable(id)} is dropped`);
}
