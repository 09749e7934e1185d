/** How the shards are, in numbers, as far as the map alone tells. */
import type { ClusterMap, Member } from './cluster-map.ts';
import { isLost } from './loss.ts';
import { writeQuorum } from './quorum.ts';

export interface ClusterHealth {
  readonly shards: number;
  /** Serve: their newest epoch is active, and its owner is there. */
  readonly serving: number;
  /** Fewer replicas that are up than the cluster wants. */
  readonly underReplicated: number;
  /** Their owner is gone, or none ever began. */
  readonly withoutOwner: number;
  /** So few replicas are up that nothing can be acknowledged. */
  readonly shortOfQuorum: number;
  /** An epoch is assigned and not active yet. */
  readonly moving: number;
  /** Too many of their copies are gone for good: they stop until an operator accepts that. */
  readonly lost: number;
  /** How often an operator accepted the loss of a shard's copies. */
  readonly lossesAccepted: number;
}

/** A shard may count more than once: one without a quorum is also under-replicated. */
export function clusterHealth(map: ClusterMap): ClusterHealth {
  const isUp = (member: Member | undefined) => member?.status === 'up' || member?.status === 'leaving';
  const health = {
    shards: map.shards.length,
    serving: 0,
    underReplicated: 0,
    withoutOwner: 0,
    shortOfQuorum: 0,
    moving: 0,
    lost: 0,
    lossesAccepted: 0,
  };
  for (const placement of map.shards) {
    const { assigned, active, loss } = placement;
    const up = active.replicas.filter((store) => isUp(map.members.get(store))).length;
    const owner = map.members.get(assigned.owner);
    const isMoving = assigned.epoch > active.epoch;
    const hasOwner = active.epoch > 0 && isUp(owner) && owner!.boot === assigned.boot;
    const hasQuorum = active.replicas.length > 0 && up >= writeQuorum(active.replicas.length);
    if (isMoving) health.moving++;
    if (isLost(map, placement)) health.lost++;
    health.lossesAccepted += loss?.times ?? 0;
    if (up < map.replicas) health.underReplicated++;
    if (!hasOwner) health.withoutOwner++;
    if (!hasQuorum) health.shortOfQuorum++;
    if (!isMoving && hasOwner && hasQuorum) health.serving++;
  }
  return health;
}
