/** Which shards lack the answers that a seal needs, and whose they are: in names, for people. */
import type { NodeName, StoreId } from '../../core/ids.ts';
import type { ShardInDoubt } from '../gateway.ts';
import type { ClusterMap } from './cluster-map.ts';
import { isGone, sealSet } from './loss.ts';

/** Shards of which fewer copies are in reach than a seal needs. */
export function shardsInDoubt(map: ClusterMap, reaches: (store: StoreId) => boolean): readonly ShardInDoubt[] {
  const nameOf = namesIn(map);
  return map.shards.flatMap((placement, shard) => {
    const { stores, needed } = sealSet(placement);
    const gone = stores.filter((store) => isGone(map, store));
    const copies = stores.filter((store) => !gone.includes(store) && reaches(store));
    if (copies.length >= needed) return [];
    const away = stores.filter((store) => !gone.includes(store) && !reaches(store));
    return [{ shard, needed, copies: copies.map(nameOf), away: away.map(nameOf), gone: gone.map(nameOf) }];
  });
}

export function namesIn(map: ClusterMap): (store: StoreId) => NodeName {
  return (store) => map.members.get(store)?.node ?? (store as string as NodeName);
}
