/**
 * How long to wait before dialling again: exponential, with jitter, so that peers of a node that returns do not come
 * all at once. A peer that is not there yet is tried soon; one that says no is asked rarely, since that does not pass
 * by itself.
 *
 * Source: "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015), with jitter over the upper half.
 */
import type { Random } from '../core/random.ts';

export const redialMinMs = 50;
export const redialMaxMs = 2_000;
export const refusedRedialMinMs = 1_000;
export const refusedRedialMaxMs = 15_000;

export class Backoff {
  readonly #random: Random;
  #failures = 0;
  #wasRefused = false;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param isRefusal whether the peer answered and said no */
  nextDelayMs(isRefusal = false): number {
    if (isRefusal !== this.#wasRefused) this.#failures = 0;
    this.#wasRefused = isRefusal;
    const [minMs, maxMs] = isRefusal ? [refusedRedialMinMs, refusedRedialMaxMs] : [redialMinMs, redialMaxMs];
    const delayMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return delayMs * (0.5 + this.#random.next() / 2);
  }

  reset(): void {
    this.#failures = 0;
    this.#wasRefused = false;
  }
}
