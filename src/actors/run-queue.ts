/**
 * The run queue: who has work, worked off in slices. A slice begins in a microtask, so that a lone command waits for
 * nothing; when it is over, I/O and timers get their turn before the next one, also when the last piece of work comes
 * back only through the answer to someone who awaits it. So no two actors can talk a socket into silence.
 */
import type { Clock } from '../core/clock.ts';
import { sliceMs } from './limits.ts';

export interface Runnable {
  isScheduled: boolean;
  /** Works; returns true if there is more to do at once. `isOver` says when the slice is. */
  run(isOver: () => boolean): boolean;
}

/** Pieces of work between two looks at the clock. */
const piecesPerLook = 32;

export class RunQueue {
  readonly #clock: Clock;
  #ready: Runnable[] = [];
  #isDraining = false;
  #drainIsDue = false;
  #mustYield = false;
  #isClosed = false;
  #sliceEndsMs = 0;
  #piecesUntilLook = piecesPerLook;
  #nowMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nowMs = clock.monotonicMs();
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0;
  }

  /** Monotonic time: cheap, and at most a slice old while work is done. */
  get nowMs(): number {
    if (!this.#isDraining && !this.#drainIsDue) this.#nowMs = this.#clock.monotonicMs();
    return this.#nowMs;
  }

  schedule(runnable: Runnable): void {
    if (runnable.isScheduled) return;
    runnable.isScheduled = true;
    this.#ready.push(runnable);
    if (this.#isDraining || this.#drainIsDue) return;
    this.#drainIsDue = true;
    if (this.#mustYield) this.#clock.defer(this.#drainFresh);
    else queueMicrotask(this.#drain);
  }

  /** Runs nothing more. */
  close(): void {
    this.#isClosed = true;
  }

  readonly #isOver = (): boolean => {
    this.#piecesUntilLook -= 1;
    if (this.#piecesUntilLook > 0) return false;
    this.#piecesUntilLook = piecesPerLook;
    this.#nowMs = this.#clock.monotonicMs();
    return this.#nowMs >= this.#sliceEndsMs;
  };

  readonly #drainFresh = (): void => {
    this.#mustYield = false;
    this.#sliceEndsMs = this.#clock.monotonicMs() + sliceMs;
    this.#drain();
  };

  readonly #drain = (): void => {
    if (this.#isClosed) return;
    this.#drainIsDue = false;
    this.#isDraining = true;
    this.#nowMs = this.#clock.monotonicMs();
    let next = 0;
    let isOver = false;
    while (next < this.#ready.length && !isOver) {
      const runnable = this.#ready[next]!;
      next += 1;
      runnable.isScheduled = false;
      if (runnable.run(this.#isOver)) this.schedule(runnable);
      isOver = this.#isOver();
    }
    this.#ready = next === this.#ready.length ? [] : this.#ready.slice(next);
    this.#isDraining = false;
    this.#mustYield = isOver;
    if (this.#ready.length === 0) return;
    this.#drainIsDue = true;
    this.#clock.defer(this.#drainFresh);
  };
}
