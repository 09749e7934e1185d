/**
 * A whole node inside a test: the real node on a journal in memory and a clock that the test moves. No port, no disk,
 * no waiting: two minutes of idleness take `advance('2m')`, and a crash takes `crash()`.
 *
 * For one actor and one command, `given` says more with less; this is for actors that talk to each other, for
 * passivation and time-outs, and for what survives a crash.
 */
import type { Actor, ActorClass, ActorRef, ActorType, EventOf, Immutable, StateOf, Tell } from '../actors/actor.ts';
import { actorTypeName, defineActor } from '../actors/definition.ts';
import type { RefTarget } from '../actors/refs.ts';
import type { Gateway } from '../cluster/gateway.ts';
import { ClusterNode } from '../cluster/node.ts';
import { type Duration, durationMs } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import { type NodeName, parseActorId } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import { seededRandom } from '../core/random.ts';
import { MemoryJournal } from '../persistence/memory-journal.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface TestNodeOptions {
  readonly actors: readonly ActorClass[];
  /** Default: a new one. */
  readonly clock?: VirtualClock;
  /** For classes that do not say. Default 2 m. */
  readonly passivateAfter?: Duration;
  /** Actors in memory at most. Default 100,000. */
  readonly maxActive?: number;
  /** Diagnostics. Default: silent. */
  readonly log?: Log;
}

const shardCount = 4;
const eventsPerPage = 1_000;
/** Turns of the event loop without coming to rest after which something must be waiting for time to pass. */
const turnsUntilRestMax = 200;

/** Starts a node in memory. Actors are deep-frozen, randomness is seeded, time stands still until you advance it. */
export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  const clock = options.clock ?? new VirtualClock();
  const identity = { clusterId: 'test', node: 'test', storeId: 'test', shardCount, replicas: 1 };
  const journal = new MemoryJournal({ identity, defer: (task) => clock.defer(task) });
  return new TestNode(options, clock, journal, await startNodeOn(journal, options, clock));
}

async function startNodeOn(
  journal: MemoryJournal,
  options: TestNodeOptions,
  clock: VirtualClock,
): Promise<ClusterNode> {
  await journal.open();
  const passivateAfterMs = requiredMs(options.passivateAfter ?? '2m');
  return ClusterNode.start({
    name: 'test' as NodeName,
    definitions: options.actors.map((type) => defineActor(type, { passivateAfterMs })),
    journal,
    clock,
    random: seededRandom(1),
    log: options.log ?? silentLog,
    maxActive: options.maxActive ?? 100_000,
    freeze: true,
    clusterAddress: 'test:0',
  });
}

/** Made by {@link startTestNode}. Close it, or declare it with `await using`. */
export class TestNode implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly #options: TestNodeOptions;
  #journal: MemoryJournal;
  #node: ClusterNode;
  /** Callers that wait for an answer: a crash is theirs, too. */
  readonly #waiting = new Set<(error: GreenroomError) => void>();
  readonly #target: RefTarget = { ask: (type, id, command, input) => this.#ask(type, id, command, input) };

  constructor(options: TestNodeOptions, clock: VirtualClock, journal: MemoryJournal, node: ClusterNode) {
    this.#options = options;
    this.clock = clock;
    this.#journal = journal;
    this.#node = node;
  }

  /** What HTTP and the command line use: inspect, events, passivate, delete, … A crash makes a new one. */
  get gateway(): Gateway {
    return this.#node;
  }

  /** A ref, as `node.actor` makes them. It stays good through a crash. */
  actor<A extends Actor>(type: ActorType<A>, id: string): ActorRef<A> {
    return this.#node.host.refFor(this.#target, type, id) as ActorRef<A>;
  }

  /** `node.tell(ref).command(input)`: sends without waiting. */
  tell<R extends object>(ref: R): Tell<R> {
    return this.#node.host.tell(ref) as Tell<R>;
  }

  /** All committed events of an actor, oldest first; none for an actor that never had any. */
  async events<A extends Actor>(type: ActorType<A>, id: string): Promise<EventOf<A>[]> {
    const all: EventOf<A>[] = [];
    for (let after = 0; ; ) {
      const page = await orNothing(this.#node.events(actorTypeName(type), parseActorId(id), after, eventsPerPage), []);
      for (const { type: name, data } of page) {
        all.push((data === undefined ? { type: name } : { type: name, data }) as EventOf<A>);
      }
      if (page.length < eventsPerPage) return all;
      after = page.at(-1)!.sequenceNumber;
    }
  }

  /** An actor's committed state, without waking it; undefined for an actor that has recorded nothing. */
  async state<A extends Actor>(type: ActorType<A>, id: string): Promise<Immutable<StateOf<A>> | undefined> {
    const inspection = await orNothing(this.#node.inspect(actorTypeName(type), parseActorId(id)), undefined);
    return inspection?.state as Immutable<StateOf<A>> | undefined;
  }

  /** How many actors are in memory. */
  get activeCount(): number {
    return this.#node.host.activeCount;
  }

  /** Takes an actor out of memory once it has nothing to do; resolves when it is out. */
  passivate<A extends Actor>(type: ActorType<A>, id: string): Promise<void> {
    return this.#node.passivate(actorTypeName(type), parseActorId(id));
  }

  /** Resolves when nothing runs, waits or is being written any more (or when what is left waits for time to pass). */
  async settle(): Promise<void> {
    for (let turn = 0; turn < turnsUntilRestMax; turn++) {
      await new Promise<void>((resolve) => this.clock.defer(resolve));
      if (this.#node.host.isQuiet) return;
    }
  }

  /** Lets time pass: idle actors leave, time-outs strike, paused tells go out again. Settles at every timer. */
  async advance(duration: Duration): Promise<void> {
    const endMs = this.clock.monotonicMs() + requiredMs(duration);
    await this.settle();
    for (let next = this.clock.nextTimerAtMs; next !== undefined && next <= endMs; next = this.clock.nextTimerAtMs) {
      this.clock.advance(Math.max(0, next - this.clock.monotonicMs()));
      if (!this.#node.host.isQuiet) await this.settle();
    }
    this.clock.advance(endMs - this.clock.monotonicMs());
    await this.settle();
  }

  /**
   * Kills the node without a word and starts it again on what was durable. Who still waited for an answer gets
   * `OUTCOME_UNKNOWN`. Do not crash it while an asynchronous command runs: its code lives on in this process.
   */
  async crash(): Promise<void> {
    this.#node.host.stopAdmitting('this node has crashed');
    this.#node.host.close();
    const left = this.#journal.crash();
    for (const fail of this.#waiting)
      fail(new GreenroomError('OUTCOME_UNKNOWN', 'the node crashed before it answered'));
    this.#waiting.clear();
    this.#journal = left;
    this.#node = await startNodeOn(left, this.#options, this.clock);
  }

  /** Stops it. Idempotent. */
  async close(): Promise<void> {
    await this.settle();
    await this.#node.close(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask(type: string, id: string, command: string, input: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#node.host
        .ask(type, id, command, input)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }
}

async function orNothing<T, N>(answer: Promise<T>, nothing: N): Promise<T | N> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof GreenroomError && error.code === 'UNKNOWN_ACTOR') return nothing;
    throw error;
  }
}

function requiredMs(duration: Duration): number {
  const ms = durationMs(duration);
  if (ms !== undefined) return ms;
  throw new GreenroomError('BAD_REQUEST', `'${duration}' is no duration: milliseconds, or a text like '30s'`);
}
