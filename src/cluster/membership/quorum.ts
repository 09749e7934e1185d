/**
 * How many of a replica set must answer. W replicas hold what is acknowledged; S replicas answer a seal. W + S > R, so
 * every seal meets every acknowledged record; W + W > R, so two owners cannot both write.
 */
import { assert } from '../../core/assert.ts';

/** W = ⌊R/2⌋ + 1: replicas that must have a record on disk before it is acknowledged. */
export function writeQuorum(replicas: number): number {
  assert(replicas >= 1, () => `a replica set has at least one store, got ${replicas}`);
  return Math.floor(replicas / 2) + 1;
}

/** S = R − W + 1: replicas that must promise a new epoch, so that together they hold everything acknowledged. */
export function sealQuorum(replicas: number): number {
  return replicas - writeQuorum(replicas) + 1;
}

/**
 * The least of the `count` largest of some numbers: of the positions that replicas hold, the newest that `count` of them
 * do. Used again and again, because it is asked for with every acknowledgement: sorting a new list each time was an
 * eighth of all that a loaded node allocated.
 */
export class Largest {
  /** Descending; those from `#length` on are of earlier times. */
  readonly #numbers: number[] = [];
  #count = 0;
  #length = 0;

  begin(count: number): void {
    this.#count = count;
    this.#length = 0;
  }

  add(number: number): void {
    const numbers = this.#numbers;
    let at = this.#length;
    if (at < this.#count) this.#length += 1;
    else if (at === 0 || numbers[at - 1]! >= number) return;
    else at -= 1;
    for (; at > 0 && numbers[at - 1]! < number; at--) numbers[at] = numbers[at - 1]!;
    numbers[at] = number;
  }

  /** −1 while fewer than `count` were added. */
  get least(): number {
    return this.#length < this.#count || this.#count === 0 ? -1 : this.#numbers[this.#count - 1]!;
  }
}
