/** What is read from the calls of an observed load, and from the maps that were seen meanwhile. */
import { describe, expect, test } from 'vitest';
import { copiesMade, type MapMoment, outOfPlace, ownerMoves } from '../../src/bench/cluster-map.ts';
import { Observations } from '../../src/bench/load/observations.ts';
import { ObservedLoad } from '../../src/bench/load/observed-load.ts';
import type { ClusterView, ShardAnswer } from '../../src/cli/cluster-view.ts';

describe('observed calls', () => {
  // Of shard 0: at 0 and 100, the second waits 900 ms. Of shard 1: one that fails, in a process of its own.
  const seen = new Observations(
    [
      { keys: [0, 2, 0], dueMs: [0, 100, 2_000], tookMs: [5, 900, 7], failures: [] },
      { keys: [1], dueMs: [50], tookMs: [400], failures: [[0, 'UNAVAILABLE']] },
    ],
    (key) => key % 2,
  );

  test('are counted by when they were due, failures apart', () => {
    const { calls, failed, latency } = seen.within({ fromMs: 0, toMs: 1_000 });
    expect([calls, failed, latency.count]).toEqual([3, 1, 2]);
    expect(seen.within({ fromMs: 0, toMs: 1_000 }, (shard) => shard === 1).failed).toBe(1);
    expect([...seen.failures({ fromMs: 0, toMs: 1_000 })]).toEqual([['UNAVAILABLE', 1]]);
  });

  test('say how long callers of a shard waited who waited in a window, also if they began before it', () => {
    expect(seen.longestWaitMs(0, { fromMs: 500, toMs: 600 })).toBe(900);
    expect(seen.longestWaitMs(0, { fromMs: 1_001, toMs: 1_999 })).toBe(0);
    expect(seen.longestWaitMs(1, { fromMs: 0, toMs: 100 })).toBe(400);
  });

  test('say when a shard first answered well again', () => {
    expect(seen.firstSuccessMs(0, 50)).toBe(1_000);
    expect(seen.firstSuccessMs(1, 0)).toBeUndefined();
  });

  test('make a timeline by when they ended', () => {
    const points = seen.timeline({ fromMs: 0, toMs: 3_000 });
    expect(points.map(({ perSecond, errors }) => [perSecond, errors])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
    ]);
  });
});

test('an observed load remembers every call until it is stopped, and what was never answered', async () => {
  let ms = 0;
  const turn = async () => {
    ms += 1;
  };
  const time = { nowMs: () => ms, turn };
  let load: ObservedLoad | undefined;
  let count = 0;
  const once = async () => {
    count += 1;
    if (count === 5) await new Promise(() => {});
    if (count === 7) throw new Error('no');
    if (count === 10) stopped = load!.stop();
  };
  let stopped: ReturnType<ObservedLoad['stop']> | undefined;
  const loop = { perSecond: 100, inFlightMax: 100, warmUpMs: 0, durationMs: 1_000_000, drainMs: 50 };
  load = new ObservedLoad(loop, { count: 4, distribution: 'uniform' }, once, time);
  while (stopped === undefined) await new Promise((resolve) => setImmediate(resolve));
  const { keys, dueMs, tookMs, failures } = await stopped;
  expect([keys.length, dueMs.length, tookMs.length]).toEqual([10, 10, 10]);
  expect(dueMs[9]! - dueMs[0]!).toBeCloseTo(90);
  expect(failures).toEqual([
    [6, 'Error: no'],
    [4, 'not answered'],
  ]);
});

describe('maps', () => {
  const shard = (number: number, owner: string, replicas: string[], rest: Partial<ShardAnswer> = {}): ShardAnswer => ({
    shard: number,
    epoch: 1,
    owner,
    replicas,
    learners: [],
    status: 'active',
    ...rest,
  });
  const view = (shards: ShardAnswer[], nodes = ['a', 'b']): ClusterView => ({
    cluster: {
      clusterId: 'x',
      node: 'a',
      leader: 'a',
      mapVersion: 1,
      replicas: 2,
      members: nodes.map((node) => ({ node, address: '', httpAddress: '', status: 'up', shardsOwned: 0 })),
    },
    shards,
  });
  const both = ['a', 'b'];

  test('are in place when all shards are served, have their copies, and no node is short', () => {
    const whole = [shard(0, 'a', both), shard(1, 'b', both), shard(2, 'a', both), shard(3, 'b', both)];
    expect(outOfPlace(view(whole), 2)).toBeUndefined();
    expect(outOfPlace(view(whole), 3)).toContain('of 3 nodes 2 are up');
    expect(outOfPlace(view([...whole.slice(1), shard(0, 'a', ['a'])]), 2)).toContain('fewer than 2 copies');
    expect(outOfPlace(view([...whole.slice(1), shard(0, 'a', both, { status: 'starting' })]), 2)).toContain('served');
    expect(outOfPlace(view(whole.map(({ shard: n }) => shard(n, 'a', both))), 2)).toContain('b owns less than 1');
  });

  test('tell which owners moved between which looks, and which copies were made', () => {
    const moment = (askedMs: number, shards: ShardAnswer[]): MapMoment => ({
      askedMs,
      atMs: askedMs + 1,
      unchangedMs: askedMs + 50,
      view: view(shards),
    });
    const moments = [
      moment(0, [shard(0, 'a', ['a', 'b']), shard(1, 'b', ['a', 'b'])]),
      moment(100, [shard(0, 'a', ['a', 'b'], { learners: ['c'] }), shard(1, 'b', ['a', 'b'])]),
      moment(200, [shard(0, 'c', ['b', 'c']), shard(1, 'b', ['a', 'b'])]),
    ];
    expect(ownerMoves(moments)).toEqual([{ shard: 0, from: 'a', to: 'c', notBeforeMs: 150, notAfterMs: 201 }]);
    expect([...copiesMade(moments)]).toEqual([['c', 1]]);
  });
});
