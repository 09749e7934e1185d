/**
 * Greenroom's own figures beside its peers': one node process, and three node processes with three copies of
 * everything durable, under the same loads. Only what somebody is compared with is measured.
 *
 * On one node the callers are in its process, as a program's own are. On three they are in all three, so that a third
 * of the calls is local (a single one is in the first node). Over HTTP they are in a process of their own.
 *
 * The nodes are those of the built package, as everybody runs them: from sources, translated as they are loaded, a node needs
 * a third more of the processor for the same work.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterUnderTest, Through } from '../../src/bench/cluster-under-test.ts';
import type { Call } from '../../src/bench/load/workload.ts';
import { ask, asking, persisted, touchAll, withoutErrors } from '../../src/bench/workloads/loads.ts';
import type { Measured } from './comparison.ts';
import { keys, loadOf, type OwnFigure, type PeerRate } from './peer.ts';

interface OwnRow {
  readonly figure: OwnFigure;
  readonly name: string;
  readonly call: Call;
  readonly through: Through;
  readonly guarantees: string;
}

interface OwnCluster {
  readonly nodes: number;
  readonly replicas: number;
  readonly rows: readonly OwnRow[];
}

const onOneDisk = 'fsynced on one disk before the answer; exactly-once';
const onTwoOfThree =
  'fsynced by two of three nodes before the answer, whichever two are first (the owner counts as one); exactly-once';

const ownClusters: readonly OwnCluster[] = [
  {
    nodes: 1,
    replicas: 1,
    rows: [
      {
        figure: 'persisted',
        name: 'Greenroom, one node, persisted',
        call: persisted,
        through: 'api',
        guarantees: onOneDisk,
      },
      {
        figure: 'persisted over HTTP',
        name: 'Greenroom, one node, persisted over HTTP',
        call: persisted,
        through: 'http',
        guarantees: onOneDisk,
      },
      { figure: 'ask', name: 'Greenroom, one node, ask', call: ask, through: 'api', guarantees: 'in memory only' },
    ],
  },
  {
    nodes: 3,
    replicas: 3,
    rows: [
      {
        figure: 'three copies',
        name: 'Greenroom, three nodes, three replicas',
        call: persisted,
        through: 'api',
        guarantees: onTwoOfThree,
      },
      {
        figure: 'three copies over HTTP',
        name: 'Greenroom, three nodes, three replicas, over HTTP',
        call: persisted,
        through: 'http',
        guarantees: onTwoOfThree,
      },
      {
        figure: 'ask among three nodes',
        name: 'Greenroom, three nodes, ask (two of three to another node)',
        call: ask,
        through: 'api',
        guarantees: 'in memory only',
      },
    ],
  },
];

export interface OwnOptions {
  /** Made if it is not there; clusters keep their data in it. */
  readonly directory: string;
  readonly figures: ReadonlySet<OwnFigure>;
  readonly inFlights: readonly number[];
  readonly durationMs: number;
  progress(message: string): void;
}

/** One measurement of each figure that is wanted. @throws Error if an operation fails: a rate of errors means nothing */
export async function measureOwn(options: OwnOptions): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  const { childCluster } = await builtChildCluster();
  for (const { nodes, replicas, rows } of ownClusters) {
    const wanted = rows.filter(({ figure }) => options.figures.has(figure));
    if (wanted.length === 0) continue;
    const directory = join(options.directory, `nodes-${nodes}`);
    await mkdir(directory, { recursive: true });
    const cluster = await childCluster({ directory, nodes, replicas }, 'driven');
    try {
      for (const call of new Set(wanted.map((row) => row.call)))
        withoutErrors(await cluster.run(touchAll(call, keys.count), 'api'));
      for (const row of wanted) measured.push(await measureRow(cluster, row, options));
    } finally {
      await cluster.close();
    }
  }
  return measured;
}

async function measureRow(cluster: ClusterUnderTest, row: OwnRow, options: OwnOptions): Promise<Measured> {
  const { figure, name, call, through, guarantees } = row;
  const rates: PeerRate[] = [];
  for (const inFlight of options.inFlights) {
    options.progress(`${name}, ${inFlight} in flight`);
    const load = loadOf(inFlight, options.durationMs);
    const timed = load.type === 'closed' && call === ask ? { ...load, timedEvery: 16 } : load;
    const result = withoutErrors(await cluster.run(asking([call], keys, timed), through));
    const { p50Ms, p99Ms } = result.latency.summary();
    rates.push({ inFlight, perSecond: (result.operations * 1_000) / result.tookMs, p50Ms, p99Ms });
  }
  return { name, figure, version: 'this', guarantees, operation: 'an add to a counter', comparedWith: [], rates };
}

/** @throws Error if the package was not built */
function builtChildCluster(): Promise<typeof import('../../src/bench/child-cluster.ts')> {
  return import(new URL('../../dist/bench/child-cluster.js', import.meta.url).href);
}
