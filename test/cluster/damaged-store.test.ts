/** A data directory that does not verify: refused, with what to do; and gone on with where nobody else has what it held. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, type NodeOptions, startNode } from 'greenroom';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Log } from '../../src/core/log.ts';
import { Counter, until } from './real-nodes.ts';

const counters = Array.from({ length: 20 }, (_, i) => `${i}`);

let parent: string;
let nodes: GreenroomNode[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  nodes = [];
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await rm(parent, { recursive: true, force: true });
});

async function start(name: string, options: Partial<NodeOptions> = {}): Promise<GreenroomNode> {
  const data = join(parent, name);
  const node = await startNode({ actors: [Counter], data, node: name, port: 0, httpPort: false, ...options });
  nodes.push(node);
  return node;
}

/** Nothing of its index of files is left, so LevelDB would open nothing, or what is not there any more. */
async function damage(name: string): Promise<void> {
  await rm(join(parent, name, 'db', 'CURRENT'));
}

function portOf({ clusterAddress }: GreenroomNode): number {
  return Number(clusterAddress.split(':')[1]);
}

async function namesOf(prefix: string): Promise<readonly string[]> {
  return (await readdir(parent)).filter((name) => name.startsWith(prefix)).sort();
}

test('a node alone says how to go on, goes on with what verifies when that is accepted, and only then', {
  timeout: 60_000,
}, async () => {
  const first = await start('a', { shards: 8 });
  for (const id of counters) await first.actor(Counter, id).add(1);
  await first.close();
  const sound = await start('a', { acceptLoss: true });
  const { clusterId } = sound.gateway.cluster();
  for (const id of counters) expect(await sound.actor(Counter, id).add(1)).toBe(2);
  await sound.close();
  expect(await namesOf('a')).toEqual(['a']);

  await damage('a');
  await expect(start('a')).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringMatching(/CURRENT.*Nothing was changed.*greenroom start --accept-loss/),
  });
  expect(await namesOf('a')).toEqual(['a']);
  const told: unknown[] = [];
  const note = (message: string, fields?: unknown) => void told.push([message, fields]);
  const log: Log = { debug() {}, info() {}, warn: note, error: note, child: () => log };
  const again = await start('a', { acceptLoss: true, log });
  for (const id of counters) expect(await again.actor(Counter, id).add(1)).toBe(3);
  expect(await namesOf('a')).toEqual(['a', 'a.damaged-1']);
  expect(again.gateway.cluster().clusterId).not.toBe(clusterId);
  expect(told).toContainEqual([
    expect.stringContaining('what verifies is kept'),
    expect.objectContaining({ shards: 8, shardsCutOff: 0, damagedDirectory: join(parent, 'a.damaged-1') }),
  ]);
  await again.close();
  const calm = await start('a', { acceptLoss: true });
  for (const id of counters) expect(await calm.actor(Counter, id).get()).toBe(3);
  expect(await namesOf('a')).toEqual(['a', 'a.damaged-1']);
});

test('a member of a cluster with copies is told to let itself be filled from them', { timeout: 60_000 }, async () => {
  const a = await start('a', { shards: 4 });
  const b = await start('b', { join: [a.clusterAddress] });
  await until(() => a.gateway.shards().every(({ replicas, status }) => replicas.length === 2 && status === 'active'));
  await b.actor(Counter, 'one').add(1);
  const port = portOf(b);
  await b.close();
  await damage('b');
  await expect(start('b', { port, acceptLoss: true })).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringMatching(/cluster of several.*--join/),
  });
  expect(await namesOf('b')).toEqual(['b']);
  await rm(join(parent, 'b'), { recursive: true });
  const empty = await start('b', { port, join: [a.clusterAddress] });
  expect(await empty.actor(Counter, 'one').add(1)).toBe(2);
});

test('with one replica among several nodes the store joins anew, and brings back what verifies when the loss is accepted', {
  timeout: 60_000,
}, async () => {
  const a = await start('a', { shards: 8, replicas: 1 });
  const b = await start('b', { join: [a.clusterAddress] });
  const isSettled = () =>
    a.gateway.shards().every(({ status, learners }) => status === 'active' && learners.length === 0) &&
    a.gateway.shards().filter(({ owner }) => owner === 'b').length >= 3;
  await until(isSettled);
  for (const id of counters) await a.actor(Counter, id).add(1);
  const port = portOf(b);
  await b.close();
  await damage('b');
  const again = await start('b', { port, acceptLoss: true });
  expect(again.gateway.cluster().clusterId).toBe(a.gateway.cluster().clusterId);
  await until(() => a.gateway.shards().some(({ lost }) => lost));
  const lost = a.gateway.shards().flatMap((shard) => (shard.lost ? [shard.shard] : []));
  expect(await a.gateway.acceptLoss({ lost: [] })).toMatchObject({ shards: lost });
  await until(isSettled);
  for (const id of counters) expect(await again.actor(Counter, id).add(1)).toBe(2);
});
