/**
 * Three nodes under a fixed load; a fourth joins, the shards find their places, and it is drained again: how long that
 * takes, how much moves, and what callers notice.
 */
import { type ClusterView, isThere } from '../../cli/cluster-view.ts';
import { NodeApi } from '../../cli/node-api.ts';
import { copiesMade, type MapMoment, nowMs, ownerMoves } from '../cluster-map.ts';
import { type ChangingCluster, type NodeUnderTest, urlOf } from '../cluster-under-test.ts';
import type { Observations, Window } from '../load/observations.ts';
import type { BenchContext, Benchmark, Figure, TimelineMark } from '../measure.ts';
import { scaled, withChangingCluster } from './loads.ts';
import { failedFigures, fill, observeCluster, pauseFigures, settledWithinMs } from './observed-cluster.ts';

const quietMs = 10_000;
const eventsPerActor = 5;
const lookEveryMs = 100;
/** Around the looks between which a shard moved: its callers may have waited since a little before. */
const aroundMoveMs = 300;

interface Phase {
  readonly name: string;
  readonly window: Window;
  readonly moments: readonly MapMoment[];
  /** Over the cluster links of all nodes, from when it was begun until it was over, which is longer than its window. */
  readonly receivedBytes: number;
  readonly wholeMs: number;
}

export const rebalance: Benchmark = {
  name: 'rebalance',
  about:
    'persisted commands at a fixed rate on uniform keys (open loop: latency counts from when a call was due), callers inside the three nodes that stay; a fourth node joins, and is drained again. A pause is the longest that a caller of a shard waited around its move',
  isDurable: true,
  run: (context) =>
    withChangingCluster({ ...context, nodes: 3 }, async (cluster) => {
      await fill(cluster, context, eventsPerActor);
      return measure(context, cluster, await storedBytes(cluster.nodes[0]!));
    }),
};

async function measure(context: BenchContext, cluster: ChangingCluster, storedByOneNode: number) {
  const staying = [...cluster.nodes];
  const run = await observeCluster(cluster, context, staying, lookEveryMs);
  const marks: TimelineMark[] = [];
  const beganMs = nowMs();
  const mark = (label: string, atMs = nowMs()) => marks.push({ atMs: atMs - beganMs, label });
  try {
    const phases: Phase[] = [];
    const quiet = scaled(quietMs, context.scale);
    const phase = async (name: string, act: () => Promise<Window>) => {
      const first = Math.max(0, run.watch.moments.length - 1);
      const before = await received(cluster);
      const fromMs = nowMs();
      const window = await act();
      const receivedBytes = (await received(cluster)) - before;
      const wholeMs = nowMs() - fromMs;
      phases.push({ name, window, moments: run.watch.moments.slice(first), receivedBytes, wholeMs });
    };
    context.progress('three nodes');
    await run.quietly(scaled(1_000, context.scale));
    await phase('3 nodes', () => run.quietly(quiet));
    const began = nowMs();
    let newcomer: NodeUnderTest | undefined;
    await phase('3 → 4', async () => {
      context.progress('3 → 4, the fourth node starts');
      newcomer = await cluster.add();
      mark(`${newcomer.name} serves`);
      const toMs = await run.watch.settled(4, settledWithinMs, (what) => context.progress(`3 → 4, ${what}`));
      const joined = run.watch.moments.find(({ view }) => memberNamed(view, newcomer!.name));
      mark('balanced', toMs);
      return { fromMs: joined?.askedMs ?? began, toMs };
    });
    const { name } = newcomer!;
    context.progress('four nodes');
    await phase('4 nodes', () => run.quietly(quiet));
    await phase('4 → 3', async () => {
      mark(`drain ${name}`);
      const fromMs = nowMs();
      const api = new NodeApi(urlOf(staying[0]!), undefined);
      await api.change('POST', `/v1/cluster/members/${name}/drain`);
      const toMs = await run.watch.settled(3, settledWithinMs, (what) => context.progress(`4 → 3, ${what}`));
      mark(`${name} has left`, toMs);
      return { fromMs, toMs };
    });
    await cluster.discard(name);
    context.progress('three nodes again');
    await phase('3 nodes again', () => run.quietly(quiet));
    const whole = { fromMs: beganMs, toMs: nowMs() };
    const seen = await run.end();
    const copies = Math.min(context.replicas, 3);
    const shardCount = run.watch.last!.view.shards.length;
    const held = phases[0]!.moments[0]!.view.shards.filter(({ replicas }) =>
      replicas.includes(staying[0]!.name),
    ).length;
    const bytesPerCopy = storedByOneNode / Math.max(1, held);
    const figures: Figure[] = [
      { name: 'calls due', unit: '/s', value: context.rate },
      { name: 'a shard is called every', unit: 'ms', value: (shardCount * 1_000) / context.rate },
      { name: 'stored per copy of a shard', unit: 'kB', value: bytesPerCopy / 1e3 },
      ...phases.flatMap((one) => quietFigures(one, seen)),
    ];
    for (const [index, wanted] of [
      [1, { owners: shardCount / 4, copies: (shardCount * copies) / 4 }],
      [3, undefined],
    ] as const) {
      const one = phases[index]!;
      const ideal = wanted ?? heldBy(one.moments[0]!.view, name);
      figures.push(...moveFigures(one, phases[index - 1]!, seen, name, ideal, bytesPerCopy));
    }
    figures.push(...failedFigures('whole run', seen, whole));
    return { figures, timelines: [{ name: 'all keys', points: seen.timeline(whole), marks }] };
  } finally {
    await run.abandon();
  }
}

function memberNamed({ cluster }: ClusterView, name: string) {
  return cluster.members.find((member) => member.node === name && isThere(member));
}

function heldBy({ shards }: ClusterView, name: string): { owners: number; copies: number } {
  return {
    owners: shards.filter(({ owner }) => owner === name).length,
    copies: shards.filter(({ replicas }) => replicas.includes(name)).length,
  };
}

function quietFigures({ name, window }: Phase, seen: Observations): Figure[] {
  const { latency } = seen.within(window);
  return [
    { name: `${name}: done, all keys`, unit: '/s', value: seen.donePerSecond(window) },
    { name: `${name}: p50, all keys`, unit: 'ms', value: latency.percentileMs(0.5) },
    { name: `${name}: p99, all keys`, unit: 'ms', value: latency.percentileMs(0.99) },
  ];
}

function moveFigures(
  { name, window, moments, receivedBytes, wholeMs }: Phase,
  before: Phase,
  seen: Observations,
  node: string,
  ideal: { readonly owners: number; readonly copies: number },
  bytesPerCopy: number,
): Figure[] {
  const moves = ownerMoves(moments);
  const moved = new Set(moves.map(({ shard }) => shard));
  const between = moves.filter(({ from, to }) => from !== node && to !== node).length;
  const pauses = moves.map(({ shard, notBeforeMs, notAfterMs }) =>
    seen.longestWaitMs(shard, { fromMs: notBeforeMs - aroundMoveMs, toMs: notAfterMs + aroundMoveMs }),
  );
  const stays = (shard: number) => !moved.has(shard);
  const { latency } = seen.within(window, stays);
  const { latency: calmly } = seen.within(before.window, stays);
  const made = copiesMade(moments);
  const copies = [...made.values()].reduce((sum, count) => sum + count, 0);
  const idealBytes = ideal.copies * bytesPerCopy;
  // The load's own replication and calls, as they were just before.
  const bytes = Math.max(0, receivedBytes - (before.receivedBytes / before.wholeMs) * wholeMs);
  return [
    { name: `${name}: time to balance`, unit: 's', value: (window.toMs - window.fromMs) / 1e3 },
    { name: `${name}: owners moved`, unit: '', value: moves.length },
    { name: `${name}: owners moved, ideal`, unit: '', value: ideal.owners },
    { name: `${name}: owners moved between other nodes`, unit: '', value: between },
    { name: `${name}: copies made`, unit: '', value: copies },
    { name: `${name}: copies made on ${node}`, unit: '', value: made.get(node) ?? 0 },
    { name: `${name}: copies made, ideal`, unit: '', value: ideal.copies },
    { name: `${name}: moved on the wire, beyond the load`, unit: 'MB', value: bytes / 1e6 },
    { name: `${name}: ideal (copies × what is stored)`, unit: 'MB', value: idealBytes / 1e6 },
    ...pauseFigures(`${name}: pause of a moved shard`, pauses),
    { name: `${name}: keys that stay, done (before)`, unit: '/s', value: seen.donePerSecond(before.window, stays) },
    { name: `${name}: keys that stay, done`, unit: '/s', value: seen.donePerSecond(window, stays) },
    { name: `${name}: keys that stay, p99 (before)`, unit: 'ms', value: calmly.percentileMs(0.99) },
    { name: `${name}: keys that stay, p99`, unit: 'ms', value: latency.percentileMs(0.99) },
    { name: `${name}: keys that stay, longest`, unit: 'ms', value: latency.percentileMs(1) },
  ];
}

async function received(cluster: ChangingCluster): Promise<number> {
  const wires = await Promise.all(cluster.nodes.map((node) => node.wire!()));
  return wires.reduce((sum, { received: bytes }) => sum + bytes, 0);
}

/** All that a node keeps, as a backup says it: every record once, not compressed. */
async function storedBytes(node: NodeUnderTest): Promise<number> {
  const response = await fetch(`${urlOf(node)}/v1/cluster/backup`, { method: 'POST' });
  if (!response.ok || !response.body) throw new Error(`the backup was answered ${response.status}`);
  let bytes = 0;
  for await (const piece of response.body) bytes += (piece as Uint8Array).length;
  return bytes;
}
