/** A fourth node takes copies over; what the others keep of them goes, on disk too, and comes back when it is drained. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, startNode } from 'greenroom';
import { expect, test } from 'vitest';
import type { NodeName } from '../../src/core/ids.ts';
import { verifyStore } from '../../src/persistence/verify.ts';
import { Counter, until } from './real-nodes.ts';

const shards = 8;
const actors = Array.from({ length: 24 }, (_, i) => `actor-${i}`);

test('copies that moved away are removed, and the shards come back to where they were', {
  timeout: 90_000,
}, async () => {
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const nodes = new Map<string, GreenroomNode>();
  const start = async (name: string) => {
    const [first] = nodes.values();
    const node = await startNode({
      actors: [Counter],
      data: join(parent, name),
      node: name,
      port: 0,
      httpPort: false,
      shards,
      replicas: 3,
      forgetAfter: 200,
      ...(first ? { join: [first.clusterAddress] } : {}),
    });
    nodes.set(name, node);
    return node;
  };
  const isSettled = (holders: number) => {
    const placements = nodes.get('a')!.gateway.shards();
    const used = new Set(placements.flatMap(({ replicas }) => replicas));
    return (
      used.size === holders &&
      placements.every(
        ({ replicas, learners, status }) => replicas.length === 3 && !learners.length && status === 'active',
      )
    );
  };
  const sum = (name: string) => [...nodes.values()].reduce((total, node) => total + metric(node, name), 0);
  try {
    const a = await start('a');
    for (const name of ['b', 'c']) await start(name);
    await until(() => isSettled(3));
    for (const id of actors) for (let i = 1; i <= 3; i++) await a.actor(Counter, id).add(i);
    await start('d');
    // As many copies go as have come.
    const onNewest = () => a.gateway.shards().filter(({ replicas }) => replicas.includes('d' as NodeName)).length;
    await until(() => isSettled(4) && sum('greenroom_copies_forgotten_total') === onNewest());
    expect(onNewest()).toBeGreaterThan(0);
    for (const id of actors) expect(await a.actor(Counter, id).add(4)).toBe(10);
    await a.gateway.drain('d');
    await until(() => isSettled(3) && a.gateway.cluster().members.every(({ node }) => node !== 'd'));
    for (const node of [...nodes.values()].slice(0, 3))
      for (const id of actors) expect(await node.actor(Counter, id).get()).toBe(10);
    await Promise.all([...nodes.values()].map((node) => node.close()));
    for (const name of ['a', 'b', 'c']) {
      const { damages, records } = await verifyStore(join(parent, name));
      expect(damages).toEqual([]);
      // Four commands of each, at least: every node holds every shard again.
      expect(records).toBeGreaterThanOrEqual(actors.length * 4);
    }
  } finally {
    await Promise.all([...nodes.values()].map((node) => node.close()));
    await rm(parent, { recursive: true, force: true });
  }
});

function metric(node: GreenroomNode, name: string): number {
  const sample = node.gateway.metrics().find((each) => each.name === name);
  return sample && 'value' in sample ? sample.value : Number.NaN;
}
