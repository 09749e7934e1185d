/** A record that is damaged on one disk of three is put in its place again, and its actor is served as if nothing had been. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, startNode } from 'greenroom';
import { expect, test } from 'vitest';
import { logKey } from '../../src/persistence/keys.ts';
import { scanLog } from '../../src/persistence/log-scan.ts';
import { openDatabase } from '../../src/persistence/open-store.ts';
import { StoreDirectory } from '../../src/persistence/store-directory.ts';
import { Counter, until } from './real-nodes.ts';

const names = ['a', 'b', 'c'];

test('each copy has another record damaged: all are repaired, and the answer is right', {
  timeout: 60_000,
}, async () => {
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  let nodes: GreenroomNode[] = [];
  const start = (name: string, join_: string[]) =>
    startNode({
      actors: [Counter],
      data: join(parent, name),
      node: name,
      port: 0,
      httpPort: false,
      shards: 1,
      replicas: 3,
      ...(join_.length > 0 ? { join: join_ } : {}),
    });
  try {
    const first = await start('a', []);
    nodes = [first];
    for (const name of names.slice(1)) nodes.push(await start(name, [first.clusterAddress]));
    await until(() => first.gateway.shards()[0]!.replicas.length === 3);
    for (let i = 1; i <= 6; i++) await first.actor(Counter, 'one').add(i);
    await until(() => nodes.every((node) => node.gateway.cluster().members.every(({ status }) => status === 'up')));
    const ports = nodes.map(({ clusterAddress }) => Number(clusterAddress.split(':')[1]));
    await Promise.all(nodes.map((node) => node.close()));
    for (const [index, name] of names.entries()) await damageBody(join(parent, name), index);
    nodes = await Promise.all(
      names.map((name, index) =>
        startNode({
          actors: [Counter],
          data: join(parent, name),
          node: name,
          port: ports[index]!,
          httpPort: false,
        }),
      ),
    );
    for (const node of nodes) expect(await node.actor(Counter, 'one').get()).toBe(21);
    await until(() => nodes.every((node) => metric(node, 'greenroom_records_repaired_total') > 0));
    for (const node of nodes) {
      expect(metric(node, 'greenroom_records_damaged')).toBe(0);
      expect(metric(node, 'greenroom_actors_quarantined')).toBe(0);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    await rm(parent, { recursive: true, force: true });
  }
});

/** Flips a bit in the body of one of the actor's records, another one for each index. */
async function damageBody(directory: string, index: number): Promise<void> {
  const database = await openDatabase(directory, new StoreDirectory(directory).database, false);
  const range = { shardCount: 1, shard: 0, gen: 0, from: 1, to: undefined, rowsPerChunk: 100 };
  let met = 0;
  for await (const rows of scanLog(database, range))
    for (const { position, result, bytes } of rows) {
      if (result.type !== 'record' || result.head.kind !== 'command' || met++ !== index) continue;
      const spoilt = Buffer.from(bytes!);
      spoilt[spoilt.length - 1]! ^= 1;
      await database.put(logKey(0, 0, position), spoilt, { sync: true });
    }
  await database.close();
  expect(met).toBeGreaterThan(index);
}

function metric(node: GreenroomNode, name: string): number {
  const sample = node.gateway.metrics().find((each) => each.name === name);
  return sample && 'value' in sample ? sample.value : Number.NaN;
}
