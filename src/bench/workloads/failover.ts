/**
 * Three nodes under a fixed load; one of them is killed, and later comes back, round after round. Each round kills
 * another one, so that owners with and without the leadership of the control log die.
 */
import { notServed } from '../../cli/cluster-view.ts';
import { type MapMoment, type MapWatch, nowMs } from '../cluster-map.ts';
import type { ChangingCluster } from '../cluster-under-test.ts';
import type { Observations, Window } from '../load/observations.ts';
import type { BenchContext, Benchmark, Figure, NamedTimeline, TimelineMark } from '../measure.ts';
import { scaled, withChangingCluster } from './loads.ts';
import { failedFigures, fill, observeCluster, pauseFigures, settledWithinMs, spreadOf } from './observed-cluster.ts';

const nodes = 3;
const quietMs = 3_000;
/** After the kill, the load goes on for so long at least. */
const afterKillMs = 6_000;
/** However short the run is: a failover takes as long as it takes. */
const afterKillLeastMs = 2_500;
const lookEveryMs = 25;

interface Round {
  readonly victim: string;
  readonly wasLeader: boolean;
  readonly killedMs: number;
  readonly affected: readonly number[];
  /** Until a surviving node said that the killed one is not there, or gave its shards to another. */
  readonly detectedMs: number | undefined;
  /** Until the map said that all shards are served. */
  readonly servedMs: number | undefined;
  /** Until the first call that was due after the kill had ended well, of the shards that were called while not all were served. */
  readonly firstSuccessMs: readonly number[];
  readonly neverServed: number;
  /** Per affected shard, the longest wait of a caller. */
  readonly pausesMs: readonly number[];
  /** The longest wait of any caller while the killed node came back. */
  readonly returnPauseMs: number;
  readonly figures: readonly Figure[];
  readonly timeline: NamedTimeline;
}

export const failover: Benchmark = {
  name: 'failover',
  about:
    'persisted commands at a fixed rate on uniform keys (open loop: latency counts from when a call was due), callers inside the nodes that live; kill -9 of a node that owns shards, which comes back before the next round. Pauses are per shard of the killed node, over all rounds',
  isDurable: true,
  run: (context) =>
    withChangingCluster({ ...context, nodes }, async (cluster) => {
      await fill(cluster, context, 1);
      const names = cluster.nodes.map(({ name }) => name);
      const rounds: Round[] = [];
      for (let number = 1; number <= context.rounds; number++) {
        rounds.push(await round(context, cluster, names[(number - 1) % names.length]!, number));
      }
      return { figures: summed(rounds, context), timelines: rounds.map(({ timeline }) => timeline) };
    }),
};

async function round(context: BenchContext, cluster: ChangingCluster, victim: string, number: number): Promise<Round> {
  const name = `round ${number}`;
  context.progress(`${name}, kill -9 of ${victim}`);
  const staying = cluster.nodes.filter((node) => node.name !== victim);
  const run = await observeCluster(cluster, context, staying, lookEveryMs);
  try {
    const beganMs = nowMs();
    const before = await run.quietly(scaled(quietMs, context.scale));
    const { view } = run.watch.last!;
    const affected = view.shards.filter(({ owner }) => owner === victim).map(({ shard }) => shard);
    const killedMs = nowMs();
    await cluster.nodes.find((node) => node.name === victim)!.kill!();
    await run.quietly(Math.max(scaled(afterKillMs, context.scale), afterKillLeastMs));
    const returningMs = nowMs();
    context.progress(`${name}, ${victim} comes back`);
    await cluster.restart(victim);
    const settledMs = await run.watch.settled(nodes, settledWithinMs, (what) => context.progress(`${name}, ${what}`));
    const seen = await run.end();
    const marks: TimelineMark[] = [
      { atMs: killedMs - beganMs, label: `kill -9 of ${victim}` },
      { atMs: returningMs - beganMs, label: `${victim} is started again` },
      { atMs: settledMs - beganMs, label: 'balanced' },
    ];
    const failing = { fromMs: killedMs, toMs: returningMs };
    const isAffected = new Set(affected);
    const unaffected = seen.within(failing, (shard) => !isAffected.has(shard));
    const firsts = affected.map((shard) => seen.firstSuccessMs(shard, killedMs));
    const servedMs = sinceKill(
      run.watch,
      killedMs,
      (moment) => isGone(moment, victim, isAffected) && notServed(moment.view).length === 0,
    );
    // The others had no caller until all was well again: when they could have answered, nobody knows.
    const outage = { fromMs: killedMs, toMs: killedMs + (servedMs ?? returningMs - killedMs) };
    const wasCalled = affected.map((its) => seen.within(outage, (shard) => shard === its).calls > 0);
    return {
      victim,
      wasLeader: view.cluster.leader === victim,
      killedMs,
      affected,
      detectedMs: sinceKill(run.watch, killedMs, (moment) => isGone(moment, victim, isAffected)),
      servedMs,
      firstSuccessMs: firsts.flatMap((first, index) =>
        first === undefined || !wasCalled[index] ? [] : [first - killedMs],
      ),
      neverServed: firsts.filter((first) => first === undefined).length,
      pausesMs: affected.map((shard) => seen.longestWaitMs(shard, failing)),
      returnPauseMs: seen.within({ fromMs: returningMs, toMs: settledMs }).latency.percentileMs(1),
      figures: [
        ...roundFigures(name, seen, before, failing),
        { name: `${name}: other shards, p99 after the kill`, unit: 'ms', value: unaffected.latency.percentileMs(0.99) },
        { name: `${name}: balanced after its return`, unit: 's', value: (settledMs - returningMs) / 1e3 },
        ...failedFigures(name, seen, { fromMs: beganMs, toMs: nowMs() }),
      ],
      timeline: { name, points: seen.timeline({ fromMs: beganMs, toMs: settledMs }), marks },
    };
  } finally {
    await run.abandon();
  }
}

function roundFigures(name: string, seen: Observations, before: Window, failing: Window): Figure[] {
  return [
    { name: `${name}: done before`, unit: '/s', value: seen.donePerSecond(before) },
    { name: `${name}: p99 before`, unit: 'ms', value: seen.within(before).latency.percentileMs(0.99) },
    { name: `${name}: done after the kill`, unit: '/s', value: seen.donePerSecond(failing) },
  ];
}

/** Its status says so, it is out of reach, or none of its shards is its own any more. */
function isGone({ view }: MapMoment, victim: string, affected: ReadonlySet<number>): boolean {
  const member = view.cluster.members.find(({ node }) => node === victim);
  if (member === undefined || member.status !== 'up' || member.reachable === false) return true;
  return view.shards.some(({ shard, owner }) => affected.has(shard) && owner !== victim);
}

function sinceKill(watch: MapWatch, killedMs: number, is: (moment: MapMoment) => boolean): number | undefined {
  const first = watch.moments.find((moment) => moment.atMs > killedMs && is(moment));
  return first && first.atMs - killedMs;
}

function summed(rounds: readonly Round[], context: BenchContext): Figure[] {
  const detected = rounds.flatMap(({ detectedMs }) => detectedMs ?? []);
  const served = rounds.flatMap(({ servedMs }) => servedMs ?? []);
  const longest = rounds.map(({ pausesMs }) => Math.max(0, ...pausesMs));
  const { p50Ms, p99Ms } = spreadOf(longest);
  return [
    { name: 'calls due', unit: '/s', value: context.rate },
    { name: 'rounds', unit: '', value: rounds.length },
    { name: 'rounds that killed the leader', unit: '', value: rounds.filter(({ wasLeader }) => wasLeader).length },
    { name: 'shards that lost their owner', unit: '', value: rounds.reduce((sum, r) => sum + r.affected.length, 0) },
    ...pauseFigures('detection (seen over HTTP)', detected),
    ...pauseFigures('all shards served, by the map', served),
    {
      name: 'shards called meanwhile',
      unit: '',
      value: rounds.reduce((sum, { firstSuccessMs }) => sum + firstSuccessMs.length, 0),
    },
    ...pauseFigures(
      'first success of a shard called meanwhile',
      rounds.flatMap(({ firstSuccessMs }) => firstSuccessMs),
    ),
    ...pauseFigures(
      'longest wait at a shard',
      rounds.flatMap(({ pausesMs }) => pausesMs),
    ),
    { name: 'longest pause of a round, p50 of rounds', unit: 'ms', value: p50Ms },
    { name: 'longest pause of a round, p99 of rounds', unit: 'ms', value: p99Ms },
    ...pauseFigures(
      'longest wait of a round while the node comes back',
      rounds.map(({ returnPauseMs }) => returnPauseMs),
    ),
    { name: 'shards never served again', unit: '', value: rounds.reduce((sum, r) => sum + r.neverServed, 0) },
    ...rounds.flatMap(({ figures }) => figures),
  ];
}
