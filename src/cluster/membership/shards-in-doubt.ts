/** Which shards lack the answers that a seal needs, and whose they are: in names, for people. */
import type { NodeName, ShardId, StoreId } from '../../core/ids.ts';
import type { ShardInDoubt } from '../gateway.ts';
import type { ClusterMap } from './cluster-map.ts';
import { isGone, sealSet } from './loss.ts';

/** Shards of which fewer copies are in reach than a seal needs. */
export function shardsInDoubt(map: ClusterMap, reaches: (store: StoreId) => boolean): readonly ShardInDoubt[] {
  return map.shards.flatMap((_, shard) => shardInDoubt(map, shard, reaches) ?? []);
}

/** Undefined if enough copies are in reach. */
export function shardInDoubt(
  map: ClusterMap,
  shard: ShardId,
  reaches: (store: StoreId) => boolean,
): ShardInDoubt | undefined {
  const { stores, needed } = sealSet(map.shards[shard]!);
  const gone = stores.filter((store) => isGone(map, store));
  const copies = stores.filter((store) => !gone.includes(store) && reaches(store));
  if (copies.length >= needed) return undefined;
  const away = stores.filter((store) => !gone.includes(store) && !reaches(store));
  const nameOf = namesIn(map);
  return { shard, needed, copies: copies.map(nameOf), away: away.map(nameOf), gone: gone.map(nameOf) };
}

export function namesIn(map: ClusterMap): (store: StoreId) => NodeName {
  return (store) => map.members.get(store)?.node ?? (store as string as NodeName);
}
