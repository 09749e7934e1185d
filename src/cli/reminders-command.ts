/** `greenroom reminders`: what an actor has set to happen. */
import type { Command } from 'commander';
import { formatDuration } from '../core/duration.ts';
import { checkedId, connect, wantsJson, withConnection, withSuggestions } from './connection.ts';
import { timeText } from './events-command.ts';
import { examples } from './help.ts';
import { actorPath } from './node-api.ts';
import { printTable } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

interface ReminderAnswer {
  readonly name: string;
  readonly command: string;
  readonly input?: unknown;
  readonly dueAt: number;
  readonly every?: number;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly failures?: number;
  readonly retryAt?: number;
}

export function addRemindersCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('reminders <type> <id>'))
    .summary('what an actor has set to happen')
    .description('List the reminders of an actor: when each is due next, and which command it runs.')
    .addHelpText('after', examples([['greenroom reminders Order 4711', '']]))
    .action(async (type: string, rawId: string, _options: object, command: Command) => {
      const id = checkedId(rawId);
      const api = connect(command, terminal);
      const { reminders = [] } = await withSuggestions(api, { type }, () =>
        api.get<{ reminders?: readonly ReminderAnswer[] }>(actorPath(type, id)),
      );
      if (wantsJson(command)) return terminal.print(compactJson({ reminders }));
      const sorted = [...reminders].sort((a, b) => a.dueAt - b.dueAt);
      printTable(
        terminal,
        [
          { title: 'NAME', paint: terminal.out.cyan },
          { title: 'DUE' },
          { title: 'REPEATS' },
          { title: 'COMMAND' },
          { title: 'INPUT' },
        ],
        sorted.map((reminder) => [
          reminder.name,
          dueText(reminder),
          repeatsText(reminder),
          reminder.command,
          reminder.input === undefined ? '' : compactJson(reminder.input),
        ]),
      );
      if (reminders.length === 0) terminal.note(`${printable(type)} ${printable(id)} has no reminders`);
    });
}

function dueText({ dueAt, failures, retryAt }: ReminderAnswer): string {
  if (failures === undefined || retryAt === undefined) return timeText(dueAt);
  return `${timeText(dueAt)}, failed ${failures} times, again ${timeText(retryAt)}`;
}

function repeatsText({ every, cron, timeZone }: ReminderAnswer): string {
  if (every !== undefined) return `every ${formatDuration(every)}`;
  return cron === undefined ? 'once' : `${cron} (${timeZone})`;
}
