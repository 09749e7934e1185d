/** Runs benchmarks one after the other, in one run so that they compare, with the limits before and after. */
import { childCluster } from './child-cluster.ts';
import type { StartChangingCluster } from './cluster-under-test.ts';
import { inProcessCluster } from './in-process-cluster.ts';
import { type LimitName, Limits } from './limits/limit.ts';
import { measureLimits } from './limits/measure-limits.ts';
import { describeMachine, sourceRevision } from './machine.ts';
import { type Benchmark, repeat, type SummedUp } from './measure.ts';
import { type BenchReport, type BenchResult, reportSchema } from './report/report.ts';
import { clusterLimits, clusterThroughput } from './workloads/cluster-throughput.ts';
import { failover } from './workloads/failover.ts';
import { footprint } from './workloads/footprint.ts';
import { growthOfActors } from './workloads/growth/of-actors.ts';
import { growthOfNodes } from './workloads/growth/of-nodes.ts';
import { growthOfShards } from './workloads/growth/of-shards.ts';
import { latency } from './workloads/latency.ts';
import { rebalance } from './workloads/rebalance.ts';
import { rehydrate, workingSet } from './workloads/rehydrate.ts';
import { overHttp, sizes, throughput } from './workloads/throughput.ts';

const growth = [growthOfActors, growthOfShards, growthOfNodes];

/** What `greenroom bench <name>` stands for. The limits are measured with each. */
export const benchGroups: Readonly<Record<string, readonly Benchmark[]>> = {
  throughput: [throughput, sizes, overHttp],
  latency: [latency],
  rehydrate: [rehydrate, workingSet],
  footprint: [footprint],
  growth,
  limits: [],
  all: [throughput, sizes, overHttp, latency, rehydrate, workingSet, footprint, ...growth],
};

/** The same for clusters of node processes. */
export const clusterGroups: Readonly<Record<string, readonly Benchmark[]>> = {
  throughput: [clusterThroughput],
  rebalance: [rebalance],
  failover: [failover],
};

/** What their figures are shares of, or bound by; the others would only take time. */
export const clusterGroupLimits: Readonly<Record<string, readonly LimitName[]>> = {
  throughput: clusterLimits,
  rebalance: ['fdatasync', 'leveldbBatch256'],
  failover: ['fdatasync', 'leveldbBatch256'],
};

export interface BenchRun {
  readonly benchmarks: readonly Benchmark[];
  readonly repeats: number;
  /** 1 for full sizes and durations. */
  readonly scale: number;
  /** The most actors that a benchmark of growth makes, at full scale; default a million. */
  readonly growthMax?: number;
  /** Default 1. */
  readonly nodes?: number;
  /** Default 1. */
  readonly replicas?: number;
  /** Default 256. */
  readonly shards?: number;
  /** Calls a second where the load is at a fixed rate. Default 1,000. */
  readonly rate?: number;
  /** How often `failover` kills a node. Default 5. */
  readonly rounds?: number;
  /** Limits to measure; default all. */
  readonly limits?: readonly LimitName[];
  /** Where data directories are made; default: the system's temporary directory. */
  readonly directory?: string | undefined;
  readonly version: string;
  readonly onProgress: (message: string) => void;
}

const limitDurationMs = 500;
/** Shorter, and processes that have just started are still warming up. */
const limitDurationMinMs = 60;

export async function runBenchmarks(run: BenchRun): Promise<BenchReport> {
  const { scale, repeats, directory: parent, onProgress, nodes = 1, replicas = 1 } = run;
  const { growthMax = 1_000_000, rate = 1_000, rounds = 5, shards } = run;
  const at = new Date().toISOString();
  onProgress('fsync');
  const machine = await describeMachine(parent);
  const revision = await sourceRevision();
  const limits = new Limits();
  const sampleLimits = () =>
    measureLimits(limits, {
      parent,
      durationMs: Math.max(limitDurationMinMs, limitDurationMs * scale),
      ...(run.limits === undefined ? {} : { only: run.limits }),
      onProgress,
    });
  const startChanging: StartChangingCluster = (options, onWait) => childCluster(options, 'driven', onWait);
  await sampleLimits();
  const summed: (SummedUp & Pick<Benchmark, 'name' | 'about'>)[] = [];
  for (const benchmark of run.benchmarks) {
    const cluster = { nodes, replicas, shards, startCluster: inProcessCluster, startChanging };
    const context = { scale, growthMax, rate, rounds, ...cluster, progress: onProgress };
    const { name, about } = benchmark;
    summed.push({ name, about, ...(await repeat(benchmark, repeats, context, parent)) });
  }
  await sampleLimits();
  const results = summed.map((one) => resultOf(one, limits));
  return {
    schema: reportSchema,
    greenroom: run.version,
    ...(revision === undefined ? {} : { revision }),
    at,
    scale,
    nodes,
    replicas,
    machine,
    limits: limits.all(),
    results,
  };
}

function resultOf(summed: SummedUp & Pick<Benchmark, 'name' | 'about'>, limits: Limits): BenchResult {
  const figures = summed.figures.map((figure) => {
    const shareOfLimit = figure.limit === undefined ? undefined : limits.shareOf(figure.limit, figure.median);
    return shareOfLimit === undefined ? figure : { ...figure, shareOfLimit };
  });
  return {
    benchmark: summed.name,
    about: summed.about,
    figures,
    timelines: summed.timelines,
    latencies: summed.latencies,
  };
}
