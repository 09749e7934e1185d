/** `greenroom inspect`: where an actor is and what it remembers, now, at an earlier event, or what one event changed. */
import type { Command } from 'commander';
import { checkedId, connect, wantsJson, wholeOption, withConnection, withSuggestions } from './connection.ts';
import { type EventAnswer, timeText } from './events-command.ts';
import { CommandLineError } from './exit-codes.ts';
import { examples } from './help.ts';
import { actorPath, type NodeApi } from './node-api.ts';
import { type Change, difference, readablePath } from './state-difference.ts';
import { statusPaint } from './table.ts';
import { compactJson, prettyJson, printable, type Terminal } from './terminal.ts';

interface InspectOptions {
  readonly at?: string;
  readonly diff?: boolean;
}

interface InspectAnswer {
  readonly type: string;
  readonly id: string;
  readonly shard: number;
  readonly node: string;
  readonly replicas: readonly string[];
  readonly status: string;
  readonly sequenceNumber: number;
  readonly state: unknown;
  readonly reminders?: readonly unknown[];
  readonly reason?: string;
}

export function addInspectCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('inspect <type> <id>'))
    .summary("show an actor's state, now or at an earlier event")
    .description("Show an actor's state and where it lives. Inspecting is no use: it wakes nobody for longer.")
    .option('--at <sequence number>', 'the state as of this event')
    .option('--diff', 'what that event (default: the newest) changed')
    .addHelpText(
      'after',
      examples([
        ['greenroom inspect ShoppingCart alice', ''],
        ['greenroom inspect ShoppingCart alice --at 3', 'as it was after its third event'],
        ['greenroom inspect ShoppingCart alice --at 3 --diff', 'what the third event changed'],
        ['greenroom inspect ShoppingCart alice --json | jq .state', ''],
      ]),
    )
    .action(async (type: string, rawId: string, options: InspectOptions, command: Command) => {
      const id = checkedId(rawId);
      const at = wholeOption('--at', options.at, options.diff ? 1 : 0, Number.MAX_SAFE_INTEGER);
      const api = connect(command, terminal);
      await withSuggestions(api, { type }, async () => {
        if (options.diff) return showDifference(api, type, id, at, terminal, wantsJson(command));
        const answer = await inspect(api, type, id, at);
        if (wantsJson(command)) terminal.print(compactJson(answer));
        else showState(answer, at, terminal);
      });
    });
}

function inspect(api: NodeApi, type: string, id: string, at: number | undefined): Promise<InspectAnswer> {
  return api.get(`${actorPath(type, id)}${at === undefined ? '' : `?at=${at}`}`);
}

function showState(answer: InspectAnswer, at: number | undefined, terminal: Terminal): void {
  const { bold, dim, red } = terminal.out;
  const events = `${answer.sequenceNumber} event${answer.sequenceNumber === 1 ? '' : 's'}`;
  terminal.print(
    `${bold(`${answer.type} ${printable(answer.id)}`)}  ${statusPaint(terminal)(answer.status)}  ${at === undefined ? events : `at event ${at}`}  ` +
      dim(`shard ${answer.shard} on ${answer.node}`),
  );
  if (answer.reason !== undefined) terminal.print(red(`because: ${printable(answer.reason)}`));
  if (answer.state !== undefined) terminal.print(prettyJson(answer.state, terminal.out));
  const count = answer.reminders?.length ?? 0;
  if (count > 0)
    terminal.print(dim(`${count} reminder${count === 1 ? '' : 's'}: greenroom reminders ${answer.type} …`));
}

async function showDifference(
  api: NodeApi,
  type: string,
  id: string,
  at: number | undefined,
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  const after = await inspect(api, type, id, at);
  const sequenceNumber = at ?? after.sequenceNumber;
  const before = await stateBefore(api, type, id, sequenceNumber);
  const page = await api.get<{ events: readonly EventAnswer[] }>(
    `${actorPath(type, id, '-/events')}?after=${Math.max(0, sequenceNumber - 1)}&limit=1`,
  );
  const event = page.events.find((each) => each.sequenceNumber === sequenceNumber);
  const changes = difference(before, after.state);
  if (json) return terminal.print(compactJson({ type, id, sequenceNumber, event, changes }));
  const { bold, dim } = terminal.out;
  const title = event === undefined ? `event ${sequenceNumber}` : `event ${sequenceNumber} ${bold(event.type)}`;
  terminal.print(
    `${bold(`${type} ${printable(id)}`)}  ${title}  ${event === undefined ? '' : dim(timeText(event.at))}`.trimEnd(),
  );
  if (event !== undefined && event.data !== undefined) terminal.print(dim(compactJson(event.data)));
  if (changes.length === 0) terminal.print('it changed nothing');
  for (const change of changes) terminal.print(changeLine(change, terminal));
}

/** The state before an event; undefined before the first, if the node does not tell the initial one. */
async function stateBefore(api: NodeApi, type: string, id: string, sequenceNumber: number): Promise<unknown> {
  try {
    return (await inspect(api, type, id, sequenceNumber - 1)).state;
  } catch (error) {
    const code = error instanceof CommandLineError ? error.problem.code : undefined;
    if (sequenceNumber <= 1 && (code === 'BAD_REQUEST' || code === 'UNKNOWN_ACTOR')) return undefined;
    throw error;
  }
}

function changeLine({ path, change, before, after }: Change, terminal: Terminal): string {
  const { green, red, yellow } = terminal.out;
  const name = printable(readablePath(path));
  switch (change) {
    case 'added':
      return green(`+ ${name}: ${compactJson(after)}`);
    case 'removed':
      return red(`- ${name}: ${compactJson(before)}`);
    case 'changed':
      return `${yellow(`~ ${name}:`)} ${red(compactJson(before))} → ${green(compactJson(after))}`;
  }
}
