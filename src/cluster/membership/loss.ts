/**
 * Loss, and how a shard goes on after it. A shard is lost when fewer copies than a seal needs are on stores that still
 * exist: nobody can say any more whether what is left holds everything that was acknowledged. It stays stopped, until an
 * operator accepts that. Pure functions of the map.
 *
 * What is accepted is only that some answers will never come. Everybody who is left is asked, whether the shard was ever
 * theirs or not, all of them have to answer, and the best log among them is gone on with: a learner's, or what still lies
 * on a store that the shard has moved away from, is better than nothing. So every commit that any store left knows of is in
 * the log that is chosen, and nothing that one of them takes for committed is ever cut off.
 *
 * Invariants
 * - A store that is given up is `removed`, in the same change: it may not speak again, so its log answers no seal.
 * - The epoch of the decision belongs to nobody, so an owner from before it can neither activate nor serve.
 * - `active` still changes only to what was assigned (C1, C2).
 */
import type { Epoch, ShardId, StoreId } from '../../core/ids.ts';
import { type ClusterMap, type MapChange, type Member, membersOf, type ShardPlacement } from './cluster-map.ts';
import { sealQuorum } from './quorum.ts';

/** Whom a new owner asks to promise, and how many of them have to answer. */
export interface SealSet {
  readonly stores: readonly StoreId[];
  readonly needed: number;
}

/**
 * Epochs that are skipped where the control log is lost, too: more than may have been assigned in the part of it that
 * nobody is left to tell of. An epoch is a u32, so there is room for thousands of such losses.
 */
export const unknownEpochs = 1_000_000;

/** A loss was accepted, and nothing has served since. */
export function isRecovering({ active, loss }: ShardPlacement): boolean {
  return loss !== undefined && active.epoch < loss.epoch;
}

/** A shard that never served has nothing to seal. */
export function sealSet(placement: ShardPlacement): SealSet {
  const { active, loss } = placement;
  if (loss && isRecovering(placement)) return { stores: loss.left, needed: loss.left.length };
  if (active.epoch === 0) return { stores: [], needed: 0 };
  return { stores: active.replicas, needed: sealQuorum(active.replicas.length) };
}

/** The store was removed, or nobody remembers it. */
export function isGone(map: ClusterMap, store: StoreId): boolean {
  return (map.members.get(store)?.status ?? 'removed') === 'removed';
}

/** Too few copies are on stores that exist. `alsoLost`: as if these did not. */
export function isLost(
  map: ClusterMap,
  placement: ShardPlacement,
  alsoLost: ReadonlySet<StoreId> = new Set(),
): boolean {
  const { stores, needed } = sealSet(placement);
  return stores.filter((store) => !isGone(map, store) && !alsoLost.has(store)).length < needed;
}

/** The shards that are lost if these stores are, too. */
export function lostShards(map: ClusterMap, alsoLost?: ReadonlySet<StoreId>): readonly ShardId[] {
  return map.shards.flatMap((placement, shard) => (isLost(map, placement, alsoLost) ? [shard] : []));
}

/** The map after an operator's decision. */
export function withLossAccepted(map: ClusterMap, change: MapChange & { readonly type: 'lossAccepted' }): ClusterMap {
  const { lost, shards, atMs } = change;
  const isBack = lost.some(({ storeId, boot }) => {
    const member = map.members.get(storeId);
    return member && member.status !== 'removed' && (member.boot !== boot || member.downSinceMs === 0);
  });
  if (isBack) return map;
  const next = withoutStores(map, new Set(lost.map(({ storeId }) => storeId)), atMs);
  const left = remaining(next);
  if (left.length === 0) return map;
  const accepted = new Set(shards.filter((shard) => next.shards[shard] && isLost(next, next.shards[shard])));
  if (accepted.size === 0) return next;
  const after = next.shards.map((placement, shard) =>
    accepted.has(shard) ? abandoned(placement, left, atMs, 1) : placement,
  );
  return { ...next, shards: after };
}

/**
 * A map to begin a new control log with, where most of the old one's voters are lost: this map is the newest that anybody
 * left has seen, and may be older than what was decided. So no set that it names is believed: every shard begins from all
 * that is left, in an epoch above any that may have been handed out.
 */
export function mapAfterControlLoss(
  map: ClusterMap,
  lost: ReadonlySet<StoreId>,
  version: number,
  atMs: number,
): ClusterMap {
  const next = withoutStores(map, lost, atMs);
  const left = remaining(next);
  const shards = next.shards.map((placement) => abandoned(placement, left, atMs, unknownEpochs));
  return { ...next, version, shards };
}

/** No life of a store has this number: what it is assigned, nobody may begin. */
const noBoot = 0;

function abandoned(placement: ShardPlacement, left: readonly StoreId[], atMs: number, epochs: Epoch): ShardPlacement {
  const { assigned, active, loss } = placement;
  const epoch = assigned.epoch + epochs;
  return {
    assigned: { ...assigned, epoch, boot: noBoot },
    active,
    learners: [],
    loss: { epoch, left, atMs, times: (loss?.times ?? 0) + 1 },
  };
}

function withoutStores(map: ClusterMap, lost: ReadonlySet<StoreId>, atMs: number): ClusterMap {
  const members = new Map<StoreId, Member>();
  for (const [storeId, member] of map.members) {
    const isNew = lost.has(storeId) && member.status !== 'removed';
    const removed: Member = { ...member, status: 'removed', downSinceMs: member.downSinceMs || atMs };
    members.set(storeId, isNew ? removed : member);
  }
  return { ...map, members };
}

function remaining(map: ClusterMap): readonly StoreId[] {
  return membersOf(map).map(({ storeId }) => storeId);
}
