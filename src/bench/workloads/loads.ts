/** The loads and calls that the workloads share, so that figures of different benchmarks compare. */
import type { ChangingCluster, ClusterOptions, ClusterUnderTest } from '../cluster-under-test.ts';
import type { KeyChoice } from '../load/keys.ts';
import type { LoadResult } from '../load/load-result.ts';
import type { Call, Load, Workload } from '../load/workload.ts';
import type { BenchContext } from '../measure.ts';

export const actorCount = 10_000;
export const inFlights = [1, 16, 64, 256, 1_024, 4_096] as const;

export const ask: Call = { actorType: 'Tally', command: 'add', input: 1 };
export const persisted: Call = { actorType: 'Counter', command: 'add', input: 1 };
export const query: Call = { actorType: 'Counter', command: 'get' };

export const uniform: KeyChoice = { count: actorCount, distribution: 'uniform' };
export const zipf: KeyChoice = { count: actorCount, distribution: 'zipf', exponent: 0.99 };

const actorsLeast = 500;
const durationMs = 1_500;
const warmUpMs = 300;
/** Shorter is all warm-up. */
const leastMs = 20;

export function scaled(ms: number, scale: number): number {
  return Math.max(leastMs, Math.round(ms * scale));
}

/** Keeps as many open, for the usual time. */
export function closed(inFlight: number, { scale }: BenchContext, timedEvery = 1): Load {
  const times = { warmUpMs: scaled(warmUpMs, scale), durationMs: scaled(durationMs, scale) };
  return { type: 'closed', inFlight, timedEvery, ...times };
}

export function asking(calls: readonly Call[], keys: KeyChoice, load: Load, idPrefix = 'c'): Workload {
  return { calls, how: 'ask', idPrefix, keys, load };
}

/** Calls every actor, so that a load that follows finds all of them awake (and their refs made). */
export function touchAll(call: Call, count = actorCount, idPrefix = 'c'): Workload {
  return asking([call], { count, distribution: 'uniform' }, { type: 'each', inFlight: 1_024 }, idPrefix);
}

/** @throws Error with the first error of a load: a benchmark of errors would mean nothing */
export function withoutErrors(result: LoadResult): LoadResult {
  if (result.errors > 0) throw new Error(`${result.errors} operations failed, the first with: ${result.firstError}`);
  return result;
}

/** As many actors as a load on a cluster is spread over: fewer for a quick look. */
export function scaledActors({ scale }: BenchContext): number {
  return Math.max(actorsLeast, Math.round(actorCount * Math.min(1, scale)));
}

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** Starts the cluster that is measured in a new directory, and stops it afterwards. */
export async function withCluster<T>(
  context: BenchContext,
  use: (cluster: ClusterUnderTest) => Promise<T>,
  options: Partial<ClusterOptions> = {},
): Promise<T> {
  const directory = options.directory ?? (await context.directory());
  return closedAfter(await context.startCluster({ ...sizeOf(context), ...options, directory }), use);
}

/** The same, of node processes that can be killed, started again, and become more. */
export async function withChangingCluster<T>(
  context: BenchContext,
  use: (cluster: ChangingCluster) => Promise<T>,
): Promise<T> {
  const options = { directory: await context.directory(), ...sizeOf(context) };
  return closedAfter(await context.startChanging(options, (what) => context.progress(what)), use);
}

function sizeOf({ nodes, replicas, shards }: BenchContext): Pick<ClusterOptions, 'nodes' | 'replicas' | 'shards'> {
  return { nodes, replicas, ...(shards === undefined ? {} : { shards }) };
}

async function closedAfter<Cluster extends ClusterUnderTest, T>(
  cluster: Cluster,
  use: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  try {
    return await use(cluster);
  } finally {
    await cluster.close();
  }
}

/** Of all nodes together; undefined if one of them cannot be seen from here. */
export async function totalUsage(
  cluster: ClusterUnderTest,
  what: 'heapBytes' | 'writtenBytes',
): Promise<number | undefined> {
  let sum = 0;
  for (const node of cluster.nodes) {
    const bytes = (await node.usage())[what];
    if (bytes === undefined) return undefined;
    sum += bytes;
  }
  return sum;
}
