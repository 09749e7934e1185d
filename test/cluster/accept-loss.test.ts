/** Disks of most copies are lost at the same time: the shards say so, stop, and go on only when an operator accepts it. */
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, startNode } from 'greenroom';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClusterNode } from '../../src/cluster/node.ts';
import { actorHash } from '../../src/core/hash.ts';
import type { StoreId } from '../../src/core/ids.ts';
import { Counter, until } from './real-nodes.ts';

const counters = Array.from({ length: 20 }, (_, i) => `${i}`);
const shardCount = 8;

let parent: string;
let nodes: Map<string, GreenroomNode>;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  nodes = new Map();
});

afterEach(async () => {
  await Promise.all([...nodes.values()].map((node) => node.close()));
  await rm(parent, { recursive: true, force: true });
});

async function start(name: string, settings: { replicas?: number; join?: string; data?: string; port?: number } = {}) {
  const node = await startNode({
    actors: [Counter],
    data: join(parent, settings.data ?? name),
    node: name,
    port: settings.port ?? 0,
    httpPort: false,
    shutdownGrace: 0,
    ...(settings.join === undefined
      ? { shards: shardCount, replicas: settings.replicas ?? 3 }
      : { join: [settings.join] }),
  });
  nodes.set(name, node);
  return node;
}

async function cluster(names: readonly string[], replicas: number): Promise<readonly GreenroomNode[]> {
  const [first, ...others] = names;
  const founder = await start(first!, { replicas });
  for (const name of others) await start(name, { join: founder.clusterAddress });
  await until(() => founder.gateway.shards().every((shard) => shard.replicas.length === replicas && isWhole(shard)));
  await until(() => inside(founder).member.voters.length === (names.length >= 5 ? 5 : 3));
  for (const id of counters) await founder.actor(Counter, id).add(1);
  await until(() => [...nodes.values()].every((node) => hasEverything(node)));
  return [...nodes.values()];
}

function isWhole({ learners, status }: { readonly learners: readonly string[]; readonly status: string }): boolean {
  return learners.length === 0 && status === 'active';
}

function inside(node: GreenroomNode): ClusterNode {
  return node.gateway as unknown as ClusterNode;
}

/** Its copies end where their owners' logs end. */
function hasEverything(node: GreenroomNode): boolean {
  const { member } = inside(node);
  const ends = new Map<number, number>();
  for (const each of nodes.values())
    for (const { shard, tail } of inside(each).member.shards.allOwned) ends.set(shard, tail);
  return member.map!.shards.every(
    ({ active }, shard) =>
      !active.replicas.includes(member.storeId) || member.shards.journal.tail(shard).position === ends.get(shard),
  );
}

/** All of them at once, as if the power was cut, and their disks are put away. */
async function lose(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => inside(nodes.get(name)!).member.close('lost')));
  await Promise.all(names.map((name) => nodes.get(name)!.close()));
  for (const name of names) {
    nodes.delete(name);
    await rename(join(parent, name), join(parent, `lost-${name}`));
  }
}

function storesOf(node: GreenroomNode, shard: number): readonly string[] {
  const { map } = inside(node).member;
  return map!.shards[shard]!.active.replicas.map((store: StoreId) => map!.members.get(store)!.node);
}

function metric(node: GreenroomNode, name: string): number {
  const sample = node.gateway.metrics().find((each) => each.name === name);
  return sample && 'value' in sample ? sample.value : Number.NaN;
}

test('two of three disks are lost at once: everything stops, nothing goes on by itself, and what is left goes on when accepted', {
  timeout: 120_000,
}, async () => {
  let [a] = await cluster(['a', 'b', 'c'], 3);
  const ports = new Map([...nodes].map(([name, node]) => [name, Number(node.clusterAddress.split(':')[1])]));
  await lose('b', 'c');
  const { gateway } = a!;
  await until(() => gateway.shards().every(({ status }) => status === 'stopped'));
  expect(gateway.shards()[0]!.reason).toMatch(/waits for b, c: 1 of 2 .*greenroom recover/);
  expect(gateway.recovery()).toMatchObject({ decides: false, voters: ['a', 'b', 'c'], away: ['b', 'c'] });
  expect(gateway.recovery().shards.map(({ copies }) => copies)).toEqual(Array(shardCount).fill(['a']));

  await expect(gateway.acceptLoss({ lost: [] })).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('does not reach b, c'),
  });
  await expect(gateway.acceptLoss({ lost: ['b'] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(gateway.acceptLoss({ lost: ['a', 'b'] })).rejects.toMatchObject({
    message: expect.stringContaining('a is there and answers'),
  });
  await expect(gateway.acceptLoss({ lost: ['nobody'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });

  const accepted = await gateway.acceptLoss({ lost: ['b', 'c'] });
  expect(accepted).toEqual({
    shards: Array.from({ length: shardCount }, (_, i) => i),
    removed: ['b', 'c'],
    controlLog: true,
  });
  await until(() => gateway.shards().every(({ status }) => status === 'active'));
  for (const id of counters) expect(await a!.actor(Counter, id).add(1)).toBe(2);
  expect(gateway.shards().every(({ lossAcceptedAt }) => lossAcceptedAt! > 0)).toBe(true);
  expect(metric(a!, 'greenroom_losses_accepted_total')).toBe(shardCount);
  expect(await gateway.acceptLoss({ lost: ['b', 'c'] })).toEqual({ shards: [], removed: [], controlLog: false });

  // The old disks come back together while nobody else is there: they are a majority of what they remember, and serve.
  // As soon as they meet anybody who was left they end.
  await a!.close();
  const old = ['b', 'c'].map((name) => start(name, { data: `lost-${name}`, port: ports.get(name)! }));
  const [oldB] = await Promise.all(old);
  expect(await oldB!.actor(Counter, '0').get()).toBe(1);
  a = await start('a', { port: ports.get('a')! });
  for (const { failed } of await Promise.all(old)) expect(await failed).toMatchObject({ code: 'FORBIDDEN' });
  for (const each of await Promise.all(old)) await each.close();
  nodes = new Map([['a', a]]);
  await start('b', { join: a!.clusterAddress });
  await start('c', { join: a!.clusterAddress });
  await until(() => a!.gateway.shards().every((shard) => shard.replicas.length === 3 && isWhole(shard)));
  for (const id of counters) expect(await nodes.get('c')!.actor(Counter, id).add(1)).toBe(3);
});

test('two of five disks are lost, and empty ones take their place: only what they held most copies of stops, until it is accepted', {
  timeout: 120_000,
}, async () => {
  const all = await cluster(['a', 'b', 'c', 'd', 'e'], 3);
  const victims = storesOf(all[0]!, 0).slice(1);
  const left = all.filter(({ name }) => !victims.includes(name));
  const { gateway } = left[0]!;
  await lose(...victims);
  const needsBoth = () =>
    gateway.recovery().shards.filter(({ away }) => victims.every((name) => away.includes(name as never)));
  await until(() => gateway.cluster().members.filter(({ status }) => status === 'down').length === 2);
  const waiting = needsBoth().map(({ shard }) => shard);
  expect(waiting).toContain(0);
  await expect(gateway.acceptLoss({ lost: [] })).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringMatching(/nothing is lost: \d+ shards wait for/),
  });
  await Promise.all(victims.map((name) => start(name, { join: left[0]!.clusterAddress })));
  await until(() => gateway.shards().filter(({ lost }) => lost).length === waiting.length);
  const lost = gateway.shards().filter((shard) => shard.lost);
  expect(lost.map(({ shard }) => shard)).toEqual(waiting);
  for (const { status, reason } of lost)
    expect([status, reason]).toEqual(['stopped', expect.stringMatching(/^lost: 1 of 2 /)]);
  expect(metric(left[0]!, 'greenroom_shards_lost')).toBe(waiting.length);

  await expect(gateway.acceptLoss({ lost: [], shards: [] })).rejects.toMatchObject({
    message: expect.stringContaining('more is lost than you named'),
  });
  expect(await gateway.acceptLoss({ lost: [], shards: waiting })).toEqual({
    shards: waiting,
    removed: [],
    controlLog: false,
  });
  await until(() => gateway.shards().every((shard) => shard.replicas.length === 3 && isWhole(shard)));
  for (const id of counters) expect(await left[1]!.actor(Counter, id).add(1)).toBe(2);
  expect(gateway.shards().flatMap(({ shard, lossAcceptedAt }) => (lossAcceptedAt ? [shard] : []))).toEqual(waiting);
});

test('every copy of a shard is lost: its actors begin anew, and no others do', { timeout: 120_000 }, async () => {
  const all = await cluster(['a', 'b', 'c', 'd', 'e'], 2);
  const victims = storesOf(all[0]!, 0);
  const left = all.filter(({ name }) => !victims.includes(name));
  const { gateway } = left[0]!;
  await lose(...victims);
  await until(() => gateway.cluster().members.filter(({ status }) => status === 'down').length === 2);
  const accepted = await gateway.acceptLoss({ lost: victims });
  expect(accepted).toMatchObject({ removed: expect.arrayContaining([...victims]), controlLog: false });
  expect(accepted.shards).toContain(0);
  await until(() => gateway.shards().every((shard) => shard.replicas.length === 2 && isWhole(shard)));
  const shardOf = (id: string) => inside(left[0]!).host.shardOf(actorHash('Counter', id));
  for (const id of counters)
    expect(await left[0]!.actor(Counter, id).add(1)).toBe(accepted.shards.includes(shardOf(id)) ? 1 : 2);
});
