/** `types`, `actors`, `passivate`, `resume` and `delete`: what a node serves, and what an operator does to one actor. */
import type { Command } from 'commander';
import {
  checkedId,
  connect,
  servedTypes,
  wantsJson,
  wholeOption,
  withConnection,
  withSuggestions,
} from './connection.ts';
import { wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { actorPath, type NodeApi } from './node-api.ts';
import { printTable, statusPaint, tableLines } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

export const actorsLimitDefault = 100;
/** A page of HTTP at most. */
export const actorsLimitMax = 1_000;

interface ActorAnswer {
  readonly id: string;
  readonly status: string;
  readonly sequenceNumber: number;
}

interface ActorsPage {
  readonly actors: readonly ActorAnswer[];
  readonly next?: string;
}

interface ActorsOptions {
  readonly after?: string;
  readonly limit?: string;
  readonly all?: boolean;
}

export function addActorCommands(program: Command, terminal: Terminal): void {
  addTypes(program, terminal);
  addActors(program, terminal);
  addPassivate(program, terminal);
  addResume(program, terminal);
  addDelete(program, terminal);
}

function addTypes(program: Command, terminal: Terminal): void {
  withConnection(program.command('types'))
    .summary('list the actor types and their commands')
    .description('List the actor types that the node serves, with their commands.')
    .addHelpText(
      'after',
      examples([
        ['greenroom types', ''],
        ['greenroom types --json | jq -r .types[].name', ''],
      ]),
    )
    .action(async (_options: object, command: Command) => {
      const types = await servedTypes(connect(command, terminal));
      if (wantsJson(command)) return terminal.print(compactJson({ types }));
      const rows = types.map(({ name, kind, commands }) => [
        name,
        kindText[kind] ?? kind,
        commands.map((each) => each.name).join(', '),
      ]);
      printTable(
        terminal,
        [{ title: 'TYPE', paint: terminal.out.cyan }, { title: 'KIND' }, { title: 'COMMANDS' }],
        rows,
      );
    });
}

const kindText: Record<string, string> = {
  eventSourced: 'event-sourced',
  durableState: 'durable state',
  memory: 'memory only',
};

function addActors(program: Command, terminal: Terminal): void {
  withConnection(program.command('actors <type>'))
    .summary('list the actors of a type')
    .description('List the actors of a type by id, with what they are doing and how many events they have.')
    .option('--after <id>', 'only ids after this one')
    .option('--limit <n>', `actors at most (default ${actorsLimitDefault}, up to ${actorsLimitMax})`)
    .option('--all', 'all of them, however many')
    .addHelpText(
      'after',
      examples([
        ['greenroom actors ShoppingCart', ''],
        ['greenroom actors ShoppingCart --after alice --limit 20', 'the next page'],
        ['greenroom actors ShoppingCart --all | cut -f1', 'every id'],
      ]),
    )
    .action(async (type: string, options: ActorsOptions, command: Command) => {
      if (options.all && options.limit !== undefined) throw wrongUsage('give --all or --limit, not both');
      const limit = wholeOption('--limit', options.limit, 1, actorsLimitMax);
      const after = options.after === undefined ? undefined : checkedId(options.after);
      const api = connect(command, terminal);
      const json = wantsJson(command);
      await withSuggestions(api, { type }, () =>
        options.all
          ? printAll(api, type, after, terminal, json)
          : printPage(api, type, after, limit ?? actorsLimitDefault, terminal, json),
      );
    });
}

function fetchPage(api: NodeApi, type: string, after: string | undefined, limit: number): Promise<ActorsPage> {
  const query = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) });
  return api.get(`/v1/actors/${encodeURIComponent(type)}?${query}`);
}

async function printPage(
  api: NodeApi,
  type: string,
  after: string | undefined,
  limit: number,
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  const page = await fetchPage(api, type, after, limit);
  if (json) return terminal.print(compactJson(page));
  printTable(terminal, actorColumns(terminal), page.actors.map(actorRow));
  if (page.actors.length === 0)
    terminal.note(`no ${type} has events${after === undefined ? ' yet' : ' after that id'}`);
  if (page.next !== undefined) terminal.note(`more: --after '${printable(page.next)}', or --all`);
}

/** Prints page by page, so that a million actors cost no memory. */
async function printAll(
  api: NodeApi,
  type: string,
  start: string | undefined,
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  let after = start;
  let count = 0;
  for (;;) {
    const page = await fetchPage(api, type, after, actorsLimitMax);
    if (json) {
      for (const actor of page.actors) terminal.print(compactJson(actor));
    } else {
      const lines = tableLines(terminal, actorColumns(terminal), page.actors.map(actorRow));
      for (const line of count === 0 ? lines : lines.slice(1)) terminal.print(line);
    }
    count += page.actors.length;
    if (page.next === undefined) break;
    after = page.next;
  }
  if (!json) terminal.note(`${count} actor${count === 1 ? '' : 's'}`);
}

function actorColumns(terminal: Terminal) {
  return [
    { title: 'ID', paint: terminal.out.cyan },
    { title: 'STATUS', paint: statusPaint(terminal) },
    { title: 'EVENTS', align: 'right' as const },
  ];
}

function actorRow({ id, status, sequenceNumber }: ActorAnswer): string[] {
  return [id, status, String(sequenceNumber)];
}

function addPassivate(program: Command, terminal: Terminal): void {
  withConnection(program.command('passivate <type> <id>'))
    .summary('send an actor out of memory')
    .description('Send an actor out of memory once its queued commands are done. The next command brings it back.')
    .addHelpText('after', examples([['greenroom passivate ShoppingCart alice', '']]))
    .action((type: string, id: string, _options: object, command: Command) =>
      change(terminal, command, { type, id, method: 'POST', rest: '-/passivate', done: 'is out of memory' }),
    );
}

function addResume(program: Command, terminal: Terminal): void {
  withConnection(program.command('resume <type> <id>'))
    .summary('lift the quarantine of an actor')
    .description('Let an actor that could not recover try again. `greenroom inspect` says why it was quarantined.')
    .addHelpText('after', examples([['greenroom resume ShoppingCart alice', '']]))
    .action((type: string, id: string, _options: object, command: Command) =>
      change(terminal, command, { type, id, method: 'POST', rest: '-/resume', done: 'may run again' }),
    );
}

function addDelete(program: Command, terminal: Terminal): void {
  withConnection(program.command('delete <type> <id>'))
    .summary('delete an actor with its history')
    .description('Delete the state and the events of an actor, for good. Asks first; scripts give --yes.')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples([
        ['greenroom delete ShoppingCart alice', ''],
        ['greenroom delete ShoppingCart alice --yes', 'in scripts'],
      ]),
    )
    .action(async (type: string, id: string, options: { yes?: boolean }, command: Command) => {
      const what = `${printable(type)} ${printable(id)}`;
      if (!(await mayDestroy(terminal, options.yes, `Delete ${what}, its state and all its events, for good?`))) return;
      await change(terminal, command, { type, id, method: 'DELETE', rest: undefined, done: 'is deleted' });
    });
}

/**
 * Asks before something that cannot be undone.
 *
 * @returns false if the answer was no
 * @throws CommandLineError exit code 2 if nobody can be asked
 */
export async function mayDestroy(terminal: Terminal, yes: boolean | undefined, question: string): Promise<boolean> {
  if (yes) return true;
  if (!terminal.canAsk) throw wrongUsage('this cannot be undone and nobody can be asked here', 'give --yes to do it');
  if (await terminal.confirm(question)) return true;
  terminal.note('nothing was done');
  return false;
}

async function change(
  terminal: Terminal,
  command: Command,
  what: { type: string; id: string; method: 'POST' | 'DELETE'; rest: string | undefined; done: string },
): Promise<void> {
  const id = checkedId(what.id);
  const api = connect(command, terminal);
  const path = what.rest === undefined ? actorPath(what.type, id) : actorPath(what.type, id, what.rest);
  await withSuggestions(api, { type: what.type }, () => api.change(what.method, path));
  if (!wantsJson(command)) terminal.note(`${what.type} ${printable(id)} ${what.done}`);
}
