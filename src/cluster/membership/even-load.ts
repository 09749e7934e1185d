/**
 * How much of something each store should have, and when it has so little or so much that things should move. Between
 * the two bounds nothing moves: that makes placement sticky. The lower bound never grows when a store joins, so a store
 * that had enough before has enough after, and everything that moves then moves to the newcomer.
 */
import type { StoreId } from '../../core/ids.ts';

/** Nobody is given more than this share when it could be given to others. */
const placingRatio = 1.1;
/** Above this share a store gives some away, wherever it can. */
const boundRatio = 1.25;

/** A share of `total` things among `stores`, with what is too little and too much. */
export interface Share {
  /** Below: the store is short, and takes from those that have more, up to this. */
  readonly short: number;
  /** Below: what has no place goes there first. */
  readonly floor: number;
  /** Up to this many are placed by preference alone. */
  readonly placingMax: number;
  /** ⌈1.25 · total / stores⌉: above it, some move away. */
  readonly bound: number;
}

export function shareOf(total: number, stores: number): Share {
  if (stores === 0) return { short: 0, floor: 0, placingMax: 0, bound: 0 };
  const ideal = total / stores;
  const whole = Math.floor(ideal);
  return {
    short: whole <= 1 ? whole : whole - Math.max(1, Math.floor(ideal / 10)),
    floor: whole - Math.floor(ideal / 20),
    placingMax: Math.ceil(placingRatio * ideal),
    bound: Math.ceil(boundRatio * ideal),
  };
}

/** Whether one of `from` may go to a store that has `to` and is short: not for a difference of a tenth, or of one. */
export function isWorthMoving(from: number, to: number): boolean {
  return from - to > Math.max(1, Math.floor(from / 10));
}

/** Counts what each store has. */
export class Load {
  readonly #counts = new Map<StoreId, number>();

  of(store: StoreId): number {
    return this.#counts.get(store) ?? 0;
  }

  add(store: StoreId, amount = 1): void {
    this.#counts.set(store, this.of(store) + amount);
  }

  /** Who of `candidates`, most preferred first, gets one more: who is short, else who is below its share, else the least loaded. */
  choose(candidates: readonly StoreId[], share: Share): StoreId | undefined {
    return (
      candidates.find((store) => this.of(store) < share.floor) ??
      candidates.find((store) => this.of(store) < share.placingMax) ??
      this.lowest(candidates)
    );
  }

  lowest(candidates: Iterable<StoreId>): StoreId | undefined {
    let lowest: StoreId | undefined;
    for (const store of candidates) if (lowest === undefined || this.of(store) < this.of(lowest)) lowest = store;
    return lowest;
  }

  highest(candidates: Iterable<StoreId>): StoreId | undefined {
    let highest: StoreId | undefined;
    for (const store of candidates) if (highest === undefined || this.of(store) > this.of(highest)) highest = store;
    return highest;
  }
}

/** A thing that `from` has and another store could have. */
export interface Movable<Thing> {
  readonly from: StoreId;
  readonly thing: Thing;
  /** Lower goes first. */
  readonly rank: number;
}

/**
 * Fills a store up to `upTo`, always from the one that has most of what it could take, as long as that is worth it.
 * `take` moves the thing, or answers false if it cannot go after all.
 */
export function fillUp<Thing>(
  receiver: StoreId,
  load: Load,
  upTo: number,
  movables: readonly Movable<Thing>[],
  take: (thing: Thing, from: StoreId) => boolean,
  isWorth: (from: number, to: number) => boolean = isWorthMoving,
): void {
  const byDonor = new Map<StoreId, Movable<Thing>[]>();
  for (const movable of movables) {
    const known = byDonor.get(movable.from);
    if (known) known.push(movable);
    else byDonor.set(movable.from, [movable]);
  }
  // Taken from the end.
  for (const list of byDonor.values()) list.sort((a, b) => b.rank - a.rank);
  while (load.of(receiver) < upTo) {
    const donor = load.highest(byDonor.keys());
    if (donor === undefined || !isWorth(load.of(donor), load.of(receiver))) return;
    const next = byDonor.get(donor)!.pop();
    if (!next) byDonor.delete(donor);
    else if (take(next.thing, donor)) {
      load.add(donor, -1);
      load.add(receiver);
    }
  }
}
