/**
 * A client outside the cluster, in Node and in browsers: it needs nothing but `fetch`, and no server code.
 *
 * ```ts
 * const client = connect('http://127.0.0.1:8400');
 * await client.actor<ShoppingCart>('ShoppingCart', 'alice').addItem({ sku: 'tea', quantity: 1 });
 * ```
 *
 * One client is one sender: its commands to one actor arrive in the order they were called (P6). It retries by itself,
 * with the same command id, until the call's time ends; so a call sees a failover as a pause. A command under which two
 * connections were lost is not sent a third time: it may be what kills the nodes that run it.
 */
import type { Actor, ActorRef, ActorType, Client, EventOf, Immutable, StateOf } from '../actors/actor.ts';
import { type Duration, durationMs } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import { parseActorId, parseActorTypeName, parseCommandId } from '../core/ids.ts';
import { findNotPlain } from '../core/plain-data.ts';
import { randomName } from '../core/random.ts';
import { ActorLines } from './actor-line.ts';
import { Closing, eitherEnds } from './closing.ts';
import { CommandSender } from './command-sender.ts';
import { type Environment, realEnvironment } from './environment.ts';
import { type ActorEvent, eventFeed } from './event-feed.ts';
import { KnownPositions } from './known-positions.ts';
import { rememberedPositionsMax, timeoutDefaultMs, timeoutMaxMs } from './limits.ts';
import { NodeAddresses } from './node-addresses.ts';
import { Reader } from './reader.ts';
import { remoteRef } from './remote-ref.ts';

export interface ConnectOptions {
  /** A bearer token, if the nodes want one. */
  readonly token?: string;
  /** How long a call waits for its answer, its time in line and its retries included. Default 30 s, at most 10 m. */
  readonly timeout?: Duration;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
}

/** For the calls of one ref. */
export interface CallOptions {
  /**
   * The caller's own idempotency key, for one command: sent again with it, also by another client or after a crash, the
   * command has no second effect. Remembered for at least 15 minutes.
   */
  readonly key?: string;
  readonly timeout?: Duration;
}

/** An actor looked at from outside; looking does not wake it. */
export interface ActorInspection<State = unknown> {
  readonly type: string;
  readonly id: string;
  readonly shard: number;
  readonly node: string;
  readonly replicas: readonly string[];
  readonly status: 'active' | 'passivated' | 'quarantined';
  readonly sequenceNumber: number;
  readonly state: State;
  readonly reason?: string;
}

/** The events of an actor class as a stream shows them; of an unknown class, any. */
export type ActorEventOf<A> = [A] extends [never]
  ? ActorEvent
  : EventOf<A> extends infer E
    ? E extends { type: infer T extends string; data: infer D }
      ? ActorEvent<T, D>
      : ActorEvent
    : never;
type InspectionOf<A> = [A] extends [never] ? ActorInspection : ActorInspection<Immutable<StateOf<A>>>;

export interface RemoteClient extends Client {
  actor<A extends Actor>(type: ActorType<A>, id: string, options?: CallOptions): ActorRef<A>;
  actor<A extends Actor = never>(type: string, id: string, options?: CallOptions): ActorRef<A>;
  /** The actor's state now, or as of a sequence number. @throws GreenroomError `UNKNOWN_ACTOR` if it has no events */
  inspect<A extends Actor>(type: ActorType<A>, id: string, options?: { at?: number }): Promise<InspectionOf<A>>;
  inspect<A extends Actor = never>(type: string, id: string, options?: { at?: number }): Promise<InspectionOf<A>>;
  /** Committed events after a sequence number (0: from the first), then each as it commits. Ends with `break` or `signal`. */
  events<A extends Actor>(type: ActorType<A>, id: string, options?: EventOptions): AsyncIterable<ActorEventOf<A>>;
  events<A extends Actor = never>(type: string, id: string, options?: EventOptions): AsyncIterable<ActorEventOf<A>>;
  /** Ends every call: what was sent is `OUTCOME_UNKNOWN`, what was not is `UNAVAILABLE`. Idempotent. */
  close(): void;
}

export interface EventOptions {
  readonly after?: number;
  readonly signal?: AbortSignal;
}

/**
 * Makes a client. Connects when it first has something to send.
 *
 * @param url of a node, or of several: the next is asked when one does not answer
 * @throws GreenroomError `BAD_REQUEST` for a wrong address or option
 */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): RemoteClient {
  return new HttpClient(typeof url === 'string' ? [url] : url, options, realEnvironment(options.fetch));
}

/** {@link connect}, with the world as an argument. */
export class HttpClient implements RemoteClient {
  readonly #environment: Environment;
  readonly #addresses: NodeAddresses;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;
  readonly #lines: ActorLines;
  readonly #sender: CommandSender;
  readonly #reader: Reader;
  readonly #closing = new Closing();

  constructor(urls: readonly string[], options: ConnectOptions, environment: Environment) {
    this.#environment = environment;
    this.#addresses = new NodeAddresses(urls);
    this.#token = options.token;
    this.#timeoutMs = parseTimeout(options.timeout, timeoutDefaultMs);
    this.#lines = new ActorLines(environment);
    this.#reader = new Reader(environment, this.#addresses, options.token, this.#closing);
    const session = randomName({ next: environment.random }, 16);
    const positions = new KnownPositions(rememberedPositionsMax);
    this.#sender = new CommandSender(environment, this.#addresses, positions, options.token, session, this.#closing);
  }

  actor<A extends Actor>(type: ActorType<A> | string, id: string, options: CallOptions = {}): ActorRef<A> {
    const actor = pathOf(type, id);
    const timeoutMs = parseTimeout(options.timeout, this.#timeoutMs);
    const key = options.key === undefined ? undefined : parseCommandId(options.key);
    if (key?.startsWith('~')) throw new GreenroomError('BAD_REQUEST', "a key of one's own does not begin with ~");
    return remoteRef((command, input) => this.#call(actor, command, input, key, timeoutMs)) as ActorRef<A>;
  }

  async #call(
    actor: string,
    command: string,
    input: unknown,
    key: string | undefined,
    timeoutMs: number,
  ): Promise<unknown> {
    const wrong = findNotPlain(input);
    if (wrong) throw new GreenroomError('INVALID_INPUT', `the input of ${command}${wrong.path} ${wrong.problem}`);
    // Now, and not when its turn comes: the caller may change the object after the call.
    const body = input === undefined ? undefined : JSON.stringify(input);
    const deadlineMs = this.#environment.nowMs() + timeoutMs;
    const path = `${actor}/${encodeURIComponent(command)}`;
    return this.#lines.inTurn(actor, deadlineMs, () => this.#sender.send({ actor, path, body, key, deadlineMs }));
  }

  async inspect<A extends Actor>(
    type: ActorType<A> | string,
    id: string,
    options: { at?: number } = {},
  ): Promise<InspectionOf<A>> {
    const query = options.at === undefined ? '' : `?at=${options.at}`;
    return (await this.#reader.read(`${pathOf(type, id)}${query}`, this.#timeoutMs)) as InspectionOf<A>;
  }

  events<A extends Actor>(
    type: ActorType<A> | string,
    id: string,
    options: EventOptions = {},
  ): AsyncIterable<ActorEventOf<A>> {
    return eventFeed({
      environment: this.#environment,
      addresses: this.#addresses,
      token: this.#token,
      path: `${pathOf(type, id)}/-/events`,
      after: options.after ?? 0,
      signal: options.signal ? eitherEnds(this.#closing, options.signal) : this.#closing,
    }) as AsyncIterable<unknown> as AsyncIterable<ActorEventOf<A>>;
  }

  close(): void {
    this.#lines.close(new GreenroomError('UNAVAILABLE', 'the client is closed'));
    this.#closing.end();
  }
}

function pathOf(type: ActorType<Actor> | string, id: string): string {
  const name = parseActorTypeName(typeof type === 'string' ? type : nameOf(type));
  return `/v1/actors/${name}/${encodeURIComponent(parseActorId(id))}`;
}

/** The name a class has in the cluster: the one it chose, else its own. */
function nameOf(type: ActorType<Actor>): string {
  const { options, model } = type as { options?: { name?: string }; model?: { name?: string } };
  return (Object.hasOwn(type, 'options') ? options?.name : undefined) ?? model?.name ?? type.name;
}

function parseTimeout(timeout: Duration | undefined, otherwiseMs: number): number {
  if (timeout === undefined) return otherwiseMs;
  const ms = durationMs(timeout);
  if (ms !== undefined && ms > 0 && ms <= timeoutMaxMs) return ms;
  throw new GreenroomError(
    'BAD_REQUEST',
    `timeout is ${JSON.stringify(timeout)}; it is more than nothing and at most 10m`,
  );
}
