/**
 * One request and its answer. Everything that is written to a caller is written here, once: a second answer is
 * ignored, an answer to a caller who has gone is dropped.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { GreenroomError, Rejection } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { InFlight } from './in-flight.ts';
import { retryAfterDefaultMs } from './limits.ts';
import { corsHeaders } from './origin-guard.ts';
import { problemOf, problemOfDefect } from './problem.ts';

/** What all exchanges of an edge share. */
export interface EdgeContext {
  readonly log: Log;
  readonly clock: Clock;
  readonly inFlight: InFlight;
  /** The edge is about to close: connections are not kept. */
  isClosing: boolean;
}

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: EdgeContext;
  /** Set for commands, given or assigned: on every answer from then on. */
  idempotencyKey: string | undefined;
  /** Makes a key for a command that was refused before it got one. */
  assignKey: (() => string) | undefined;
  /** The foreign origin that may read the answer. */
  corsOrigin: string | undefined;
  /** Whether the request may have had an effect, should an unforeseen error end it now. */
  mayHaveActed = false;
  /** The caller asked to be told before it sends its body (`Expect: 100-continue`). */
  awaitsContinue = false;
  /** Whether browsers may keep the answer, if they ask whether it changed. */
  isCacheable = false;
  /** Of its body; counted in {@link InFlight} until the answer is written. */
  bodyBytes = 0;

  constructor(request: IncomingMessage, response: ServerResponse, context: EdgeContext) {
    this.request = request;
    this.response = response;
    this.context = context;
  }

  /** A JSON answer. @param headers pairs of name and value in one flat list */
  json(status: number, value: unknown, headers: readonly string[] = []): void {
    this.#write(status, 'application/json', JSON.stringify(value), headers);
  }

  /** An answer without a body. */
  empty(status: number, headers: readonly string[] = []): void {
    this.#write(status, undefined, undefined, headers);
  }

  /** An answer of another media type. */
  text(status: number, type: string, body: string | Buffer, headers: readonly string[] = []): void {
    this.#write(status, type, body, headers);
  }

  /** The answer to whatever went wrong: errors by their code; anything else is a defect, logged and not shown. */
  fail(error: unknown, headers: readonly string[] = []): void {
    const known = error instanceof GreenroomError || error instanceof Rejection;
    if (!known) this.context.log.error('a request failed unexpectedly', { url: this.request.url, error });
    this.#takeKey(error);
    const problem = problemOf(known ? error : problemOfDefect(this.mayHaveActed), this.idempotencyKey);
    const all = [...headers];
    // Of an unknown outcome it says that another node may know; without it, asking again by oneself does not help.
    const isNotNow = problem.status === 429 || problem.status === 503;
    const asked = error instanceof GreenroomError ? error.retryAfterMs : undefined;
    const afterMs = isNotNow ? (asked ?? retryAfterDefaultMs) : problem.status === 504 ? asked : undefined;
    if (afterMs !== undefined) all.push('Retry-After', String(Math.max(1, Math.ceil(afterMs / 1_000))));
    if (problem.status === 401) all.push('WWW-Authenticate', 'Bearer realm="greenroom"');
    this.#write(problem.status, 'application/problem+json', JSON.stringify(problem), all);
  }

  /** The key that the gateway gave the command, or one made here: every answer to a command has one. */
  #takeKey(error: unknown): void {
    const assigned = (error as { idempotencyKey?: unknown } | undefined)?.idempotencyKey;
    if (typeof assigned === 'string') this.idempotencyKey = assigned;
    else this.idempotencyKey ??= this.assignKey?.();
  }

  /** Headers that go with every answer to this caller. */
  commonHeaders(): string[] {
    const headers = ['X-Content-Type-Options', 'nosniff', 'Cache-Control', this.isCacheable ? 'no-cache' : 'no-store'];
    if (this.idempotencyKey !== undefined) headers.push('Idempotency-Key', this.idempotencyKey);
    if (this.corsOrigin !== undefined) headers.push(...corsHeaders(this.corsOrigin));
    return headers;
  }

  #write(status: number, type: string | undefined, body: string | Buffer | undefined, more: readonly string[]): void {
    const response = this.response;
    this.context.inFlight.releaseBody(this);
    if (response.headersSent || response.destroyed) return;
    const headers = this.commonHeaders();
    for (let i = 0; i < more.length; i++) headers.push(more[i]!);
    if (this.context.isClosing) headers.push('Connection', 'close');
    this.context.inFlight.count(status);
    if (body === undefined) {
      if (status !== 204 && status !== 304) headers.push('Content-Length', '0');
      response.writeHead(status, headers);
      response.end();
      return;
    }
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    headers.push('Content-Type', type!, 'Content-Length', String(length));
    response.writeHead(status, headers);
    this.context.inFlight.trackAnswer(response, length);
    response.end(body);
  }
}
