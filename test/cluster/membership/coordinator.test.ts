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
