/**
 * A clock that stands still until a test moves it. Timers run in the order of their times, equal ones in the order
 * in which they were set, so that a test that passes once passes always.
 *
 * Only time is virtual: `defer` goes to the event loop (or wherever the constructor is told to), so that promises
 * and a memory journal move on by themselves while no time passes.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';

/** 2026-01-01T00:00:00Z: where a virtual clock starts unless it is told otherwise. */
export const virtualStartMs = Date.UTC(2026, 0, 1);

/** Timers that one `advance` may run. Beyond: an assertion, because something sets timers without letting time pass. */
export const timersPerAdvanceMax = 10_000_000;

export interface VirtualClockOptions {
  /** Wall-clock time at the start, milliseconds since 1970. Default {@link virtualStartMs}. */
  readonly startsAtMs?: number;
  /** What `defer` does. Default `setImmediate`. */
  readonly defer?: (task: () => void) => void;
}

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

/**
 * A {@link Clock} under a test's control.
 *
 *     const clock = new VirtualClock();
 *     clock.schedule(1_000, () => rang.push(clock.monotonicMs()));
 *     clock.advance(999);   // nothing yet
 *     clock.advance(1);     // rang: [1000]
 */
export class VirtualClock implements Clock {
  readonly #defer: (task: () => void) => void;
  /** By time, then in the order of setting. */
  readonly #timers: Timer[] = [];
  #elapsedMs = 0;
  #wallAtStartMs: number;

  constructor(options: VirtualClockOptions = {}) {
    this.#wallAtStartMs = options.startsAtMs ?? virtualStartMs;
    this.#defer = options.defer ?? setImmediate;
  }

  wallMs(): number {
    return this.#wallAtStartMs + this.#elapsedMs;
  }

  /** Milliseconds advanced so far. */
  monotonicMs(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer: Timer = { atMs: this.#elapsedMs + Math.max(0, delayMs), task };
    this.#timers.splice(this.#placeAfter(timer.atMs), 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  defer(task: () => void): void {
    this.#defer(task);
  }

  /** When the next timer is due, on the monotonic clock; undefined if none is set. */
  get nextTimerAtMs(): number | undefined {
    return this.#timers[0]?.atMs;
  }

  /** Lets time pass and runs what falls due, also what is set meanwhile. Each task sees the time it was set for. */
  advance(byMs: number): void {
    assert(Number.isFinite(byMs) && byMs >= 0, () => `time only moves on, got ${byMs} ms`);
    const endMs = this.#elapsedMs + byMs;
    for (let count = 1; this.#timers.length > 0 && this.#timers[0]!.atMs <= endMs; count++) {
      assert(count <= timersPerAdvanceMax, () => `at most ${timersPerAdvanceMax} timers fall due in one advance`);
      const timer = this.#timers.shift()!;
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.atMs);
      timer.task();
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, endMs);
  }

  /** Sets the wall clock forward, or back: what an operator or a time server may do at any moment. */
  shiftWall(byMs: number): void {
    this.#wallAtStartMs += byMs;
  }

  #placeAfter(atMs: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
