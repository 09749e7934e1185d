/**
 * An actor's events as they commit, over server-sent events. When the connection breaks or falls silent it is opened
 * again after the last event seen, so the iteration has no gap and no repeat. The consumer's pace is the only buffer:
 * nothing is read from the network before the event before has been taken.
 */
import { GreenroomError } from '../core/errors.ts';
import { errorOf, parseProblem, readRefusal } from './answer.ts';
import type { EndSignal } from './closing.ts';
import { backoffMs, type Environment, pause } from './environment.ts';
import { backoffMaxMs, backoffMinMs, silentStreamMs } from './limits.ts';
import type { NodeAddresses } from './node-addresses.ts';
import { SseParser } from './sse-parser.ts';

/** One committed event. */
export interface ActorEvent<Type extends string = string, Data = unknown> {
  /** Counts the actor's events, from 1. */
  readonly sequenceNumber: number;
  readonly type: Type;
  readonly version: number;
  readonly data: Data;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface EventFeedOptions {
  readonly environment: Environment;
  readonly addresses: NodeAddresses;
  readonly token: string | undefined;
  readonly path: string;
  readonly after: number;
  readonly signal: EndSignal;
}

/** Ends when `signal` aborts. @throws GreenroomError that trying again does not help against */
export async function* eventFeed(options: EventFeedOptions): AsyncGenerator<ActorEvent> {
  const { environment, addresses, signal } = options;
  let after = options.after;
  let failures = 0;
  while (!signal.aborted) {
    let waitMs = 0;
    const url = addresses.current;
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener('abort', stop);
    try {
      for await (const event of connect(options, url, after, connection)) {
        failures = 0;
        after = event.sequenceNumber;
        yield event;
        if (signal.aborted) return;
      }
    } catch (error) {
      if (error instanceof GreenroomError && !error.retryable) throw error;
      waitMs = (error instanceof GreenroomError && error.retryAfterMs) || 0;
      addresses.leave(url);
    } finally {
      signal.removeEventListener('abort', stop);
      connection.abort();
    }
    failures += 1;
    waitMs = Math.max(waitMs, backoffMs(environment, failures, backoffMinMs, backoffMaxMs));
    await pause(environment, waitMs, signal);
  }
}

async function* connect(
  options: EventFeedOptions,
  url: string,
  after: number,
  connection: AbortController,
): AsyncGenerator<ActorEvent> {
  const { environment, token, path } = options;
  let stopTimer = () => {};
  const expectSomething = () => {
    stopTimer();
    stopTimer = environment.schedule(silentStreamMs, () => connection.abort());
  };
  expectSomething();
  try {
    const response = await environment.fetch(`${url}${path}?after=${after}`, {
      headers: { Accept: 'text/event-stream', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      signal: connection.signal,
    });
    if (!response.ok || !response.body) throw (await readRefusal(response)).error;
    const reader = response.body.getReader();
    const parser = new SseParser();
    for (;;) {
      expectSomething();
      const { done, value } = await reader.read();
      if (done) return;
      // The consumer may take its time; only the network's silence counts.
      stopTimer();
      for (const message of parser.push(value)) {
        if (message.event === 'problem') throw problemError(message.data);
        yield JSON.parse(message.data) as ActorEvent;
      }
    }
  } finally {
    stopTimer();
  }
}

function problemError(text: string): Error {
  const problem = parseProblem(text);
  return problem ? errorOf(problem) : new GreenroomError('UNAVAILABLE', 'the stream ended with an unknown problem');
}
