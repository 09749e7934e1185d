/**
 * A guard against slips: a short run whose rates must be a share of the limits measured in the same run. Bounds are
 * generous (usual shares are four and more times as high), because machines are noisy; what they catch is a tenfold slip.
 *
 *     npm run bench:guard
 *
 * Ends within a minute. Exit code 1 if a bound is missed twice in a row: the second look is for machines that paused.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inProcessCluster } from '../src/bench/in-process-cluster.ts';
import { type LimitName, Limits } from '../src/bench/limits/limit.ts';
import { measureLimits } from '../src/bench/limits/measure-limits.ts';
import { type LoadResult, perSecond } from '../src/bench/load/load-result.ts';
import type { Workload } from '../src/bench/load/workload.ts';
import { formatNumber, formatShare } from '../src/bench/report/text-report.ts';
import { ask, asking, persisted, query, touchAll, uniform, withoutErrors } from '../src/bench/workloads/loads.ts';

interface Bound {
  readonly what: string;
  readonly workload: Workload;
  readonly through: 'api' | 'http';
  readonly limit: LimitName;
  /** The least share of the limit. */
  readonly least: number;
}

const load = { type: 'closed', inFlight: 256, warmUpMs: 300, durationMs: 1_000, timedEvery: 4 } as const;
const sleepers = { count: 2_000, distribution: 'uniform' } as const;
const limitDurationMs = 400;

const bounds: readonly Bound[] = [
  {
    what: 'persisted, 256 in flight',
    workload: asking([persisted], uniform, load),
    through: 'api',
    limit: 'leveldbBatch256',
    least: 0.06,
  },
  {
    what: 'persisted, 1 in flight',
    workload: asking([persisted], uniform, { ...load, inFlight: 1 }),
    through: 'api',
    limit: 'fdatasync',
    least: 0.05,
  },
  {
    what: 'ask, 256 in flight',
    workload: asking([ask], uniform, load),
    through: 'api',
    limit: 'promiseCall',
    least: 0.05,
  },
  {
    what: 'query, 256 in flight',
    workload: asking([query], uniform, load),
    through: 'api',
    limit: 'promiseCall',
    least: 0.025,
  },
  {
    what: 'persisted over HTTP, 256 connections',
    workload: asking([persisted], uniform, load),
    through: 'http',
    limit: 'httpEcho256',
    least: 0.1,
  },
  {
    what: 'wake of an actor with one event',
    workload: asking([query], sleepers, { type: 'each', inFlight: 256 }, 's'),
    through: 'api',
    limit: 'pointRead',
    least: 0.01,
  },
];

/** @returns what missed its bound */
async function look(directory: string, only: readonly Bound[]): Promise<readonly Bound[]> {
  const limits = new Limits();
  const needed = [...new Set(only.map(({ limit }) => limit))];
  const sampleLimits = () =>
    measureLimits(limits, { parent: undefined, durationMs: limitDurationMs, only: needed, onProgress() {} });
  await sampleLimits();
  // Filled and restarted first, so that the ones that are to be woken sleep.
  const options = { directory, nodes: 1, replicas: 1 };
  const filling = await inProcessCluster(options);
  withoutErrors(await filling.run(touchAll(persisted, sleepers.count, 's'), 'api'));
  await filling.close();
  const cluster = await inProcessCluster(options);
  const rates = new Map<Bound, number>();
  try {
    for (const call of [ask, persisted]) withoutErrors(await cluster.run(touchAll(call), 'api'));
    for (const bound of only) {
      const result: LoadResult = withoutErrors(await cluster.run(bound.workload, bound.through));
      rates.set(bound, perSecond(result));
    }
  } finally {
    await cluster.close();
  }
  // Once more: the disk of a shared machine may be another one a few seconds later.
  await sampleLimits();
  const missed: Bound[] = [];
  for (const [bound, rate] of rates) {
    const share = limits.shareOf(bound.limit, rate);
    if (share === undefined) throw new Error(`${bound.limit} was not measured`);
    const isFine = share >= bound.least;
    if (!isFine) missed.push(bound);
    console.log(
      `${isFine ? 'fine  ' : 'MISSED'}  ${bound.what.padEnd(38)} ${formatNumber(rate).padStart(9)}/s  ${formatShare(share).padStart(6)} of ${bound.limit}, at least ${formatShare(bound.least)}`,
    );
  }
  return missed;
}

const directory = await mkdtemp(join(tmpdir(), 'greenroom-guard-'));
try {
  let missed = await look(join(directory, 'first'), bounds);
  if (missed.length > 0) {
    console.log('looking again at what was missed');
    missed = await look(join(directory, 'second'), missed);
  }
  if (missed.length > 0) process.exitCode = 1;
  console.log(missed.length === 0 ? 'bench guard: passed' : `bench guard: ${missed.length} missed`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
