/**
 * Which stores should hold each shard: those that do, as long as they may; what is missing goes where the ring prefers
 * it. Three rules, the first ones first: never two copies in one zone while there are others; a store that is short is
 * filled from those that hold most, a copy of the owner's excepted; nothing else moves.
 *
 * A learner counts as if it were a replica already: a copy under way is never thrown away for another one as good, so
 * the answer stays the same from the first learner to the last.
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { ClusterMap, ShardPlacement } from './cluster-map.ts';
import type { Eligible } from './eligibility.ts';
import { fillUp, Load, type Movable, type Share, shareOf } from './even-load.ts';
import type { PreferredStores } from './hash-ring.ts';

/** The set that a shard has, or is on its way to. */
export function currentReplicas(placement: ShardPlacement): readonly StoreId[] {
  return placement.assigned.epoch > placement.active.epoch ? placement.assigned.replicas : placement.active.replicas;
}

/** By shard: who should hold it. Fewer than `map.replicas` only if fewer may. */
export function desiredReplicas(
  map: ClusterMap,
  eligible: Eligible,
  orders: PreferredStores,
): readonly (readonly StoreId[])[] {
  return new ReplicaSets(map, eligible, orders).settle();
}

class ReplicaSets {
  readonly #map: ClusterMap;
  readonly #eligible: Eligible;
  readonly #orders: PreferredStores;
  readonly #copies: number;
  readonly #share: Share;
  readonly #zones = new Map<StoreId, string>();
  readonly #load = new Load();
  readonly #sets: StoreId[][];

  constructor(map: ClusterMap, eligible: Eligible, orders: PreferredStores) {
    this.#map = map;
    this.#eligible = eligible;
    this.#orders = orders;
    this.#copies = Math.min(map.replicas, eligible.holders.size);
    this.#share = shareOf(this.#copies * map.shardCount, eligible.holders.size);
    // A store without a zone is a zone of its own.
    for (const [store, { zone }] of map.members)
      this.#zones.set(store, zone === '' ? `store ${store}` : `zone ${zone}`);
    this.#sets = map.shards.map((placement) => {
      const kept = currentReplicas(placement).filter((store) => eligible.holders.has(store));
      const coming = placement.learners.filter((store) => eligible.newHolders.has(store) && !kept.includes(store));
      return [...kept, ...coming];
    });
    for (const set of this.#sets) for (const store of set) this.#load.add(store);
  }

  settle(): readonly (readonly StoreId[])[] {
    for (let shard = 0; shard < this.#sets.length; shard++) {
      while (this.#sets[shard]!.length > this.#copies) this.#drop(shard);
      while (this.#sets[shard]!.length < this.#copies && this.#add(shard));
      while (this.#spread(shard));
    }
    const byLoad = [...this.#eligible.newHolders].sort(
      (a, b) => this.#load.of(a) - this.#load.of(b) || (a < b ? -1 : 1),
    );
    for (const store of byLoad) if (this.#load.of(store) < this.#share.short) this.#fill(store);
    if (this.#copies === 1) this.#relieve();
    return this.#sets;
  }

  /** One copy too many: not the owner's nor one on its way, if another leaves the zones as they are. */
  #drop(shard: ShardId): void {
    const set = this.#sets[shard]!;
    const { assigned, learners } = this.#map.shards[shard]!;
    const costOf = (store: StoreId) =>
      (this.#zonesOf(set.filter((other) => other !== store)).size < this.#zonesOf(set).size ? 8 : 0) +
      (store === assigned.owner && this.#eligible.owners.has(store) ? 4 : 0) +
      (learners.includes(store) && !currentReplicas(this.#map.shards[shard]!).includes(store) ? 2 : 0) +
      (this.#eligible.newHolders.has(store) ? 1 : 0);
    const costs = set.map(costOf);
    const cheapest = Math.min(...costs);
    const worst = this.#load.highest(set.filter((_, i) => costs[i] === cheapest))!;
    this.#sets[shard] = set.filter((store) => store !== worst);
    this.#load.add(worst, -1);
  }

  #add(shard: ShardId): boolean {
    const chosen = this.#candidateFor(shard, this.#sets[shard]!);
    if (chosen === undefined) return false;
    this.#sets[shard]!.push(chosen);
    this.#load.add(chosen);
    return true;
  }

  /** From a zone that has no copy yet, if there is one. */
  #candidateFor(shard: ShardId, set: readonly StoreId[]): StoreId | undefined {
    const candidates = this.#orders[shard]!.filter(
      (store) => this.#eligible.newHolders.has(store) && !set.includes(store),
    );
    const taken = this.#zonesOf(set);
    const elsewhere = candidates.filter((store) => !taken.has(this.#zones.get(store)!));
    return this.#load.choose(elsewhere.length > 0 ? elsewhere : candidates, this.#share);
  }

  /** Two copies in one zone and none in another: one of the two goes there. */
  #spread(shard: ShardId): boolean {
    const set = this.#sets[shard]!;
    const zones = this.#zonesOf(set);
    if (zones.size === set.length) return false;
    const chosen = this.#candidateFor(shard, set);
    if (chosen === undefined || zones.has(this.#zones.get(chosen)!)) return false;
    const { owner } = this.#map.shards[shard]!.assigned;
    const crowded = set.filter((store) => set.some((other) => other !== store && this.#sameZone(store, other)));
    const leaving = this.#load.highest(crowded.filter((store) => store !== owner)) ?? owner;
    this.#replace(shard, leaving, chosen);
    this.#load.add(leaving, -1);
    this.#load.add(chosen);
    return true;
  }

  /** Takes copies over from those that hold most; the owner's only where there is no other. */
  #fill(receiver: StoreId): void {
    const movables: Movable<ShardId>[] = [];
    for (let shard = 0; shard < this.#sets.length; shard++) {
      const set = this.#sets[shard]!;
      if (set.includes(receiver)) continue;
      const { owner } = this.#map.shards[shard]!.assigned;
      const rank = this.#orders[shard]!.indexOf(receiver);
      for (const from of set) if (from !== owner || set.length === 1) movables.push({ from, thing: shard, rank });
    }
    fillUp(receiver, this.#load, this.#share.short, movables, (shard, from) => {
      const set = this.#sets[shard]!;
      if (set.includes(receiver) || !this.#isAsSpread(set, from, receiver)) return false;
      this.#replace(shard, from, receiver);
      return true;
    });
  }

  /** A single copy is the owner's, so the bound of owners holds for copies. */
  #relieve(): void {
    for (let shard = 0; shard < this.#sets.length; shard++) {
      const [from] = this.#sets[shard]!;
      const to = this.#load.lowest(this.#orders[shard]!.filter((store) => this.#eligible.newHolders.has(store)));
      if (to === undefined || this.#load.of(from!) <= this.#share.bound) continue;
      this.#replace(shard, from!, to);
      this.#load.add(from!, -1);
      this.#load.add(to);
    }
  }

  #replace(shard: ShardId, from: StoreId, to: StoreId): void {
    this.#sets[shard] = this.#sets[shard]!.map((store) => (store === from ? to : store));
  }

  #isAsSpread(set: readonly StoreId[], from: StoreId, to: StoreId): boolean {
    const after = set.map((store) => (store === from ? to : store));
    return this.#zonesOf(after).size >= this.#zonesOf(set).size;
  }

  #sameZone(a: StoreId, b: StoreId): boolean {
    return this.#zones.get(a) === this.#zones.get(b);
  }

  #zonesOf(set: readonly StoreId[]): Set<string | undefined> {
    return new Set(set.map((store) => this.#zones.get(store)));
  }
}
