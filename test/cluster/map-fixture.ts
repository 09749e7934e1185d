/** Cluster maps for tests: founded with everything unassigned, or settled as the allocation wants it. */

import { desiredPlacement } from '../../src/cluster/membership/allocation.ts';
import type { ClusterMap, Member, ShardPlacement } from '../../src/cluster/membership/cluster-map.ts';
import { type Eligible, eligibleStores, type Standing } from '../../src/cluster/membership/eligibility.ts';
import type { NodeName, StoreId } from '../../src/core/ids.ts';

export const deadAfterMs = 600_000;

export function store(name: string | number): StoreId {
  return `store-${name}` as StoreId;
}

export function member(name: string | number, fields: Partial<Member> = {}): Member {
  return {
    storeId: store(name),
    node: `node-${name}` as NodeName,
    boot: 1,
    address: `127.0.0.1:${name}`,
    httpAddress: '',
    zone: '',
    status: 'up',
    stopping: false,
    downSinceMs: 0,
    protocol: { min: 1, max: 1 },
    ...fields,
  };
}

/** Nothing was ever active; the placement is void until something is assigned. */
export function foundedMap(members: readonly Member[], shardCount: number, replicas = 3): ClusterMap {
  const none: ShardPlacement = {
    assigned: { epoch: 0, owner: '' as StoreId, boot: 0, replicas: [] },
    active: { epoch: 0, replicas: [] },
    learners: [],
  };
  return {
    version: 1,
    clusterId: 'test',
    shardCount,
    replicas,
    protocol: 1,
    members: new Map(members.map((it) => [it.storeId, it])),
    shards: Array.from({ length: shardCount }, () => none),
  };
}

export function allAlive(map: ClusterMap): Map<StoreId, Standing> {
  return new Map([...map.members.keys()].map((storeId) => [storeId, 'alive']));
}

export function eligible(
  map: ClusterMap,
  standings: ReadonlyMap<StoreId, Standing> = allAlive(map),
  nowMs = 0,
): Eligible {
  return eligibleStores(map, standings, deadAfterMs, nowMs);
}

/** Every shard is active where it belongs. */
export function settle(map: ClusterMap): ClusterMap {
  const shards = desiredPlacement(map, eligible(map)).map(({ owner, replicas, shard }): ShardPlacement => {
    const epoch = map.shards[shard]!.assigned.epoch + 1;
    const boot = map.members.get(owner!)!.boot;
    return { assigned: { epoch, owner: owner!, boot, replicas }, active: { epoch, replicas }, learners: [] };
  });
  return { ...map, version: map.version + 1, shards };
}

export function settledMap(nodes: number, shardCount: number, replicas = 3): ClusterMap {
  return settle(
    foundedMap(
      Array.from({ length: nodes }, (_, i) => member(i)),
      shardCount,
      replicas,
    ),
  );
}

export function withMember(map: ClusterMap, changed: Member): ClusterMap {
  return { ...map, version: map.version + 1, members: new Map(map.members).set(changed.storeId, changed) };
}

export function ownedBy(map: ClusterMap): Map<StoreId, number> {
  const owned = new Map([...map.members.keys()].map((storeId) => [storeId, 0]));
  for (const { assigned } of map.shards) owned.set(assigned.owner, (owned.get(assigned.owner) ?? 0) + 1);
  return owned;
}
