/**
 * `greenroom events`: an actor's history, and with `--follow` each further event as it commits. Following reconnects
 * for ever and begins again after the last event it printed, so that nothing is missed and nothing comes twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { SseParser } from '../client/sse-parser.ts';
import { GreenroomError } from '../core/errors.ts';
import { checkedId, connect, wantsJson, wholeOption, withConnection, withSuggestions } from './connection.ts';
import { CommandLineError, exitCodeOf, exitCodes, type Problem } from './exit-codes.ts';
import { examples } from './help.ts';
import { actorPath, ConnectionLost, type NodeApi } from './node-api.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

export const eventsLimitDefault = 100;
/** A page of HTTP at most. */
export const eventsLimitMax = 1_000;
/** A following stream says something every 15 s; silent for longer, its node is gone. */
export const silenceMaxMs = 45_000;
const reconnectAfterMinMs = 250;
const reconnectAfterMaxMs = 5_000;

/** An event as HTTP answers it. */
export interface EventAnswer {
  readonly sequenceNumber: number;
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
  readonly at: number;
}

interface EventsOptions {
  readonly follow?: boolean;
  readonly after?: string;
  readonly limit?: string;
}

interface Following {
  readonly type: string;
  readonly id: string;
  readonly limit: number;
  readonly json: boolean;
  after: number;
  printed: number;
}

export function addEventsCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('events <type> <id>'))
    .summary("show an actor's events")
    .description("Show an actor's events, oldest first. With --follow --json, one JSON object a line (NDJSON).")
    .option('-f, --follow', 'go on with each further event as it commits')
    .option('--after <sequence number>', 'only events after this one')
    .option('--limit <n>', `events at most (default ${eventsLimitDefault}, no limit when following)`)
    .addHelpText(
      'after',
      examples([
        ['greenroom events ShoppingCart alice', ''],
        ['greenroom events ShoppingCart alice --after 40 --limit 5', 'the next five after the 40th'],
        ['greenroom events ShoppingCart alice --follow', 'as they happen; Ctrl-C ends it'],
        ['greenroom events ShoppingCart alice --follow --json | jq .data', ''],
      ]),
    )
    .action(async (type: string, rawId: string, options: EventsOptions, command: Command) => {
      const id = checkedId(rawId);
      const after = wholeOption('--after', options.after, 0, Number.MAX_SAFE_INTEGER) ?? 0;
      const most = options.follow ? Number.MAX_SAFE_INTEGER : eventsLimitMax;
      const limit = wholeOption('--limit', options.limit, 1, most);
      const api = connect(command, terminal);
      const json = wantsJson(command);
      await withSuggestions(api, { type }, () =>
        options.follow
          ? follow(api, { type, id, after, json, printed: 0, limit: limit ?? most }, terminal)
          : showPage(api, type, id, after, limit ?? eventsLimitDefault, terminal, json),
      );
    });
}

/** A time as it is printed: UTC, to the millisecond. */
export function timeText(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : date.toISOString();
}

async function showPage(
  api: NodeApi,
  type: string,
  id: string,
  after: number,
  limit: number,
  terminal: Terminal,
  json: boolean,
): Promise<void> {
  const page = await api.get<{ events: readonly EventAnswer[]; next?: number }>(
    `${actorPath(type, id, '-/events')}?after=${after}&limit=${limit}`,
  );
  if (json) return terminal.print(compactJson(page));
  for (const event of page.events) terminal.print(eventLine(event, terminal));
  if (page.events.length === 0) terminal.note(after === 0 ? 'no events are kept' : `no events after ${after}`);
  if (page.next !== undefined) terminal.note(`more: --after ${page.next}`);
}

/** One event as a line: its parts under each other on a terminal, tab-separated in a pipe. */
export function eventLine(event: EventAnswer, terminal: Terminal): string {
  const { dim, bold } = terminal.out;
  const version = event.version === 1 ? '' : ` v${event.version}`;
  const data = event.data === undefined ? '' : compactJson(event.data);
  const name = printable(event.type);
  if (!terminal.outIsTerminal) return [event.sequenceNumber, timeText(event.at), `${name}${version}`, data].join('\t');
  return `${String(event.sequenceNumber).padStart(5)}  ${dim(timeText(event.at))}  ${bold(name)}${dim(version)}  ${data}`.trimEnd();
}

async function follow(api: NodeApi, following: Following, terminal: Terminal): Promise<void> {
  let hasConnected = false;
  let waitMs = reconnectAfterMinMs;
  for (;;) {
    const before = following.printed;
    try {
      await followOnce(api, following, terminal, () => {
        if (hasConnected) terminal.note('connected again');
        hasConnected = true;
      });
      if (following.printed >= following.limit) return;
      terminal.note('the node ended the stream; connecting again');
    } catch (error) {
      const reason = passing(error);
      if (reason === undefined || !hasConnected) throw reason === undefined ? error : asUnavailable(api, error);
      terminal.note(`${reason}; trying again`);
    }
    if (following.printed > before) waitMs = reconnectAfterMinMs;
    await sleep(waitMs);
    waitMs = Math.min(waitMs * 2, reconnectAfterMaxMs);
  }
}

async function followOnce(
  api: NodeApi,
  following: Following,
  terminal: Terminal,
  connected: () => void,
): Promise<void> {
  const controller = new AbortController();
  let lastHeard = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - lastHeard > silenceMaxMs) controller.abort(new ConnectionLost('the node fell silent'));
  }, silenceMaxMs / 10);
  try {
    const body = await api.stream(
      `${actorPath(following.type, following.id, '-/events')}?after=${following.after}`,
      following.after > 0 ? { 'Last-Event-ID': String(following.after) } : {},
      controller.signal,
    );
    connected();
    const parser = new SseParser();
    for await (const bytes of body) {
      lastHeard = performance.now();
      for (const { event, data } of parser.push(bytes)) {
        if (event === 'problem') throw problemError(JSON.parse(data) as Problem);
        const parsed = JSON.parse(data) as EventAnswer;
        terminal.print(following.json ? compactJson(parsed) : eventLine(parsed, terminal));
        following.after = parsed.sequenceNumber;
        following.printed += 1;
        if (following.printed >= following.limit) return;
      }
    }
  } finally {
    clearInterval(watch);
    controller.abort();
  }
}

/** Why a stream ended, if it may go on later; undefined if it never will. */
function passing(error: unknown): string | undefined {
  if (error instanceof CommandLineError) {
    return error.exitCode === exitCodes.unavailable && error.problem.code !== 'QUARANTINED' ? error.message : undefined;
  }
  if (error instanceof SyntaxError || error instanceof GreenroomError) return undefined;
  return `the connection broke (${(error as Error).message})`;
}

function asUnavailable(api: NodeApi, error: unknown): CommandLineError {
  if (error instanceof CommandLineError) return error;
  return new CommandLineError(exitCodes.unavailable, `${api.url} stopped answering: ${(error as Error).message}`);
}

function problemError(problem: Problem): CommandLineError {
  return new CommandLineError(exitCodeOf(problem.code), `${printable(problem.detail)} (${problem.code})`, { problem });
}
