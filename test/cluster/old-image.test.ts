/** A data directory that is put back as it was earlier: the node does not start on it, and joins again on an empty one. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, startNode } from 'greenroom';
import { expect, test } from 'vitest';
import { keepEveryMs } from '../../src/cluster/witnessed-transport.ts';
import { Counter, until } from './real-nodes.ts';

test('an old copy of a data directory is refused, and says what to do', { timeout: 60_000 }, async () => {
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const nodes = new Map<string, GreenroomNode>();
  const start = async (name: string, port: number, joined: readonly string[] = []) => {
    const options = {
      actors: [Counter],
      data: join(parent, name),
      node: name,
      port,
      httpPort: false as const,
      shards: 4,
    };
    nodes.set(name, await startNode({ ...options, ...(joined.length > 0 ? { join: [...joined] } : {}) }));
    return nodes.get(name)!;
  };
  const stop = async (name: string) => {
    await nodes.get(name)!.close();
    nodes.delete(name);
  };
  try {
    const a = await start('a', 0);
    const b = await start('b', 0, [a.clusterAddress]);
    await start('c', 0, [a.clusterAddress]);
    await until(() => a.gateway.shards().every(({ replicas }) => replicas.length === 3));
    const port = Number(b.clusterAddress.split(':')[1]);
    for (let i = 0; i < 10; i++) await a.actor(Counter, `${i}`).add(1);
    await stop('b');
    await cp(join(parent, 'b'), join(parent, 'old'), { recursive: true });
    await start('b', port);
    for (let i = 0; i < 50; i++) await a.actor(Counter, `${i % 10}`).add(1);
    await new Promise((resolve) => setTimeout(resolve, keepEveryMs));
    await stop('b');
    await rm(join(parent, 'b'), { recursive: true });
    await cp(join(parent, 'old'), join(parent, 'b'), { recursive: true });
    for (let i = 0; i < 2; i++)
      await expect(start('b', port)).rejects.toMatchObject({
        code: 'STORE_OUTDATED',
        message: expect.stringMatching(/old copy of itself.*empty data directory with --join/),
      });
    await rm(join(parent, 'b'), { recursive: true });
    await start('b', port, [a.clusterAddress]);
    for (let i = 0; i < 10; i++) expect(await nodes.get('b')!.actor(Counter, `${i}`).add(1)).toBe(7);
  } finally {
    await Promise.all([...nodes.values()].map((node) => node.close()));
    await rm(parent, { recursive: true, force: true });
  }
});
