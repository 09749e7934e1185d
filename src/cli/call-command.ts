/**
 * `greenroom call`: one command for one actor. The command always travels under an idempotency key, so that a
 * connection that breaks is no reason to guess: the same call is sent again and is executed at most once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { durationMs, formatDuration } from '../core/duration.ts';
import { parseCommandId } from '../core/ids.ts';
import { readCommandInput } from './command-input.ts';
import { asUsage, checkedId, connect, servedTypes, wantsJson, withConnection, withSuggestions } from './connection.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { type Answer, actorPath, answerMarginMs, ConnectionLost, type NodeApi } from './node-api.ts';
import { didYouMean } from './suggestion.ts';
import { printTable } from './table.ts';
import { compactJson, prettyJson, type Terminal } from './terminal.ts';

export const callTimeoutDefaultMs = 30_000;
/** The longest wait that HTTP takes. */
export const callTimeoutMaxMs = 600_000;
const retryAfterMs = 250;

interface CallOptions {
  readonly key?: string;
  readonly timeout?: string;
  readonly verbose?: boolean;
}

interface Call {
  readonly type: string;
  readonly id: string;
  readonly command: string;
  readonly input: string | undefined;
  readonly key: string;
  readonly timeoutMs: number;
}

export function addCallCommand(program: Command, terminal: Terminal): void {
  withConnection(program.command('call <type> <id> [command] [input]'))
    .summary('call a command of an actor')
    .description(
      'Call a command of an actor and print its reply. The input is JSON, - for standard input, or @file. Without a command, lists them.',
    )
    .option('--key <key>', 'idempotency key: the same key again repeats the answer, not the effect')
    .option('--timeout <duration>', 'how long to wait', '30s')
    .option('-v, --verbose', 'say on standard error what it took, and whether it woke the actor')
    .addHelpText(
      'after',
      examples([
        [`greenroom call ShoppingCart alice addItem '{"sku":"milk","quantity":2}'`, ''],
        ['greenroom call ShoppingCart alice get -v', 'without input; says if it had to be woken'],
        ['greenroom call ShoppingCart alice addItem @item.json --key order-17', 'safe to run twice'],
        ["echo '3' | greenroom call Counter hits add -", 'input from a pipe'],
        ['greenroom call ShoppingCart alice', 'lists its commands'],
      ]),
    )
    .action(
      async (
        type: string,
        id: string,
        name: string | undefined,
        input: string | undefined,
        options: CallOptions,
        command: Command,
      ) => {
        const api = connect(command, terminal);
        if (name === undefined) return listCommands(api, type, terminal, wantsJson(command));
        const call = await prepare(type, id, name, input, options, terminal);
        const startedMs = performance.now();
        const answer = await withSuggestions(api, call, () => send(api, call, terminal));
        printAnswer(answer, terminal, wantsJson(command));
        if (options.verbose) noteDetails(answer, performance.now() - startedMs, terminal);
      },
    );
}

async function prepare(
  type: string,
  id: string,
  command: string,
  input: string | undefined,
  options: CallOptions,
  terminal: Terminal,
): Promise<Call> {
  const timeoutMs = durationMs(options.timeout ?? callTimeoutDefaultMs);
  if (timeoutMs === undefined || timeoutMs < 1 || timeoutMs > callTimeoutMaxMs) {
    throw wrongUsage(`--timeout: '${options.timeout}' is not a duration from 1ms to 10m, such as 30s`);
  }
  const key = asUsage(() => parseCommandId(options.key ?? `cli-${randomUUID()}`));
  const json = await readCommandInput(input, terminal);
  return { type, id: checkedId(id), command, input: json, key, timeoutMs: Math.ceil(timeoutMs) };
}

/** Sends the call, again with the same key if its connection breaks, until its time is up. */
async function send(api: NodeApi, call: Call, terminal: Terminal): Promise<Answer> {
  const deadlineMs = performance.now() + call.timeoutMs;
  for (let attempt = 1; ; attempt++) {
    const leftMs = Math.max(1, Math.ceil(deadlineMs - performance.now()));
    try {
      return await api.request('POST', actorPath(call.type, call.id, encodeURIComponent(call.command)), {
        json: call.input,
        headers: { 'Idempotency-Key': call.key, 'Greenroom-Timeout-Ms': String(leftMs) },
        timeoutMs: leftMs + answerMarginMs,
      });
    } catch (error) {
      const isLost = error instanceof ConnectionLost;
      const isRefusedRetry = attempt > 1 && error instanceof CommandLineError && isUnreachable(error);
      if (!isLost && !isRefusedRetry) throw error;
      if (performance.now() + retryAfterMs >= deadlineMs) throw unknownOutcome(api, call, error as Error);
      if (attempt === 1)
        terminal.note(`the connection broke (${(error as Error).message}); trying again with the same key`);
      await sleep(retryAfterMs);
    }
  }
}

/** The node is gone, after an attempt that it may have executed. */
function isUnreachable(error: CommandLineError): boolean {
  return error.exitCode === exitCodes.unavailable && error.problem.code === 'UNAVAILABLE';
}

function unknownOutcome(api: NodeApi, call: Call, cause: Error): CommandLineError {
  const problem = {
    type: 'urn:greenroom:outcome-unknown',
    title: 'It is not known whether the command was executed',
    status: 504,
    detail: `${api.url} stopped answering, so it is not known whether ${call.command} was executed`,
    code: 'OUTCOME_UNKNOWN',
    retryable: true,
    idempotencyKey: call.key,
  };
  return new CommandLineError(exitCodes.outcomeUnknown, problem.detail, {
    problem,
    cause,
    hint: `learn the outcome without a second effect: the same call with --key '${call.key}'`,
  });
}

function printAnswer(answer: Answer, terminal: Terminal, json: boolean): void {
  if (answer.status === 204) {
    if (terminal.outIsTerminal && !json) terminal.note(terminal.error.dim('done (no reply)'));
    return;
  }
  const { body } = answer;
  terminal.print(json || !terminal.outIsTerminal ? compactJson(body) : prettyJson(body, terminal.out));
}

function noteDetails(answer: Answer, tookMs: number, terminal: Terminal): void {
  const woke = parseWoke(answer.headers.get('Greenroom-Woke'));
  const parts = [
    `answered in ${formatDuration(tookMs)}`,
    woke === undefined ? 'was awake' : woke,
    ...(answer.headers.get('Idempotent-Replayed') === 'true' ? ['the recorded answer of an earlier call'] : []),
    `key ${answer.headers.get('Idempotency-Key') ?? '?'}`,
  ];
  terminal.note(terminal.error.dim(parts.join(' · ')));
}

/** `1.4;events=3` → `woke in 1.4 ms (3 events)`. */
export function parseWoke(header: string | null): string | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*;\s*events=(\d+)$/.exec(header ?? '');
  if (!match) return undefined;
  return `woke in ${formatDuration(Number(match[1]))} (${match[2]} event${match[2] === '1' ? '' : 's'})`;
}

async function listCommands(api: NodeApi, type: string, terminal: Terminal, json: boolean): Promise<void> {
  const types = await servedTypes(api);
  const found = types.find(({ name }) => name === type);
  if (found === undefined) {
    const names = types.map(({ name }) => name);
    throw new CommandLineError(exitCodes.refused, `there is no actor type '${type}'`, {
      hint: didYouMean(type, names) ?? `this node serves ${names.join(', ')}`,
      problem: {
        type: 'urn:greenroom:unknown-actor-type',
        title: 'No such actor type',
        status: 404,
        detail: `there is no actor type '${type}'`,
        code: 'UNKNOWN_ACTOR_TYPE',
        retryable: false,
      },
    });
  }
  if (json) return terminal.print(compactJson({ type, commands: found.commands }));
  const rows = found.commands.map(({ name, schema }) => [name, schema ?? '']);
  printTable(terminal, [{ title: 'COMMAND', paint: terminal.out.cyan }, { title: 'SCHEMA' }], rows);
}
