/**
 * An actor's events as server-sent events (the HTML standard, section 9.2). `id:` is the sequence number, so that a
 * caller that comes back with `Last-Event-ID` misses nothing and sees nothing twice.
 *
 * The caller's pace is the only buffer: the next event is taken from the journal when the caller has taken this one.
 * One that takes nothing for a minute is let go; it may come back with its last id.
 */
import type { Gateway, PublicEvent } from '../cluster/gateway.ts';
import type { Clock } from '../core/clock.ts';
import { GreenroomError, Rejection } from '../core/errors.ts';
import type { ActorId, SequenceNumber } from '../core/ids.ts';
import { untilTaken } from './caller-pace.ts';
import type { Exchange } from './exchange.ts';
import { heartbeatEveryMs } from './limits.ts';
import { problemOf, problemOfDefect } from './problem.ts';
import { parseWhole } from './request-path.ts';

/** What a caller is told to wait before it reconnects. */
const reconnectAfterMs = 1_000;

export class EventStreams {
  readonly #gateway: Gateway;
  readonly #clock: Clock;
  readonly #open = new Set<AbortController>();

  constructor(gateway: Gateway, clock: Clock) {
    this.#gateway = gateway;
    this.#clock = clock;
  }

  /** Ends every stream; their callers reconnect elsewhere. */
  close(): void {
    for (const controller of this.#open) controller.abort();
  }

  /** @param after where a caller without `Last-Event-ID` begins. @throws GreenroomError `UNKNOWN_ACTOR_TYPE`, `OVERLOADED`, `BAD_REQUEST` */
  async follow(exchange: Exchange, type: string, id: ActorId, after: SequenceNumber): Promise<void> {
    const lastSeen = parseWhole(
      'Last-Event-ID',
      exchange.request.headers['last-event-id'] as string | undefined,
      0,
      Number.MAX_SAFE_INTEGER,
    );
    const release = exchange.context.inFlight.admitEventStream();
    const controller = new AbortController();
    let events: AsyncIterable<PublicEvent>;
    try {
      events = this.#gateway.follow(type, id, lastSeen ?? after, controller.signal);
    } catch (error) {
      release();
      throw error;
    }
    this.#open.add(controller);
    const leave = () => controller.abort();
    exchange.response.once('close', leave);
    // A write in the very turn the caller goes away would else be an unhandled error.
    exchange.response.on('error', leave);
    this.#writeHead(exchange);
    const stopHeartbeat = this.#heartbeat(exchange, controller.signal);
    try {
      if (exchange.response.destroyed) return;
      for await (const event of events) {
        if (controller.signal.aborted) break;
        const goesOn = exchange.response.write(`id: ${event.sequenceNumber}\ndata: ${JSON.stringify(event)}\n\n`);
        if (!goesOn) await untilTaken(exchange.response, this.#clock, controller.signal);
      }
    } catch (error) {
      if (!controller.signal.aborted) writeProblem(exchange, error);
    } finally {
      stopHeartbeat();
      exchange.response.off('close', leave);
      this.#open.delete(controller);
      release();
      // Its head promised no end of the connection; a node that stops ends it all the same.
      exchange.response.end(() => exchange.context.isClosing && exchange.request.socket.destroySoon());
    }
  }

  #writeHead(exchange: Exchange): void {
    const headers = exchange.commonHeaders();
    headers.push('Content-Type', 'text/event-stream', 'X-Accel-Buffering', 'no');
    if (exchange.context.isClosing) headers.push('Connection', 'close');
    exchange.context.inFlight.count(200);
    exchange.response.writeHead(200, headers);
    exchange.response.write(`retry: ${reconnectAfterMs}\n\n`);
  }

  #heartbeat(exchange: Exchange, signal: AbortSignal): () => void {
    let cancel = () => {};
    const beat = () => {
      if (signal.aborted) return;
      if (!exchange.response.writableNeedDrain) exchange.response.write(': still here\n\n');
      cancel = this.#clock.schedule(heartbeatEveryMs, beat);
    };
    cancel = this.#clock.schedule(heartbeatEveryMs, beat);
    return () => cancel();
  }
}

/** Too late for a status: the problem is the stream's last event, named `problem`. */
function writeProblem(exchange: Exchange, error: unknown): void {
  const known = error instanceof GreenroomError || error instanceof Rejection;
  if (!known) exchange.context.log.error('an event stream failed unexpectedly', { url: exchange.request.url, error });
  exchange.response.write(
    `event: problem\ndata: ${JSON.stringify(problemOf(known ? error : problemOfDefect(false)))}\n\n`,
  );
}
