import { describe, expect, test } from 'vitest';
import type { ClusterMap, ShardPlacement } from '../../../src/cluster/membership/cluster-map.ts';
import { Forgetting, isWhole, mayForget } from '../../../src/cluster/shards/forgetting.ts';
import type { NodeName } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { ignore } from '../../../src/testing/record-writer.ts';
import { foundedMap, member, store } from '../map-fixture.ts';
import { records } from './told.ts';

const replicas = [store('a'), store('b')];
const elsewhere: ShardPlacement = {
  assigned: { epoch: 5, owner: store('a'), boot: 1, replicas },
  active: { epoch: 5, replicas },
  learners: [],
};
const withUs = [...replicas, store('r')];
const forgetAfterMs = 1_000;

describe('R4: a copy may be forgotten', () => {
  const copy = {
    placement: elsewhere,
    isWhole: true,
    storeId: store('r'),
    promisedEpoch: 5,
    excludedForMs: 1_000,
    forgetAfterMs,
  };
  const cases: readonly [string, boolean, Partial<typeof copy>][] = [
    ['once the map has not named the store for the grace period', true, {}],
    ['not sooner', false, { excludedForMs: 999 }],
    ['if it promised nothing', true, { promisedEpoch: 0 }],
    ['not if it promised more than the map knows', false, { promisedEpoch: 6 }],
    ['not if it is a replica', false, { placement: { ...elsewhere, active: { epoch: 5, replicas: withUs } } }],
    ['not if it is a learner', false, { placement: { ...elsewhere, learners: [store('r')] } }],
    [
      'not if it is to be a replica',
      false,
      { placement: { ...elsewhere, assigned: { ...elsewhere.assigned, epoch: 6, replicas: withUs } } },
    ],
    [
      'not while an epoch waits to be activated',
      false,
      { placement: { ...elsewhere, assigned: { ...elsewhere.assigned, epoch: 6 } } },
    ],
    ['not while the shard is in trouble', false, { isWhole: false }],
    ['not if nothing was ever active', false, { placement: foundedMap([], 1).shards[0]!, promisedEpoch: 0 }],
  ];
  for (const [title, expected, given] of cases)
    test(title, () => expect(mayForget({ ...copy, ...given })).toBe(expected));
});

describe('a shard is whole', () => {
  const map = (down?: string, copies = 2) =>
    foundedMap(
      ['a', 'b', 'r'].map((name) => member(name, name === down ? { status: 'down' } : {})),
      1,
      copies,
    );
  const cases: readonly [string, boolean, ClusterMap, Partial<ShardPlacement>][] = [
    ['with all its copies on nodes that are up', true, map(), {}],
    ['whoever else is down', true, map('r'), {}],
    ['not with one on a node that is down', false, map('b'), {}],
    [
      'not with one of a store that nobody knows',
      false,
      map(),
      { active: { epoch: 5, replicas: [store('a'), store('x')] } },
    ],
    ['not with fewer than there should be', false, map(undefined, 3), {}],
    ['not while one is being filled', false, map(), { learners: [store('c')] }],
  ];
  for (const [title, expected, of, given] of cases)
    test(title, () => expect(isWhole(of, { ...elsewhere, ...given })).toBe(expected));
});

describe('copies are forgotten', () => {
  const setUp = async (shardCount: number) => {
    const journal = new MemoryJournal({
      identity: { clusterId: 'test', node: 'r' as NodeName, storeId: store('r'), shardCount, replicas: 3 },
    });
    await journal.open();
    for (let shard = 0; shard < shardCount; shard++) {
      for (const record of records(3)) journal.append(shard, record, ignore);
      journal.setHardState(shard, { promisedEpoch: 4, promisedTo: store('z') }, ignore);
    }
    await journal.flush();
    const owned = new Set<number>();
    const down = new Set<string>();
    const forgetting = new Forgetting({
      journal,
      storeId: store('r'),
      log: silentLog,
      mistaken: () => false,
      forgetAfterMs,
      isOwned: (shard) => owned.has(shard),
    });
    const map = (placement: ShardPlacement): ClusterMap => ({
      ...foundedMap([member('a'), member('b', { status: down.has('b') ? 'down' : 'up' }), member('r')], shardCount, 2),
      shards: Array.from({ length: shardCount }, () => placement),
    });
    const lengths = () => Array.from({ length: shardCount }, (_, shard) => journal.tail(shard).position);
    return { journal, forgetting, map, lengths, owned, down };
  };

  test('one at a time, the next once that is durable; the promise rises to the active epoch', async () => {
    const { journal, forgetting, map, lengths } = await setUp(2);
    forgetting.see(map(elsewhere), 0);
    forgetting.sweep(0);
    forgetting.sweep(999);
    expect(lengths()).toEqual([3, 3]);
    forgetting.sweep(1_000);
    forgetting.sweep(1_001);
    expect(lengths()).toEqual([0, 3]);
    expect(forgetting.forgottenTotal).toBe(0);
    await journal.flush();
    expect(forgetting.forgottenTotal).toBe(1);
    forgetting.sweep(1_002);
    await journal.flush();
    expect(lengths()).toEqual([0, 0]);
    expect(journal.hardState(0)).toEqual({ promisedEpoch: 5, promisedTo: store('a') });
  });

  test('after a grace period that begins anew when the store is named again, or the log grows', async () => {
    const { journal, forgetting, map, lengths } = await setUp(1);
    forgetting.see(map(elsewhere), 0);
    forgetting.sweep(0);
    forgetting.see(map({ ...elsewhere, learners: [store('r')] }), 500);
    forgetting.see(map({ ...elsewhere }), 600);
    forgetting.sweep(600);
    forgetting.see(map({ ...elsewhere }), 700);
    forgetting.sweep(1_599);
    expect(lengths()).toEqual([3]);
    journal.append(0, records(4)[3]!, ignore);
    forgetting.sweep(1_600);
    forgetting.sweep(2_599);
    expect(lengths()).toEqual([4]);
    forgetting.sweep(2_600);
    expect(lengths()).toEqual([0]);
  });

  test('not while this node still owns the shard', async () => {
    const { forgetting, map, lengths, owned } = await setUp(1);
    owned.add(0);
    forgetting.see(map(elsewhere), 0);
    for (const nowMs of [0, 5_000]) forgetting.sweep(nowMs);
    expect(lengths()).toEqual([3]);
  });

  test('not while a node that holds the shard is down: it may be asked for what it has', async () => {
    const { forgetting, map, lengths, down } = await setUp(1);
    down.add('b');
    forgetting.see(map(elsewhere), 0);
    for (const nowMs of [0, 5_000]) forgetting.sweep(nowMs);
    expect(lengths()).toEqual([3]);
    down.delete('b');
    forgetting.see(map(elsewhere), 5_000);
    forgetting.sweep(5_000);
    expect(lengths()).toEqual([0]);
  });
});
