/**
 * What a change of the control log does to the cluster map. Pure, and the same on every node: a change says in which
 * state it means something, and does nothing in another, so that a proposal may be repeated after a time-out.
 */
import { unreachable } from '../../core/assert.ts';
import type { StoreId } from '../../core/ids.ts';
import type { AcceptedLoss, ClusterMap, MapChange, Member, ShardPlacement } from './cluster-map.ts';
import { withLossAccepted } from './loss.ts';

/** Removed members that are still remembered, so that they can be told. */
const removedMembersMax = 64;

/** The map after the entry at `version` of the control log. `map` is undefined before the cluster was founded. */
export function applyChange(
  map: ClusterMap | undefined,
  change: MapChange | undefined,
  version: number,
): ClusterMap | undefined {
  if (change === undefined) return map && { ...map, version };
  if (change.type === 'found') return map ?? { ...change.map, version };
  if (!map) return undefined;
  return { ...changed(map, change), version };
}

function changed(map: ClusterMap, change: Exclude<MapChange, { type: 'found' }>): ClusterMap {
  switch (change.type) {
    case 'memberJoined': {
      if (map.members.has(change.storeId)) return map;
      const { type: _, ...facts } = change;
      const members = new Map(map.members);
      // An empty disk under an old name is a new store: what lay on the old one is lost.
      for (const [storeId, member] of members) {
        if (member.node === change.node && member.status !== 'removed')
          members.set(storeId, { ...member, status: 'removed' });
      }
      members.set(change.storeId, { ...facts, status: 'up', stopping: false, downSinceMs: 0 });
      return { ...map, members: withoutOldRemoved(members) };
    }
    case 'memberStarted':
      return withMember(map, change.storeId, (member) => {
        if (change.boot <= member.boot) return member;
        const { type: _, ...facts } = change;
        return { ...member, ...facts, status: backUp(member), stopping: false, downSinceMs: 0 };
      });
    case 'memberDown':
      return withMember(map, change.storeId, (member) =>
        member.boot !== change.boot || member.downSinceMs > 0
          ? member
          : { ...member, status: member.status === 'leaving' ? 'leaving' : 'down', downSinceMs: change.atMs },
      );
    case 'memberUp':
      return withMember(map, change.storeId, (member) =>
        member.boot !== change.boot ? member : { ...member, status: backUp(member), downSinceMs: 0 },
      );
    case 'memberStopping':
      return withMember(map, change.storeId, (member) =>
        member.boot !== change.boot ? member : { ...member, stopping: true },
      );
    case 'memberLeaving':
      return withMember(map, change.storeId, (member) => ({ ...member, status: 'leaving' }));
    case 'memberRemoved':
      return withMember(map, change.storeId, (member) => ({
        ...member,
        status: 'removed',
        downSinceMs: member.downSinceMs || change.atMs,
      }));
    case 'protocolRaised':
      return change.protocol > map.protocol ? { ...map, protocol: change.protocol } : map;
    case 'assign': {
      const shards = [...map.shards];
      for (const { shard, after, owner, boot, replicas } of change.assignments) {
        const before = shards[shard];
        if (before?.assigned.epoch !== after) continue;
        shards[shard] = {
          ...before,
          assigned: { epoch: after + 1, owner, boot, replicas },
          learners: before.learners.filter((learner) => !replicas.includes(learner)),
        };
      }
      return { ...map, shards };
    }
    case 'activate': {
      const shards = [...map.shards];
      for (const { shard, epoch } of change.shards) {
        const before = shards[shard];
        const assigned = before?.assigned;
        if (assigned?.epoch !== epoch || assigned.owner !== change.owner || assigned.boot !== change.boot) continue;
        shards[shard] = { ...before!, active: { epoch, replicas: assigned.replicas } };
      }
      return { ...map, shards };
    }
    case 'learners': {
      const shards = [...map.shards];
      for (const { shard, epoch, learners } of change.changes) {
        const before = shards[shard];
        if (before?.assigned.epoch !== epoch) continue;
        shards[shard] = { ...before, learners: learners.filter((each) => !before.assigned.replicas.includes(each)) };
      }
      return { ...map, shards };
    }
    case 'lossAccepted':
      return withLossAccepted(map, change);
    default:
      return unreachable(change);
  }
}

function backUp(member: Member): Member['status'] {
  return member.status === 'down' || member.status === 'joining' ? 'up' : member.status;
}

function withMember(map: ClusterMap, storeId: StoreId, change: (member: Member) => Member): ClusterMap {
  const member = map.members.get(storeId);
  if (!member || member.status === 'removed') return map;
  const after = change(member);
  if (after === member) return map;
  const members = new Map(map.members);
  members.set(storeId, after);
  return { ...map, members: withoutOldRemoved(members) };
}

function withoutOldRemoved(members: Map<StoreId, Member>): ReadonlyMap<StoreId, Member> {
  const removed = [...members.values()].filter(({ status }) => status === 'removed');
  for (const { storeId } of removed.slice(0, Math.max(0, removed.length - removedMembersMax))) members.delete(storeId);
  return members;
}

/** A map as plain data, for snapshots and the wire; see {@link mapFromPlain}. */
export function mapToPlain(map: ClusterMap): unknown {
  const stores = new Map<StoreId, number>();
  const numberOf = (storeId: StoreId) => {
    const known = stores.get(storeId);
    if (known !== undefined) return known;
    stores.set(storeId, stores.size);
    return stores.size - 1;
  };
  const { version, clusterId, shardCount, replicas, protocol, members } = map;
  const shards = map.shards.map(({ assigned, active, learners, loss }) => [
    assigned.epoch,
    numberOf(assigned.owner),
    assigned.boot,
    assigned.replicas.map(numberOf),
    active.epoch,
    active.replicas.map(numberOf),
    learners.map(numberOf),
    ...(loss ? [[loss.epoch, loss.left.map(numberOf), loss.atMs, loss.times]] : []),
  ]);
  return [version, clusterId, shardCount, replicas, protocol, [...members.values()], [...stores.keys()], shards];
}

export function mapFromPlain(plain: unknown): ClusterMap {
  const [version, clusterId, shardCount, replicas, protocol, members, stores, shards] = plain as [
    number,
    string,
    number,
    number,
    number,
    Member[],
    StoreId[],
    [number, number, number, number[], number, number[], number[], [number, number[], number, number]?][],
  ];
  const storesOf = (numbers: readonly number[]) => numbers.map((each) => stores[each]!);
  const lossOf = ([epoch, left, atMs, times]: [number, number[], number, number]): { loss: AcceptedLoss } => ({
    loss: { epoch, left: storesOf(left), atMs, times },
  });
  return {
    version,
    clusterId,
    shardCount,
    replicas,
    protocol,
    members: new Map(members.map((member) => [member.storeId, member])),
    shards: shards.map(
      ([epoch, owner, boot, assigned, activeEpoch, active, learners, loss]): ShardPlacement => ({
        assigned: { epoch, owner: stores[owner]!, boot, replicas: storesOf(assigned) },
        active: { epoch: activeEpoch, replicas: storesOf(active) },
        learners: storesOf(learners),
        ...(loss ? lossOf(loss) : {}),
      }),
    ),
  };
}
