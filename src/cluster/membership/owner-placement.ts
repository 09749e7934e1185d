/**
 * Which of its replicas should own each shard: who does, as long as it may; what has no owner goes where the ring prefers
 * it, to who holds it already if possible. Then a store that is short is filled, and one above the bound is relieved.
 * Nothing is copied for any of that.
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Eligible } from './eligibility.ts';
import { fillUp, isWorthMoving, Load, type Movable, type Share, shareOf } from './even-load.ts';
import type { PreferredStores } from './hash-ring.ts';
import { currentReplicas } from './replica-sets.ts';

/** Whether a store knows all actor types seen in a shard. Those that do are preferred as owners. */
export type Knows = (store: StoreId, shard: ShardId) => boolean;

type Owners = readonly (StoreId | undefined)[];

/** By shard: one of its set in `sets`, or undefined if none of that set may own anything now. */
export function desiredOwners(
  map: ClusterMap,
  eligible: Eligible,
  orders: PreferredStores,
  sets: readonly (readonly StoreId[])[],
  knows: Knows = () => true,
): Owners {
  return new OwnerPlacement(map, eligible, orders, sets, knows).settle();
}

class OwnerPlacement {
  readonly #map: ClusterMap;
  readonly #eligible: Eligible;
  readonly #orders: PreferredStores;
  readonly #sets: readonly (readonly StoreId[])[];
  readonly #knows: Knows;
  readonly #share: Share;
  readonly #load = new Load();
  readonly #owners: (StoreId | undefined)[];
  /** Shards that change their owner in any case. */
  readonly #homeless = new Set<ShardId>();

  constructor(
    map: ClusterMap,
    eligible: Eligible,
    orders: PreferredStores,
    sets: readonly (readonly StoreId[])[],
    knows: Knows,
  ) {
    this.#map = map;
    this.#eligible = eligible;
    this.#orders = orders;
    this.#sets = sets;
    this.#knows = knows;
    this.#share = shareOf(map.shardCount, eligible.owners.size);
    this.#owners = map.shards.map(({ assigned: { owner } }, shard) => {
      if (eligible.owners.has(owner) && sets[shard]!.includes(owner)) {
        this.#load.add(owner);
        return owner;
      }
      this.#homeless.add(shard);
      return undefined;
    });
  }

  settle(): Owners {
    for (const shard of this.#homeless) this.#house(shard);
    const { floor, short } = this.#share;
    const byLoad = [...this.#eligible.newOwners].sort(
      (a, b) => this.#load.of(a) - this.#load.of(b) || (a < b ? -1 : 1),
    );
    // What moves in any case may do so for a difference of two.
    const byTwo = (from: number, to: number) => from - to > 1;
    for (const store of byLoad) this.#fill(store, floor, (shard) => this.#homeless.has(shard), byTwo);
    for (const store of byLoad) this.#fill(store, short, () => true, isWorthMoving);
    for (const store of [...this.#eligible.owners].sort()) {
      while (this.#load.of(store) > this.#share.bound && this.#passOn(store));
    }
    return this.#owners;
  }

  #house(shard: ShardId): void {
    const candidates = this.#candidatesFor(shard);
    // One that holds the shard already can have it now.
    const holders = currentReplicas(this.#map.shards[shard]!);
    const holding = candidates.filter((store) => holders.includes(store));
    const chosen = this.#load.choose(holding.length > 0 ? holding : candidates, this.#share);
    this.#owners[shard] = chosen;
    if (chosen !== undefined) this.#load.add(chosen);
  }

  #fill(
    receiver: StoreId,
    upTo: number,
    isMovable: (shard: ShardId) => boolean,
    isWorth: (from: number, to: number) => boolean,
  ): void {
    if (this.#load.of(receiver) >= upTo) return;
    const movables: Movable<ShardId>[] = [];
    this.#owners.forEach((from, shard) => {
      if (from === undefined || from === receiver || !isMovable(shard)) return;
      if (!this.#sets[shard]!.includes(receiver)) return;
      if (!this.#knows(receiver, shard) && this.#knows(from, shard)) return;
      movables.push({ from, thing: shard, rank: this.#orders[shard]!.indexOf(receiver) });
    });
    const take = (shard: ShardId) => {
      this.#owners[shard] = receiver;
      return true;
    };
    fillUp(receiver, this.#load, upTo, movables, take, isWorth);
  }

  /**
   * One shard fewer for `first`: to a replica that has room, or to one that passes another shard on in turn, by the
   * shortest such way. False: there is none.
   */
  #passOn(first: StoreId): boolean {
    const reached = new Map<StoreId, { readonly shard: ShardId; readonly from: StoreId }>();
    const queue = [first];
    for (const from of queue) {
      for (let shard = 0; shard < this.#owners.length; shard++) {
        if (this.#owners[shard] !== from) continue;
        for (const to of this.#candidatesFor(shard)) {
          if (to === first || reached.has(to)) continue;
          reached.set(to, { shard, from });
          queue.push(to);
          if (this.#load.of(to) >= this.#share.bound) continue;
          for (let at = to; at !== first; at = reached.get(at)!.from) this.#owners[reached.get(at)!.shard] = at;
          this.#load.add(first, -1);
          this.#load.add(to);
          return true;
        }
      }
    }
    return false;
  }

  /** In the order of the ring. */
  #candidatesFor(shard: ShardId): readonly StoreId[] {
    const set = this.#sets[shard]!;
    const may = this.#orders[shard]!.filter((store) => set.includes(store) && this.#eligible.newOwners.has(store));
    const knowing = may.filter((store) => this.#knows(store, shard));
    return knowing.length > 0 ? knowing : may;
  }
}
