/**
 * Which members vote in the control log: one, three or five of those that are there, one change at a time. A function of
 * what its leader sees.
 *
 * A member that leaves votes until another can in its place: the last voter's leave would be the end of the cluster. (Found
 * in simulation: of two members, the one that voted was drained.)
 */
import type { StoreId } from '../../core/ids.ts';
import type { ClusterMap, Member } from './cluster-map.ts';

export interface VoterView {
  /** Who leads and asks. */
  readonly self: StoreId;
  readonly map: ClusterMap;
  readonly voters: readonly StoreId[];
  readonly wallMs: number;
  /** A voter that is down for so long is replaced, if there is another member to take its place. */
  readonly deadAfterMs: number;
  /** Messages go both ways. */
  isUp(peer: StoreId): boolean;
  /** It has been heard for a while: it is not likely to be gone in the next moment. */
  isSettled(peer: StoreId): boolean;
}

/** @returns the voters to be; undefined: those there are will do */
export function planVoters(view: VoterView): readonly StoreId[] | undefined {
  const { self, map, voters, wallMs, isUp } = view;
  const candidates = [...map.members.values()].filter(
    (member) => mayVote(member) && (member.storeId === self || isUp(member.storeId)),
  );
  const target = candidates.length >= 5 ? 5 : candidates.length >= 3 ? 3 : 1;
  const isGone = (storeId: StoreId) => {
    const member = map.members.get(storeId);
    if (!member || member.status === 'removed') return true;
    if (storeId === self) return false;
    if (member.status === 'leaving') return true;
    const isDead = member.downSinceMs > 0 && wallMs - member.downSinceMs >= view.deadAfterMs;
    return isDead && candidates.some(({ storeId: other }) => !voters.includes(other));
  };
  // One whose disk is lost can never vote again; one that is merely down may be what a majority needs.
  const isRemoved = (voter: StoreId) => (map.members.get(voter)?.status ?? 'removed') === 'removed';
  const gone = voters.find(isRemoved) ?? voters.find(isGone);
  const settled = candidates.filter(({ storeId }) => !voters.includes(storeId) && view.isSettled(storeId));
  // Two voters are worse than one: from one to three in one go, once both are there to stay.
  const mayGrow = voters.length % 2 === 0 || settled.length >= 2 || target - voters.length < 2;
  const fresh = settled[0]?.storeId;
  const isLeaving = map.members.get(self)?.status === 'leaving';
  let wanted: readonly StoreId[] | undefined;
  if (gone !== undefined && voters.length > 1) wanted = voters.filter((voter) => voter !== gone);
  else if (fresh !== undefined && ((voters.length < target && mayGrow) || (isLeaving && !successor(view))))
    wanted = [...voters, fresh];
  else if (!isLeaving && voters.length % 2 === 0 && candidates.every(({ storeId }) => voters.includes(storeId)))
    // An even number is not safer than one less. One that is merely away for a moment leaves an odd number alone.
    wanted = voters.filter((voter) => voter !== voters.findLast((other) => other !== self));
  return wanted && hasLiveMajority(wanted, view) ? wanted : undefined;
}

/** Who could lead in the place of a leader that leaves. */
export function successor({
  self,
  map,
  voters,
  isUp,
}: Pick<VoterView, 'self' | 'map' | 'voters' | 'isUp'>): StoreId | undefined {
  return voters.find((voter) => {
    const member = map.members.get(voter);
    return voter !== self && member !== undefined && mayVote(member) && isUp(voter);
  });
}

function mayVote({ status, stopping }: Member): boolean {
  return status === 'up' && !stopping;
}

/** The voters to be could agree on something now: else the change would be the last one. */
function hasLiveMajority(wanted: readonly StoreId[], { self, isUp }: VoterView): boolean {
  const live = wanted.filter((voter) => voter === self || isUp(voter));
  return live.length * 2 > wanted.length;
}
