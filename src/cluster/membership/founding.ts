/**
 * The first map of a cluster: its founder alone, with what lies on the founder's disk. A store that was used before there
 * was a map (by a node alone) keeps its epochs, so that nothing of them is ever taken for something newer.
 */
import type { Journal } from '../../persistence/journal.ts';
import type { ClusterMap, Member, ShardPlacement } from './cluster-map.ts';

export function foundingMap(
  journal: Journal,
  founder: Omit<Member, 'status' | 'stopping' | 'downSinceMs'>,
): ClusterMap {
  const { clusterId, shardCount, replicas } = journal.identity;
  const { storeId } = founder;
  const shards: ShardPlacement[] = [];
  for (let shard = 0; shard < shardCount; shard++) {
    const written = journal.tail(shard).epoch;
    const known = Math.max(journal.hardState(shard)?.promisedEpoch ?? 0, written);
    shards.push({
      assigned: { epoch: known, owner: storeId, boot: 0, replicas: [storeId] },
      active: { epoch: written, replicas: written > 0 ? [storeId] : [] },
      learners: [],
    });
  }
  const member: Member = { ...founder, status: 'up', stopping: false, downSinceMs: 0 };
  return {
    version: 0,
    clusterId,
    shardCount,
    replicas,
    protocol: founder.protocol.max,
    members: new Map([[storeId, member]]),
    shards,
  };
}
