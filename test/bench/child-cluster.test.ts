/** Node processes under test, of both kinds: real processes, loaded from outside and from inside. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ChildKind, childCluster } from '../../src/bench/child-cluster.ts';
import type { Through } from '../../src/bench/cluster-under-test.ts';
import { urlOf } from '../../src/bench/cluster-under-test.ts';
import { clusterView } from '../../src/cli/cluster-view.ts';
import { NodeApi } from '../../src/cli/node-api.ts';

const cases: readonly (readonly [ChildKind, Through])[] = [
  ['command-line', 'http'],
  ['driven', 'api'],
  ['driven', 'http'],
];

test.each(cases)('a %s node is loaded through %s, keeps what it acknowledged, and ends', async (kind, through) => {
  const directory = await mkdtemp(join(tmpdir(), 'greenroom-bench-test-'));
  const options = { directory, nodes: 1, replicas: 1 };
  const add = { actorType: 'Counter', command: 'add', input: 1 };
  try {
    const cluster = await childCluster(options, kind);
    const [node] = cluster.nodes;
    try {
      const keys = { count: 10, distribution: 'uniform' } as const;
      const load = { type: 'each', inFlight: 4, rounds: 2 } as const;
      const result = await cluster.run({ calls: [add], how: 'ask', idPrefix: 'c', keys, load }, through);
      expect(result).toMatchObject({ operations: 20, errors: 0, firstError: undefined });
      await cluster.passivate('Counter', 'c3');
      expect(await cluster.call('Counter', 'c3', 'get')).toBe(2);
      expect((await node!.usage()).residentBytes).toBeGreaterThan(10_000_000);
      await node!.kill!();
    } finally {
      await cluster.close();
    }
    expect(() => process.kill(node!.processId, 0)).toThrow('ESRCH');
    const again = await childCluster(options, kind);
    expect(await again.call('Counter', 'c7', 'get')).toBe(2);
    await again.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('three nodes form a cluster, are loaded each, lose one and get it back, and start again with what they kept', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'greenroom-bench-test-'));
  const options = { directory, nodes: 3, replicas: 3, shards: 12 };
  const workload = {
    calls: [{ actorType: 'Counter', command: 'add', input: 1 }],
    how: 'ask',
    idPrefix: 'c',
    keys: { count: 30, distribution: 'uniform' },
    load: { type: 'each', inFlight: 6, rounds: 2 },
  } as const;
  try {
    const cluster = await childCluster(options, 'driven');
    try {
      const { cluster: view, shards } = await clusterView(new NodeApi(urlOf(cluster.nodes[1]!), undefined));
      expect(view.members.map(({ node, status }) => [node, status])).toEqual([
        ['node-1', 'up'],
        ['node-2', 'up'],
        ['node-3', 'up'],
      ]);
      expect(shards.every(({ replicas, status }) => replicas.length === 3 && status === 'active')).toBe(true);
      expect(new Set(shards.map(({ owner }) => owner)).size).toBe(3);
      for (const through of ['api', 'http'] as const)
        expect(await cluster.run(workload, through)).toMatchObject({ operations: 60, errors: 0 });
      expect((await cluster.nodes[2]!.wire!()).received).toBeGreaterThan(0);
      await cluster.nodes[2]!.kill!();
      await cluster.restart('node-3');
      expect(await cluster.call('Counter', 'c3', 'get', undefined, 2)).toBe(4);
    } finally {
      await cluster.close();
    }
    const again = await childCluster(options, 'driven');
    expect(await again.call('Counter', 'c7', 'get', undefined, 1)).toBe(4);
    await again.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
