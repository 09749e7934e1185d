/** `POST /v1/actors/{Type}/{id}/{command}`: the hot path. */
import type { CommandAnswer, Gateway } from '../cluster/gateway.ts';
import { GreenroomError } from '../core/errors.ts';
import { isActorTypeName, type Position, parseActorId, parseCommandId } from '../core/ids.ts';
import type { Exchange } from './exchange.ts';
import { commandTimeoutDefaultMs, commandTimeoutMaxMs } from './limits.ts';
import { shorten } from './problem.ts';
import { readInput } from './request-body.ts';
import { parseWhole } from './request-path.ts';

/** What a client says in `Greenroom-Since` with a key of its own making that it sends for the first time. */
const firstAttempt = 'first';
/** Keys that are not remembered by the actor but searched for in its log, from a known position. */
const isSearchedKey = /^~/;
/** Those of them that a node assigned: they carry the position. */
const carriesPosition = /^~[A-Za-z0-9]+\.[0-9a-z]+\.[0-9a-z]+$/;
const commandNameLengthMax = 256;

export class CommandRoute {
  readonly #gateway: Gateway;
  readonly #session: string;
  #refused = 0;

  /** @param session letters and digits that no other edge, before or after, is given */
  constructor(gateway: Gateway, session: string) {
    this.#gateway = gateway;
    this.#session = session;
  }

  /** @throws GreenroomError `BAD_REQUEST`, `UNKNOWN_ACTOR_TYPE`, `UNKNOWN_COMMAND` for what can never be a command */
  run(exchange: Exchange, query: string, type: string, rawId: string, command: string): void {
    const { headers } = exchange.request;
    const given = headers['idempotency-key'] as string | undefined;
    const key = given === undefined ? undefined : parseCommandId(given);
    exchange.idempotencyKey = key;
    exchange.assignKey = this.#assignKey;
    if (query !== '')
      throw new GreenroomError('BAD_REQUEST', 'a command takes no query parameters; its input is the body');
    const timeoutMs =
      parseWhole(
        'Greenroom-Timeout-Ms',
        headers['greenroom-timeout-ms'] as string | undefined,
        1,
        commandTimeoutMaxMs,
      ) ?? commandTimeoutDefaultMs;
    const since = key === undefined ? undefined : parseSince(key, headers['greenroom-since'] as string | undefined);
    checkNames(type, command);
    const id = parseActorId(rawId);
    readInput(exchange, (input) => {
      exchange.mayHaveActed = true;
      this.#gateway
        .command({ type, id, command, input, key, since, timeoutMs })
        .then(
          (answer) => answerCommand(exchange, answer),
          (error) => exchange.fail(error),
        )
        .catch((error) => exchange.fail(error));
    });
  }

  /** For a refusal that no gateway has given a key: sent again with it, the command is searched for from the beginning. */
  readonly #assignKey = (): string => {
    this.#refused += 1;
    return `~${this.#session}.${this.#refused.toString(36)}.0`;
  };
}

function answerCommand(exchange: Exchange, answer: CommandAnswer): void {
  exchange.idempotencyKey = answer.idempotencyKey;
  const headers = ['Greenroom-Position', String(answer.position)];
  if (answer.replayed) headers.push('Idempotent-Replayed', 'true');
  if (answer.woke !== undefined) {
    headers.push('Greenroom-Woke', `${answer.woke.tookMs.toFixed(1)};events=${answer.woke.eventsReplayed}`);
  }
  if (answer.reply === undefined) exchange.empty(204, headers);
  else exchange.json(200, answer.reply, headers);
}

/**
 * A searched key without any position is somebody's retry of whom no more is known: it is searched for from the
 * beginning, never taken for a first attempt.
 */
function parseSince(key: string, text: string | undefined): Position | undefined {
  if (text === firstAttempt) return undefined;
  const since = parseWhole('Greenroom-Since', text, 0, Number.MAX_SAFE_INTEGER);
  return since ?? (isSearchedKey.test(key) && !carriesPosition.test(key) ? 0 : undefined);
}

/** @throws GreenroomError `UNKNOWN_ACTOR_TYPE`, `UNKNOWN_COMMAND` for names that nothing can have */
export function checkNames(type: string, command?: string): void {
  if (!isActorTypeName(type)) {
    throw new GreenroomError('UNKNOWN_ACTOR_TYPE', `there is no actor type '${shorten(type)}'`);
  }
  if (command !== undefined && (command.length === 0 || command.length > commandNameLengthMax)) {
    throw new GreenroomError('UNKNOWN_COMMAND', `${type} has no command '${shorten(command)}'`);
  }
}
