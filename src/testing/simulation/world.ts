/**
 * A world: one seed, one course of events. Time is virtual: it stands still while anything can run, and then jumps to
 * the next event. Everything in a world (clocks, disks, network, clients, faults) happens through its event queue,
 * one event a turn: between two events all promises that can settle have settled.
 *
 * Invariant: what happens depends on the seed alone; {@link Trace.hash} is equal in every run.
 *
 * Source: FoundationDB's and TigerBeetle's simulators.
 */
import { assert } from '../../core/assert.ts';
import type { Clock } from '../../core/clock.ts';
import { textHash } from '../../core/hash.ts';
import { type Random, seededRandom } from '../../core/random.ts';
import { virtualStartMs } from '../virtual-clock.ts';
import { drained } from './drain.ts';
import { EventQueue } from './event-queue.ts';
import type { Life } from './machine.ts';
import { Trace, type TraceOptions } from './trace.ts';

/** Events at one instant. Beyond: something goes on for ever without letting time pass. */
export const eventsPerInstantMax = 1_000_000;

interface WorldEvent {
  readonly atMs: number;
  readonly order: number;
  /** Whose event it is: it is held while that machine is paused, and never happens after that life. */
  readonly life: Life | undefined;
  task: (() => void) | undefined;
}

export class World {
  readonly seed: number;
  readonly trace: Trace;
  /** The world's own time, for what belongs to no machine: clients, faults, the network between machines. */
  readonly clock: Clock;
  readonly #queue = new EventQueue<WorldEvent>();
  readonly #afterStep: (() => void)[] = [];
  #order = 0;
  #nowMs = 0;
  #isStopped = false;

  constructor(seed: number, options: TraceOptions = {}) {
    this.seed = seed;
    this.trace = new Trace(options);
    this.clock = {
      wallMs: () => virtualStartMs + this.#nowMs,
      monotonicMs: () => this.#nowMs,
      schedule: (delayMs, task) => this.after(delayMs, task),
      defer: (task) => void this.after(0, task),
    };
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** A source of randomness of its own for each purpose, so that one more draw here changes nothing there. */
  random(purpose: string): Random {
    return seededRandom(textHash(`${this.seed}/${purpose}`) % 0x1_0000_0000);
  }

  /** Runs `task` at a time to come (at once: after everything that is due now). Returns what cancels it. */
  after(delayMs: number, task: () => void, life?: Life): () => void {
    assert(Number.isFinite(delayMs), () => `a delay is a number of milliseconds, got ${delayMs}`);
    this.#order += 1;
    const event: WorldEvent = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, life, task };
    this.#queue.add(event);
    return () => {
      event.task = undefined;
    };
  }

  /** Calls `check` after every step. */
  onStep(check: () => void): void {
    this.#afterStep.push(check);
  }

  note(who: string, what: string): void {
    this.trace.note(this.#nowMs, who, what);
  }

  /** No further event happens. */
  stop(): void {
    this.#isStopped = true;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Lets time pass until `untilMs`, or until the world is stopped. */
  async run(untilMs: number): Promise<void> {
    let atInstant = 0;
    await drained();
    while (!this.#isStopped) {
      const next = this.#queue.first;
      if (next === undefined || next.atMs > untilMs) break;
      this.#queue.take();
      const { task, life } = next;
      if (task === undefined || life?.isOver) continue;
      atInstant = next.atMs > this.#nowMs ? 0 : atInstant + 1;
      assert(atInstant < eventsPerInstantMax, () => `time passes, got ${eventsPerInstantMax} events at ${this.#nowMs}`);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (life?.machine.holds(life, task)) continue;
      await this.#step(next, task);
    }
    if (!this.#isStopped) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  async #step(event: WorldEvent, task: () => void): Promise<void> {
    this.trace.step(this.#nowMs, event.order);
    event.life?.machine.ran();
    try {
      task();
    } catch (error) {
      if (!event.life) throw error;
      event.life.fail(error);
    }
    await drained();
    for (const check of this.#afterStep) check();
  }
}
