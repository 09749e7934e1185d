import { expect, test } from 'vitest';
import { Coordinator } from '../../../src/cluster/membership/coordinator.ts';
import { member, settledMap, store, withMember } from '../map-fixture.ts';

/** What the leader `a` does about `b`, which has left everything to `a`. */
function removed(voters: readonly string[]): readonly string[] {
  const map = settledMap(1, 4, 1);
  const [leader] = [...map.members.keys()];
  const actions = new Coordinator(leader!).tick({
    map: withMember(map, member('b', { status: 'leaving' })),
    nowMs: 0,
    wallMs: 0,
    voters: [leader!, ...voters.map(store)],
    standing: () => ({ type: 'alive' }) as never,
    isUp: () => true,
    knowsAll: () => true,
  });
  return actions.flatMap((action) =>
    action.type === 'propose' && action.change.type === 'memberRemoved' ? [action.change.storeId] : [],
  );
}

test('a member that has left everything is removed, but not while it votes', () => {
  expect(removed([])).toEqual([store('b')]);
  expect(removed(['b'])).toEqual([]);
});

/** Who is to own the shards that `full` owned, in three nodes with three copies, where nothing can be recorded on some. */
function ownersInsteadOf(full: readonly number[]): ReadonlySet<string> {
  const map = settledMap(3, 16);
  const coordinator = new Coordinator(store(0));
  for (let index = 0; index < 3; index++) {
    const life = { storeId: store(index), boot: map.members.get(store(index))!.boot };
    const report = { accusations: [], reachable: [0, 1, 2].map(store) };
    coordinator.report(life, { report, caughtUp: [], cannotRecord: full.includes(index) }, 0);
  }
  const actions = coordinator.tick({
    map,
    nowMs: 1,
    wallMs: 1,
    voters: [0, 1, 2].map(store),
    standing: () => ({ type: 'alive' }) as never,
    isUp: () => true,
    knowsAll: () => true,
  });
  return new Set(
    actions.flatMap((action) =>
      action.type === 'propose' && action.change.type === 'assign'
        ? action.change.assignments.map(({ owner }) => owner)
        : [],
    ),
  );
}

test('a node on which nothing can be recorded is relieved of its shards, unless too few others are left', () => {
  expect(ownersInsteadOf([])).toEqual(new Set());
  expect([...ownersInsteadOf([1])].sort()).toEqual([store(0), store(2)]);
  expect(ownersInsteadOf([0, 1])).toEqual(new Set());
  expect(ownersInsteadOf([0, 1, 2])).toEqual(new Set());
});
