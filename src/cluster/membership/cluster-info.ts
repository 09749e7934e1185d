/**
 * The map in the words of the public interface: names instead of stores. The map says what was decided; a node that is cut
 * off from the others goes on holding its last one. So what is told here also says whom this node reaches, and a shard
 * counts as served only if this node could have it serve.
 */
import type { NodeName, StoreId } from '../../core/ids.ts';
import type { ClusterInfo, MemberInfo, ShardInDoubt, ShardInfo } from '../gateway.ts';
import type { ClusterMember } from '../member.ts';
import type { ClusterMap, ShardPlacement } from './cluster-map.ts';
import { isLost, isRecovering } from './loss.ts';
import { writeQuorum } from './quorum.ts';
import { namesIn, shardInDoubt } from './shards-in-doubt.ts';

export interface MemberReport extends MemberInfo {
  /** This node talks with it, or is it. */
  readonly reachable: boolean;
}

export interface ClusterReport extends ClusterInfo {
  readonly members: readonly MemberReport[];
  /** Copies wanted of each shard's log. */
  readonly replicas: number;
  /** The protocol version that all members speak. */
  readonly protocol: number;
  /** Who decides about the cluster, as far as this node knows: a majority of them has to be there. */
  readonly voters: readonly NodeName[];
}

/** Whose view it is. */
type Viewer = Pick<ClusterMember, 'map' | 'leader' | 'voters' | 'storeId' | 'isUp'>;

export function clusterInfo(member: Viewer, node: NodeName): ClusterReport {
  const { map, leader } = member;
  const owned = new Map<StoreId, number>();
  for (const { assigned, active } of map?.shards ?? [])
    if (assigned.epoch === active.epoch) owned.set(assigned.owner, (owned.get(assigned.owner) ?? 0) + 1);
  const members: MemberReport[] = [];
  for (const { storeId, node: name, address, httpAddress, status, downSinceMs } of map?.members.values() ?? []) {
    if (status === 'removed') continue;
    const shown = status === 'leaving' && downSinceMs > 0 ? 'down' : status;
    const shardsOwned = owned.get(storeId) ?? 0;
    members.push({ node: name, address, httpAddress, status: shown, reachable: reaches(member, storeId), shardsOwned });
  }
  members.sort((a, b) => (a.node < b.node ? -1 : 1));
  return {
    clusterId: map?.clusterId ?? '',
    node,
    // Who hears nothing may believe in its last leader for ever.
    leader: leader !== undefined && reaches(member, leader) ? (map?.members.get(leader)?.node ?? null) : null,
    mapVersion: map?.version ?? 0,
    members,
    replicas: map?.replicas ?? 0,
    protocol: map?.protocol ?? 0,
    voters: thoseThatExist(map, member.voters).sort(),
  };
}

export function shardInfos(member: Viewer, hasFailed: boolean): readonly ShardInfo[] {
  const { map } = member;
  if (!map) return [];
  const nameOf = namesIn(map);
  return map.shards.map((placement, shard) => {
    const { assigned, active, learners, loss } = placement;
    const lost = isLost(map, placement);
    const status = lost ? 'stopped' : statusOf(member, map, placement, hasFailed);
    const doubt = status === 'stopped' ? shardInDoubt(map, shard, (store) => reaches(member, store)) : undefined;
    const reason = doubt && reasonOf(doubt, lost, isRecovering(placement));
    return {
      shard,
      epoch: assigned.epoch,
      owner: nameOf(assigned.owner),
      replicas: thoseThatExist(map, active.replicas.length > 0 ? active.replicas : assigned.replicas),
      learners: thoseThatExist(map, learners),
      status,
      ...(lost ? { lost } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(loss ? { lossAcceptedAt: loss.atMs } : {}),
    };
  });
}

/**
 * Their names. Without the stores that were removed: what lay on them is lost, while a node that came back on an empty disk
 * has the same name, and would seem to hold it.
 */
function thoseThatExist(map: ClusterMap | undefined, stores: readonly StoreId[]): NodeName[] {
  return stores.flatMap((store) => {
    const known = map?.members.get(store);
    return known && known.status !== 'removed' ? [known.node] : [];
  });
}

function reasonOf({ needed, copies, away, gone }: ShardInDoubt, lost: boolean, isRecovering: boolean): string {
  const answers = `${copies.length} of ${needed} copies that are needed`;
  if (lost) return `lost: ${answers} left, gone with ${[...gone, ...away].join(', ')}; see \`greenroom recover\``;
  if (isRecovering) return `going on after a loss, once ${away.join(', ')} is there`;
  return `waits for ${away.join(', ')}: ${answers} in reach; if their disks are lost, see \`greenroom recover\``;
}

function statusOf(
  member: Viewer,
  map: ClusterMap,
  { assigned, active }: ShardPlacement,
  hasFailed: boolean,
): ShardInfo['status'] {
  const owner = map.members.get(assigned.owner);
  if (owner === undefined || owner.downSinceMs > 0 || owner.status === 'removed') return 'stopped';
  if (!reaches(member, assigned.owner)) return 'stopped';
  if (assigned.owner === member.storeId) {
    const copies = active.replicas.filter((store) => reaches(member, store)).length;
    if (hasFailed || (active.epoch > 0 && copies < writeQuorum(active.replicas.length))) return 'stopped';
  }
  const isServed = active.epoch === assigned.epoch && active.epoch > 0 && owner.boot === assigned.boot;
  return isServed ? 'active' : 'starting';
}

/** This node talks with the store, or is it. */
export function reaches(member: Pick<Viewer, 'storeId' | 'isUp'>, store: StoreId): boolean {
  return store === member.storeId || member.isUp(store);
}
