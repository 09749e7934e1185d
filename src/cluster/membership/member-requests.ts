/** What operators ask about members: drain one that is to leave, remove one that is gone. */
import { GreenroomError } from '../../core/errors.ts';
import type { ClusterMember } from '../member.ts';
import { type Member, membersOf } from './cluster-map.ts';
import { sealSet } from './loss.ts';

/** The member leaves: everything it holds moves to others, then it is removed. Resolves once that has begun. */
export async function drainMember(member: ClusterMember, node: string): Promise<void> {
  const leaving = named(member, node);
  const others = [...member.map!.members.values()].filter(
    ({ storeId, status }) => storeId !== leaving.storeId && status === 'up',
  );
  if (others.length === 0)
    throw new GreenroomError(
      'FORBIDDEN',
      `${node} is the only member that is up, so there is nobody to take its shards; it cannot be drained`,
    );
  await commit(member, { type: 'memberLeaving', storeId: leaving.storeId });
}

/** The member is gone for good: its copies are made anew elsewhere. Refused where that would lose what only it holds. */
export async function removeMember(member: ClusterMember, node: string, atMs: number): Promise<void> {
  const gone = named(member, node);
  const map = member.map!;
  if (map.members.size === 1 || [...map.members.values()].every((each) => each === gone || each.status === 'removed'))
    throw new GreenroomError('FORBIDDEN', `${node} is the only member; it cannot be removed`);
  if (gone.status === 'up') throw new GreenroomError('FORBIDDEN', `${node} is up: drain it, or stop it first`);
  const remains = (store: string) => {
    const each = store === gone.storeId ? undefined : map.members.get(store as Member['storeId']);
    return each !== undefined && (each.status === 'up' || each.status === 'leaving');
  };
  const needed = map.shards.filter((placement) => {
    const seal = sealSet(placement);
    return seal.stores.includes(gone.storeId) && seal.stores.filter(remains).length < seal.needed;
  });
  if (needed.length > 0)
    throw new GreenroomError(
      'FORBIDDEN',
      `${node} holds the only copies in reach of ${needed.length} shards: start it again, or bring other replicas back first`,
    );
  await commit(member, { type: 'memberRemoved', storeId: gone.storeId, atMs });
}

function named(member: ClusterMember, node: string): Member {
  const members = membersOf(member.map);
  const found = members.find((each) => each.node === node);
  if (found) return found;
  throw new GreenroomError(
    'NOT_FOUND',
    `there is no member '${node}'; there is ${
      members
        .map(({ node: name }) => name)
        .sort()
        .join(', ') || 'none'
    }`,
  );
}

/** Has the cluster decide a change. @throws GreenroomError `UNAVAILABLE` if it cannot now */
export async function commit(member: ClusterMember, change: Parameters<ClusterMember['propose']>[0]): Promise<void> {
  try {
    await member.propose(change);
  } catch (error) {
    throw new GreenroomError('UNAVAILABLE', `the cluster cannot decide now: ${(error as Error).message}`, {
      retryAfterMs: 1_000,
      cause: error,
    });
  }
}
