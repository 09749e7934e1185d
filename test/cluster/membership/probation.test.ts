/** Members that fell too often of late to be believed, of a cluster that needs them. */
import { expect, test } from 'vitest';
import { Coordinator } from '../../../src/cluster/membership/coordinator.ts';
import type { Standing } from '../../../src/cluster/membership/failure-detector.ts';
import { Probation } from '../../../src/cluster/membership/probation.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { foundedMap, member, settledMap, store, withMember } from '../map-fixture.ts';

const alive: Standing = { type: 'alive' };
const gone: Standing = { type: 'dead', why: 'process died' };
const back: Standing = { type: 'dead', why: 'process died', isBack: true };

const map = settledMap(5, 16);
const voters = [0, 1, 2].map(store);

/** Who is taken for alive by node 0, by what it thinks of the others in turn. */
function believed(probation: Probation, ...thought: readonly Standing[]): readonly StoreId[] {
  const standings = new Map(thought.map((standing, index) => [store(index + 1), standing]));
  return [...probation.needed({ map, voters, standing: (peer) => standings.get(peer) ?? alive })].sort();
}

test('are not believed while every shard and the control log have a majority without them', () => {
  expect(believed(new Probation(store(0)), back, alive, alive, alive)).toEqual([]);
  expect(believed(new Probation(store(0)), gone, alive, alive, alive)).toEqual([]);
});

test('are believed where a majority is missing, unless they are really gone', () => {
  expect(believed(new Probation(store(0)), back, back, back, back)).toEqual([1, 2, 3, 4].map(store));
  expect(believed(new Probation(store(0)), gone, back, back, back)).toEqual([2, 3, 4].map(store));
});

test('stay believed when others are, and lose it with the next fall', () => {
  const probation = new Probation(store(0));
  believed(probation, back, back, back, back);
  expect(believed(probation, alive, alive, alive, back)).toEqual([store(4)]);
  expect(believed(probation, alive, alive, alive, gone)).toEqual([]);
  expect(believed(probation, alive, alive, alive, back)).toEqual([]);
});

test('a map in which nothing is assigned yet asks for nobody', () => {
  const empty = foundedMap([member(0), member(1)], 4);
  expect(new Probation(store(0)).needed({ map: empty, voters: [], standing: () => back }).size).toBe(0);
});

/** What the leader, node 0, says of node 1, which is back and not believed, and accused by everybody. */
function saysOf(status: 'up' | 'down', nodes: number): readonly string[] {
  const settled = settledMap(nodes, 4);
  const seen = withMember(settled, {
    ...settled.members.get(store(1))!,
    status,
    downSinceMs: status === 'down' ? 1 : 0,
  });
  const coordinator = new Coordinator(store(0));
  const view = {
    map: seen,
    nowMs: 1,
    wallMs: 1,
    voters: [store(0)],
    standing: (peer: StoreId) => (peer === store(1) ? back : alive),
    isUp: () => true,
    knowsAll: () => true,
  };
  coordinator.tick(view);
  for (const { storeId, boot } of seen.members.values()) {
    const accusations = [{ peer: store(1), boot: seen.members.get(store(1))!.boot, what: 'process died' as const }];
    const report = { accusations: storeId === store(1) ? [] : accusations, reachable: [] };
    coordinator.report({ storeId, boot }, { report, caughtUp: [], cannotRecord: false }, 1);
  }
  return coordinator
    .tick(view)
    .flatMap((action) =>
      action.type === 'propose' && action.change.type.startsWith('member') ? [action.change.type] : [],
    );
}

test('the leader declares them up, and not down again, where it needs them, and as ever where it does not', () => {
  expect(saysOf('down', 2)).toEqual(['memberUp']);
  expect(saysOf('up', 2)).toEqual([]);
  expect(saysOf('down', 4)).toEqual([]);
  expect(saysOf('up', 4)).toEqual(['memberDown']);
});
