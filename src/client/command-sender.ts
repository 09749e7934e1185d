/**
 * Sends one command until it is answered or its time ends.
 *
 * Exactly-once effect through retries (P4): every attempt carries the command's id. Once an attempt may have been
 * executed, the next ones also say `Greenroom-Since`: a position the client knew *before* the first attempt. The owner
 * either finds the first attempt after that position, or knows that there was none, or answers `OUTCOME_UNKNOWN`.
 *
 * Two kinds of ids. One that starts with `~` costs the actor nothing: it is searched for in the log, which needs a
 * known position close by. Where the client knows none yet, or the network stack may send a request twice without
 * saying so, the id is one that the actor remembers, like a caller's own key.
 *
 * A command may kill the process that runs it. So attempts that ended without an answer are counted, and after two of them
 * it is not tried on a third node (P10): the nodes' routers count the same way among themselves.
 */
import { GreenroomError, Rejection } from '../core/errors.ts';
import { mayHaveReachedNode, readRefusal } from './answer.ts';
import type { EndSignal } from './closing.ts';
import { backoffMs, type Environment, pause } from './environment.ts';
import type { KnownPositions } from './known-positions.ts';
import { backoffMaxMs, backoffMinMs, lastWordMs, lostAttemptsMax } from './limits.ts';
import type { NodeAddresses } from './node-addresses.ts';

export interface Command {
  /** Names the actor among this client's actors. */
  readonly actor: string;
  readonly path: string;
  /** JSON text; undefined for no input. */
  readonly body: string | undefined;
  /** The caller's own. */
  readonly key: string | undefined;
  /** On the environment's clock. */
  readonly deadlineMs: number;
}

/** What the attempts so far have shown. */
interface Progress {
  failures: number;
  /** Attempts that may have been executed, and whose node gave no answer. */
  lost: number;
  lastError: GreenroomError;
}

export class CommandSender {
  readonly #environment: Environment;
  readonly #addresses: NodeAddresses;
  readonly #positions: KnownPositions;
  readonly #token: string | undefined;
  readonly #session: string;
  readonly #closing: EndSignal;
  #sent = 0;

  constructor(
    environment: Environment,
    addresses: NodeAddresses,
    positions: KnownPositions,
    token: string | undefined,
    session: string,
    closing: EndSignal,
  ) {
    this.#environment = environment;
    this.#addresses = addresses;
    this.#positions = positions;
    this.#token = token;
    this.#session = session;
    this.#closing = closing;
  }

  /** @throws GreenroomError or Rejection: the node's last word, or `OUTCOME_UNKNOWN`/`UNAVAILABLE` where there is none */
  async send(command: Command): Promise<unknown> {
    const known = this.#positions.get(command.actor);
    const key = command.key ?? this.#makeKey(known !== undefined);
    const since = known ?? 0;
    const unreached = new GreenroomError('UNAVAILABLE', 'no node could be reached in time', { idempotencyKey: key });
    const progress: Progress = { failures: 0, lost: 0, lastError: unreached };
    while (!this.#closing.aborted) {
      const remainingMs = command.deadlineMs - this.#environment.nowMs();
      if (remainingMs <= 0) break;
      const answer = await this.#attempt(command, key, since, remainingMs, progress);
      if (answer) return answer.reply;
      if (progress.lost >= lostAttemptsMax) break;
      progress.failures += 1;
      const waitMs = Math.max(
        progress.lastError.retryAfterMs ?? 0,
        backoffMs(this.#environment, progress.failures, backoffMinMs, backoffMaxMs),
      );
      const leftMs = command.deadlineMs - this.#environment.nowMs();
      // A pause that ends after the deadline is cut to leave time for one last try.
      await pause(this.#environment, Math.max(0, Math.min(waitMs, leftMs / 2)), this.#closing);
    }
    throw this.#ended(progress, key);
  }

  /** @returns the reply, or undefined if the command is to be tried again */
  async #attempt(
    command: Command,
    key: string,
    since: number,
    remainingMs: number,
    progress: Progress,
  ): Promise<{ readonly reply: unknown } | undefined> {
    const url = this.#addresses.current;
    const abort = new AbortController();
    const stop = () => abort.abort();
    const stopTimer = this.#environment.schedule(remainingMs + lastWordMs, stop);
    this.#closing.addEventListener('abort', stop);
    try {
      const response = await this.#environment.fetch(`${url}${command.path}`, {
        method: 'POST',
        headers: this.#headers(command, key, since, remainingMs, progress.lost > 0),
        body: command.body ?? null,
        signal: abort.signal,
      });
      if (response.ok) return { reply: await this.#reply(command, response) };
      const { error, mayHaveBeenExecuted } = await readRefusal(response);
      if (error instanceof Rejection || !isWorthRetrying(error)) {
        if (error instanceof GreenroomError) error.idempotencyKey ??= key;
        throw new LastWord(error);
      }
      if (mayHaveBeenExecuted) progress.lost += 1;
      if (error.code !== 'OVERLOADED') this.#addresses.leave(url);
      progress.lastError = error;
    } catch (error) {
      if (error instanceof LastWord) throw error.word;
      if (mayHaveReachedNode(error)) progress.lost += 1;
      this.#addresses.leave(url);
      progress.lastError = new GreenroomError('UNAVAILABLE', `${url} did not answer: ${describe(error)}`, {
        cause: error,
      });
    } finally {
      stopTimer();
      this.#closing.removeEventListener('abort', stop);
    }
    return undefined;
  }

  #headers(
    command: Command,
    key: string,
    since: number,
    remainingMs: number,
    isRetry: boolean,
  ): Record<string, string> {
    const headers: Record<string, string> = {
      'Idempotency-Key': key,
      'Greenroom-Timeout-Ms': String(Math.max(1, Math.floor(remainingMs))),
    };
    if (command.body !== undefined) headers['Content-Type'] = 'application/json';
    if (this.#token !== undefined) headers.Authorization = `Bearer ${this.#token}`;
    if (isRetry) headers['Greenroom-Since'] = String(since);
    else if (key.startsWith('~')) headers['Greenroom-Since'] = 'first';
    return headers;
  }

  async #reply(command: Command, response: Response): Promise<unknown> {
    const text = response.status === 204 ? '' : await response.text();
    const reply = text === '' ? undefined : JSON.parse(text);
    const position = Number(response.headers.get('greenroom-position') ?? Number.NaN);
    if (Number.isSafeInteger(position)) this.#positions.see(command.actor, position);
    return reply;
  }

  #makeKey(knowsPosition: boolean): string {
    this.#sent += 1;
    const isSearched = knowsPosition && !this.#environment.resendsSilently;
    return `${isSearched ? '~' : ''}${this.#session}.${this.#sent.toString(36)}`;
  }

  #ended(progress: Progress, key: string): GreenroomError {
    const { lastError, lost } = progress;
    const why = this.#closing.aborted ? 'the client was closed' : lastError.message;
    if (lost > 0) {
      const again = lost >= lostAttemptsMax ? `; ${lost} attempts were lost, so it is not tried again` : '';
      const message = `it is not known whether the command was executed: ${why}${again}`;
      return new GreenroomError('OUTCOME_UNKNOWN', message, { cause: lastError, idempotencyKey: key });
    }
    lastError.idempotencyKey ??= key;
    if (!this.#closing.aborted) return lastError;
    return new GreenroomError('UNAVAILABLE', why, { cause: lastError, idempotencyKey: key });
  }
}

/** Carries a node's final answer past the handling of broken connections. */
class LastWord {
  readonly word: GreenroomError | Rejection;
  constructor(word: GreenroomError | Rejection) {
    this.word = word;
  }
}

/**
 * A quarantined actor waits for an operator: that is no matter of seconds, so its error is passed on. So is an
 * `OUTCOME_UNKNOWN`, unless the node says when to come again: without that, the nodes have tried what they may.
 */
function isWorthRetrying({ code, retryAfterMs }: GreenroomError): boolean {
  if (code === 'OUTCOME_UNKNOWN') return retryAfterMs !== undefined;
  return code === 'UNAVAILABLE' || code === 'OVERLOADED';
}

function describe(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || message || String(error);
}
