/**
 * Telling whether a set of rows is complete without keeping a list of it: the number of its members and the sum of
 * their hashes, modulo 2⁴⁸. Members may be added and taken away in any order.
 */
import { chainHash } from '../core/hash.ts';
import type { Position, ShardId } from '../core/ids.ts';
import { crc32 } from './crc32.ts';

const modulus = 2 ** 48;

export interface TallyValue {
  readonly count: number;
  readonly sum: number;
}

export class Tally implements TallyValue {
  count = 0;
  sum = 0;

  add(hash: number): void {
    this.count += 1;
    this.#become(this.sum + hash);
  }

  remove(hash: number): void {
    this.count -= 1;
    this.#become(this.sum - hash);
  }

  addAll(other: TallyValue): void {
    this.count += other.count;
    this.#become(this.sum + other.sum);
  }

  removeAll(other: TallyValue): void {
    this.count -= other.count;
    this.#become(this.sum - other.sum);
  }

  /** Hashes and sums are below the modulus: one step brings it back. (A `%` of numbers this large leaves compiled code.) */
  #become(sum: number): void {
    this.sum = sum >= modulus ? sum - modulus : sum < 0 ? sum + modulus : sum;
  }

  /** As it is now. */
  get value(): TallyValue {
    return { count: this.count, sum: this.sum };
  }

  equals(other: TallyValue): boolean {
    return this.count === other.count && this.sum === other.sum;
  }
}

/** The hash of a place in a log; of a record and of what is left of it alike. */
export function logRowHash(shard: ShardId, position: Position, chain: number): number {
  return chainHash(chain, shard, position, 0x4c, 0);
}

/** The hash of a hard state or control row. */
export function stateRowHash(key: Uint8Array, value: Uint8Array): number {
  return chainHash(0, crc32(key), crc32(value), value.length, 0x48);
}
