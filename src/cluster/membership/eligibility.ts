/**
 * Which stores may hold and own shards, told apart by what they have already and what they may be given: a member that
 * is away for a moment keeps its copies, and is given none.
 */
import type { StoreId } from '../../core/ids.ts';
import type { ClusterMap, Member } from './cluster-map.ts';

/** What the failure detector thinks of a store; only a hint, until the map says so. */
export type Standing = 'alive' | 'busy' | 'unreachable' | 'dead';

export interface Eligible {
  /** Their copies count as wanted. */
  readonly holders: ReadonlySet<StoreId>;
  /** Of the holders: those that can be given a copy now. */
  readonly newHolders: ReadonlySet<StoreId>;
  /** What they own stays there. */
  readonly owners: ReadonlySet<StoreId>;
  /** Of the owners: those that can be given a shard now. */
  readonly newOwners: ReadonlySet<StoreId>;
}

/** Gone by what the map says; a leaving member has no such status of its own, so there the detector's word counts. */
export function isDown(member: Member | undefined, standing: Standing | undefined): boolean {
  if (!member) return true;
  const { status } = member;
  return status === 'down' || status === 'removed' || (status === 'leaving' && standing === 'dead');
}

/** Answers, as far as one can know: counts for a quorum that is needed now. */
export function isLive(member: Member | undefined, standing: Standing | undefined): boolean {
  return standing === 'alive' && (member?.status === 'up' || member?.status === 'leaving');
}

/** Who is eligible at `nowMs`. A store without a standing was not heard of: it is treated as unreachable. */
export function eligibleStores(
  map: ClusterMap,
  standings: ReadonlyMap<StoreId, Standing>,
  deadAfterMs: number,
  nowMs: number,
): Eligible {
  const eligible = {
    holders: new Set<StoreId>(),
    newHolders: new Set<StoreId>(),
    owners: new Set<StoreId>(),
    newOwners: new Set<StoreId>(),
  };
  for (const [store, member] of map.members) {
    const standing = standings.get(store) ?? 'unreachable';
    const { status, stopping, downSinceMs } = member;
    if (status === 'down' && nowMs - downSinceMs < deadAfterMs) eligible.holders.add(store);
    if (status !== 'up') continue;
    eligible.holders.add(store);
    const isWelcome = !stopping && standing !== 'busy';
    if (isWelcome) eligible.owners.add(store);
    if (isWelcome && standing === 'alive') {
      eligible.newHolders.add(store);
      eligible.newOwners.add(store);
    }
  }
  return eligible;
}
