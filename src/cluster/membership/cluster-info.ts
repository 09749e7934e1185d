/** The map in the words of the public interface: names instead of stores. */
import type { NodeName, StoreId } from '../../core/ids.ts';
import type { ClusterInfo, MemberInfo, ShardInfo } from '../gateway.ts';
import type { ClusterMember } from '../member.ts';

export function clusterInfo(member: ClusterMember, node: NodeName): ClusterInfo {
  const { map, leader } = member;
  const owned = new Map<StoreId, number>();
  for (const { assigned, active } of map?.shards ?? [])
    if (assigned.epoch === active.epoch) owned.set(assigned.owner, (owned.get(assigned.owner) ?? 0) + 1);
  const members: MemberInfo[] = [];
  for (const { storeId, node: name, address, httpAddress, status, downSinceMs } of map?.members.values() ?? []) {
    if (status === 'removed') continue;
    const shown = status === 'leaving' && downSinceMs > 0 ? 'down' : status;
    members.push({ node: name, address, httpAddress, status: shown, shardsOwned: owned.get(storeId) ?? 0 });
  }
  members.sort((a, b) => (a.node < b.node ? -1 : 1));
  return {
    clusterId: map?.clusterId ?? '',
    node,
    leader: leader === undefined ? null : (map?.members.get(leader)?.node ?? null),
    mapVersion: map?.version ?? 0,
    members,
  };
}

export function shardInfos(member: ClusterMember, hasFailed: boolean): readonly ShardInfo[] {
  const { map } = member;
  const nameOf = (store: StoreId) => map?.members.get(store)?.node ?? (store as string as NodeName);
  return (map?.shards ?? []).map(({ assigned, active, learners }, shard) => {
    const owner = map!.members.get(assigned.owner);
    const isThere = owner !== undefined && owner.downSinceMs === 0 && owner.status !== 'removed';
    const isServed = active.epoch === assigned.epoch && active.epoch > 0 && isThere && owner.boot === assigned.boot;
    const isBroken = hasFailed && assigned.owner === member.storeId;
    return {
      shard,
      epoch: assigned.epoch,
      owner: nameOf(assigned.owner),
      replicas: (active.replicas.length > 0 ? active.replicas : assigned.replicas).map(nameOf),
      learners: learners.map(nameOf),
      status: isBroken || !isThere ? 'stopped' : isServed ? 'active' : 'starting',
    };
  });
}
