/** Node processes under test, of both kinds: real processes, loaded from outside and from inside. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ChildKind, childCluster } from '../../src/bench/child-cluster.ts';
import type { Through } from '../../src/bench/cluster-under-test.ts';

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
