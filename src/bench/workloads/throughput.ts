/** How many commands a second, by what they do and by how many are in flight. */
import type { ClusterUnderTest } from '../cluster-under-test.ts';
import type { LimitName } from '../limits/limit.ts';
import type { KeyChoice } from '../load/keys.ts';
import { perSecond } from '../load/load-result.ts';
import type { Call, Workload } from '../load/workload.ts';
import type { BenchContext, Benchmark, Figure, NamedLatencies } from '../measure.ts';
import {
  ask,
  asking,
  closed,
  count,
  inFlights,
  persisted,
  query,
  touchAll,
  uniform,
  withCluster,
  withoutErrors,
  zipf,
} from './loads.ts';

/** Fewer would measure the ask that comes behind them. */
const tellsMin = 64;
const distributions: readonly (readonly [string, KeyChoice])[] = [
  ['uniform', uniform],
  ['Zipf', zipf],
];

interface Operation {
  readonly name: string;
  readonly how: Workload['how'];
  readonly calls: readonly Call[];
  /** Absent where only a part of the operations meets it. */
  readonly limit?: LimitName;
  /** See ClosedLoop. */
  readonly timedEvery: number;
}

const operations: readonly Operation[] = [
  { name: 'tell', how: 'tell', calls: [ask], limit: 'promiseCall', timedEvery: 1 },
  { name: 'ask', how: 'ask', calls: [ask], limit: 'promiseCall', timedEvery: 16 },
  { name: 'persisted', how: 'ask', calls: [persisted], limit: 'leveldbBatch256', timedEvery: 1 },
  { name: 'query', how: 'ask', calls: [query], limit: 'promiseCall', timedEvery: 16 },
  {
    name: 'mixed 80/20',
    how: 'ask',
    calls: [
      { ...query, share: 80 },
      { ...persisted, share: 20 },
    ],
    timedEvery: 4,
  },
];

export const throughput: Benchmark = {
  name: 'throughput',
  about:
    'commands a second on 10,000 actors through the public API: tell and ask (in memory), persisted (one event of 100 B, answered after fsync), query, and 80 % queries with 20 % persisted',
  isDurable: true,
  run: (context) =>
    withCluster(context, async (cluster) => {
      await prepare(cluster);
      const figures: Figure[] = [];
      const latencies: NamedLatencies[] = [];
      for (const [keysName, keys] of distributions) {
        for (const operation of operations) {
          for (const inFlight of inFlights) {
            if (operation.how === 'tell' && inFlight < tellsMin) continue;
            const name = `${operation.name}, ${keysName}, ${count(inFlight)} in flight`;
            context.progress(name);
            const result = withoutErrors(await cluster.run(workloadOf(operation, keys, inFlight, context), 'api'));
            const limit = limitOf(operation, inFlight);
            const point = { plot: `throughput, ${keysName} keys`, series: operation.name, x: inFlight };
            figures.push({ name, unit: '/s', value: perSecond(result), point, ...(limit ? { limit } : {}) });
            if (operation.name === 'persisted' && keys === uniform)
              latencies.push({ name, latency: result.latency.toJSON() });
          }
        }
      }
      return { figures, latencies };
    }),
};

export const sizes: Benchmark = {
  name: 'sizes',
  about: 'persisted commands with an event of 16 B, 1 KB and 16 KB, and commands to one actor only; 256 in flight',
  isDurable: true,
  run: (context) =>
    withCluster(context, async (cluster) => {
      await prepare(cluster);
      const figures: Figure[] = [];
      for (const [name, bytes] of [
        ['16 B', 16],
        ['1 KB', 1_024],
        ['16 KB', 16_384],
      ] as const) {
        context.progress(name);
        const put: Call = { actorType: 'Box', command: 'put', input: incompressible(bytes) };
        const result = withoutErrors(await cluster.run(asking([put], uniform, closed(256, context)), 'api'));
        const rate = perSecond(result);
        figures.push({ name: `persisted, an event of ${name}`, unit: '/s', value: rate, limit: 'leveldbBatch256' });
        figures.push({ name: `… of ${name}, bytes of events`, unit: 'MB/s', value: (rate * bytes) / 1e6 });
      }
      const one: KeyChoice = { count: 1, distribution: 'uniform' };
      for (const [name, call, limit] of [
        ['ask', ask, 'promiseCall'],
        ['persisted', persisted, 'leveldbBatch256'],
      ] as const) {
        context.progress(`one actor, ${name}`);
        const result = withoutErrors(await cluster.run(asking([call], one, closed(256, context, 4)), 'api'));
        figures.push({ name: `${name}, all to one actor`, unit: '/s', value: perSecond(result), limit });
      }
      return { figures };
    }),
};

export const overHttp: Benchmark = {
  name: 'http',
  about:
    'persisted commands and queries over HTTP, on keep-alive connections with one request at a time, the load generator in a process of its own',
  isDurable: true,
  run: (context) =>
    withCluster(context, async (cluster) => {
      await prepare(cluster);
      const figures: Figure[] = [];
      for (const [name, call] of [
        ['persisted', persisted],
        ['query', query],
      ] as const) {
        for (const connections of [1, 64, 256]) {
          const title = `${name} over HTTP, ${connections} connection${connections === 1 ? '' : 's'}`;
          context.progress(title);
          const workload = asking([call], uniform, closed(connections, context));
          const result = withoutErrors(await cluster.run(workload, 'http'));
          const limit = connections === 256 ? 'httpEcho256' : 'httpEcho64';
          const point = { plot: 'throughput over HTTP', series: name, x: connections };
          const rate = { name: title, unit: '/s', value: perSecond(result), point };
          figures.push(connections === 1 ? rate : { ...rate, limit });
          const { p50Ms, p99Ms } = result.latency.summary();
          figures.push({ name: `… ${title}, p50`, unit: 'ms', value: p50Ms });
          figures.push({ name: `… ${title}, p99`, unit: 'ms', value: p99Ms });
        }
      }
      return { figures };
    }),
};

/** One at a time is bound by the fsync; more in flight make larger batches, which have a limit of their own. */
function limitOf({ limit }: Operation, inFlight: number): LimitName | undefined {
  if (limit !== 'leveldbBatch256' || inFlight === 256) return limit;
  if (inFlight === 1) return 'fdatasync';
  return inFlight > 256 ? 'leveldbBatch4096' : limit;
}

function workloadOf(operation: Operation, keys: KeyChoice, inFlight: number, context: BenchContext): Workload {
  const { how, calls, timedEvery } = operation;
  return { ...asking(calls, keys, closed(inFlight, context, timedEvery)), how };
}

async function prepare(cluster: ClusterUnderTest): Promise<void> {
  for (const call of [ask, persisted]) withoutErrors(await cluster.run(touchAll(call), 'api'));
}

/** Digits that differ, so that compression has as little to do as with real values. */
function incompressible(bytes: number): string {
  let text = '';
  for (let n = 1; text.length < bytes; n++) text += Math.imul(n, 0x9e3779b1).toString(36);
  return text.slice(0, bytes);
}
