/**
 * Where every shard belongs. What is where it may be stays there; what has no place goes where the ring prefers it; and
 * a store that is short of its share is filled. So a store that joins takes its share and nothing moves between the
 * others, and of a store that leaves only its own shards move.
 *
 * Owners are chosen among the replicas, at most ⌈1.25 · shards / stores⌉ each wherever that is possible. The answer
 * depends on the arguments alone: every node comes to the same one, though only the leader of the control log acts on it.
 *
 * Source: bounded loads are those of Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads" (2018).
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Eligible } from './eligibility.ts';
import { fillUp, isWorthMoving, Load, type Movable, shareOf } from './even-load.ts';
import { type PreferredStores, preferredStores } from './hash-ring.ts';
import { currentReplicas, desiredReplicas } from './replica-sets.ts';

export interface DesiredPlacement {
  readonly shard: ShardId;
  /** One of the replicas; undefined: none of them may own anything now. */
  readonly owner: StoreId | undefined;
  readonly replicas: readonly StoreId[];
}

/** Whether a store knows all actor types seen in a shard. Those that do are preferred as owners. */
export type Knows = (store: StoreId, shard: ShardId) => boolean;

/** Where each shard of `map` belongs, by shard number. */
export function desiredPlacement(map: ClusterMap, eligible: Eligible, knows?: Knows): readonly DesiredPlacement[] {
  const orders = ringOf(map);
  const sets = desiredReplicas(map, eligible, orders);
  return desiredOwners(map, eligible, orders, sets, knows).map((owner, shard) => ({
    shard,
    owner,
    replicas: sets[shard]!,
  }));
}

/** The ring of all members that are not removed, whatever state they are in: a state that changes rebuilds nothing. */
export function ringOf(map: ClusterMap): PreferredStores {
  const stores = [...map.members.values()].filter(({ status }) => status !== 'removed').map(({ storeId }) => storeId);
  return preferredStores(map.shardCount, stores);
}

function desiredOwners(
  map: ClusterMap,
  eligible: Eligible,
  orders: PreferredStores,
  sets: readonly (readonly StoreId[])[],
  knows: Knows = () => true,
): readonly (StoreId | undefined)[] {
  const share = shareOf(map.shardCount, eligible.owners.size);
  const load = new Load();
  const owners: (StoreId | undefined)[] = map.shards.map(({ assigned: { owner } }, shard) => {
    if (!eligible.owners.has(owner) || !sets[shard]!.includes(owner)) return undefined;
    load.add(owner);
    return owner;
  });
  const homeless = new Set<ShardId>();
  const candidatesFor = (shard: ShardId): readonly StoreId[] => {
    const may = orders[shard]!.filter((store) => sets[shard]!.includes(store) && eligible.newOwners.has(store));
    const knowing = may.filter((store) => knows(store, shard));
    return knowing.length > 0 ? knowing : may;
  };

  for (let shard = 0; shard < owners.length; shard++) {
    if (owners[shard] !== undefined) continue;
    homeless.add(shard);
    const candidates = candidatesFor(shard);
    // One that holds the shard already can have it now.
    const holding = candidates.filter((store) => currentReplicas(map.shards[shard]!).includes(store));
    const chosen = load.choose(holding.length > 0 ? holding : candidates, share);
    owners[shard] = chosen;
    if (chosen !== undefined) load.add(chosen);
  }

  const byLoad = [...eligible.newOwners].sort((a, b) => load.of(a) - load.of(b) || (a < b ? -1 : 1));
  const fill = (receiver: StoreId, upTo: number, isMovable: (shard: ShardId) => boolean, isWorth = isWorthMoving) => {
    if (load.of(receiver) >= upTo) return;
    const movables: Movable<ShardId>[] = [];
    for (let shard = 0; shard < owners.length; shard++) {
      const from = owners[shard];
      if (from === undefined || from === receiver || !isMovable(shard) || !sets[shard]!.includes(receiver)) continue;
      if (!knows(receiver, shard) && knows(from, shard)) continue;
      movables.push({ from, thing: shard, rank: orders[shard]!.indexOf(receiver) });
    }
    const take = (shard: ShardId) => {
      owners[shard] = receiver;
      return true;
    };
    fillUp(receiver, load, upTo, movables, take, isWorth);
  };
  // What moves anyway may do so for a difference of two.
  for (const store of byLoad) {
    fill(
      store,
      share.floor,
      (shard) => homeless.has(shard),
      (from, to) => from - to > 1,
    );
  }
  for (const store of byLoad) fill(store, share.short, () => true);

  for (let shard = 0; shard < owners.length; shard++) {
    const from = owners[shard];
    if (from === undefined || load.of(from) <= share.bound) continue;
    const lowest = load.lowest(candidatesFor(shard));
    if (lowest === undefined || load.of(lowest) >= share.bound) continue;
    owners[shard] = lowest;
    load.add(from, -1);
    load.add(lowest);
  }
  return owners;
}
