/** Persisted commands and linearizable queries on a cluster of node processes, with callers in all of them. */

import type { LimitName } from '../limits/limit.ts';
import { perSecond } from '../load/load-result.ts';
import type { Call, Load } from '../load/workload.ts';
import type { BenchContext, Benchmark, Figure, NamedLatencies } from '../measure.ts';
import {
  asking,
  count,
  persisted,
  query,
  scaled,
  scaledActors,
  touchAll,
  withChangingCluster,
  withoutErrors,
} from './loads.ts';

interface Row {
  readonly name: string;
  readonly call: Call;
  readonly inFlight: number;
  readonly through: 'api' | 'http';
  readonly limit: LimitName;
}

const rows: readonly Row[] = [
  { name: 'persisted', call: persisted, inFlight: 1, through: 'api', limit: 'fdatasync' },
  { name: 'persisted', call: persisted, inFlight: 256, through: 'api', limit: 'leveldbBatch256' },
  { name: 'persisted', call: persisted, inFlight: 4_096, through: 'api', limit: 'leveldbBatch4096' },
  { name: 'query', call: query, inFlight: 256, through: 'api', limit: 'websocketBatch' },
  { name: 'persisted over HTTP', call: persisted, inFlight: 256, through: 'http', limit: 'httpEcho256' },
];

/** With 4,096 in flight an answer may take a second: what is measured has to be much longer. */
const warmUpMs = 1_500;
const durationMs = 4_000;
const leastMs = 300;
const leastOfManyMs = 1_200;

function closed(inFlight: number, { scale }: BenchContext): Load {
  const least = inFlight > 1_000 ? leastOfManyMs : leastMs;
  const atLeast = (ms: number) => Math.max(least, scaled(ms, scale));
  return { type: 'closed', inFlight, warmUpMs: atLeast(warmUpMs), durationMs: atLeast(durationMs) };
}

/** The limits that the figures are shares of. */
export const clusterLimits: readonly LimitName[] = [...new Set(rows.map(({ limit }) => limit))];

export const clusterThroughput: Benchmark = {
  name: 'cluster throughput',
  about:
    'commands a second on 10,000 actors of a cluster of node processes: persisted (one event of 100 B, answered when most copies have it after fsync) and linearizable queries; callers inside every node, uniform keys, the figures of all nodes added up',
  isDurable: true,
  run: (context) =>
    withChangingCluster(context, async (cluster) => {
      context.progress('filling');
      const keys = { count: scaledActors(context), distribution: 'uniform' } as const;
      withoutErrors(await cluster.run(touchAll(persisted, keys.count), 'api'));
      const figures: Figure[] = [];
      const latencies: NamedLatencies[] = [];
      for (const { name, call, inFlight, through, limit } of rows) {
        const title = `${name}, ${count(inFlight)} in flight`;
        context.progress(title);
        const result = withoutErrors(await cluster.run(asking([call], keys, closed(inFlight, context)), through));
        const { p50Ms, p99Ms } = result.latency.summary();
        const point = { plot: `throughput of a cluster of ${context.nodes}`, series: name, x: inFlight };
        figures.push({ name: title, unit: '/s', value: perSecond(result), limit, point });
        figures.push({ name: `… ${title}, p50`, unit: 'ms', value: p50Ms });
        figures.push({ name: `… ${title}, p99`, unit: 'ms', value: p99Ms });
        latencies.push({ name: title, latency: result.latency.toJSON() });
      }
      return { figures, latencies };
    }),
};
