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
import { type ClusterMap, membersOf } from './cluster-map.ts';
import type { Eligible } from './eligibility.ts';
import { type PreferredStores, preferredStores } from './hash-ring.ts';
import { desiredOwners, type Knows } from './owner-placement.ts';
import { desiredReplicas } from './replica-sets.ts';

export interface DesiredPlacement {
  readonly shard: ShardId;
  /** One of the replicas; undefined: none of them may own anything now. */
  readonly owner: StoreId | undefined;
  readonly replicas: readonly StoreId[];
}

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
  const stores = membersOf(map).map(({ storeId }) => storeId);
  return preferredStores(map.shardCount, stores);
}
