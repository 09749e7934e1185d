/**
 * Peers on the same work, in turn, in one run, beside Greenroom's own figures of the same run: one table with ratios.
 *
 *     npm run bench:peers -- [names…] [--seconds 3] [--scratch <dir>] [--json <file>]
 *
 * Each load lasts `--seconds` and a third of it to warm up. What is installed stays in `--scratch` (default: a folder in the system's
 * temporary directory); nothing is installed into this repository. A peer that fails or takes too long does not stop the others.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ClusterUnderTest } from '../../src/bench/cluster-under-test.ts';
import { inProcessCluster } from '../../src/bench/in-process-cluster.ts';
import { describeMachine } from '../../src/bench/machine.ts';
import { formatNumber, machineName } from '../../src/bench/report/text-report.ts';
import { ask, asking, persisted, touchAll, withoutErrors } from '../../src/bench/workloads/loads.ts';
import { comedy } from './comedy/peer.ts';
import { erlangDistributed, erlangLocal } from './erlang/peer.ts';
import { nact } from './nact/peer.ts';
import { nats } from './nats/peer.ts';
import { rivetkit } from './not-measured.ts';
import { inFlights, keys, loadOf, type OwnFigure, type Peer, type PeerRate, Skipped } from './peer.ts';
import { pekko } from './pekko/peer.ts';
import { postgresql } from './postgresql/peer.ts';
import { restate } from './restate/peer.ts';
import { workerd } from './workerd/peer.ts';

const peers: readonly Peer[] = [
  postgresql,
  nats,
  restate,
  workerd,
  erlangLocal,
  erlangDistributed,
  pekko,
  nact,
  comedy,
  rivetkit,
];
/** Installing included. */
const peerWithinMs = 240_000;

interface Row {
  readonly name: string;
  readonly version: string;
  readonly rates: readonly PeerRate[];
  /** Of Greenroom, what the ratio is taken from. */
  readonly comparedWith?: OwnFigure;
  readonly guarantees: string;
  readonly operation: string;
  readonly skipped?: string;
}

/** Three replicated nodes get their rows here as soon as a cluster of several can be started. */
const ownClusters = [{ title: 'one node', nodes: 1, replicas: 1, start: inProcessCluster }] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    scratch: { type: 'string', default: join(tmpdir(), 'greenroom-peers') },
    json: { type: 'string' },
  },
});
const durationMs = Number(values.seconds) * 1_000;
const isWanted = ({ name }: Peer) =>
  positionals.length === 0 || positionals.some((word) => name.toLowerCase().includes(word.toLowerCase()));

async function ownRows(directory: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { title, nodes, replicas, start } of ownClusters) {
    const cluster = await start({ directory: join(directory, title.replaceAll(' ', '-')), nodes, replicas });
    try {
      for (const call of [ask, persisted]) withoutErrors(await cluster.run(touchAll(call), 'api'));
      const guarantees = `fsynced on ${replicas === 1 ? 'one disk' : `a majority of ${replicas}`} before the answer; exactly-once`;
      rows.push(
        await ownRow(cluster, `Greenroom, ${title}, persisted`, 'persisted', guarantees),
        await ownRow(cluster, `Greenroom, ${title}, persisted over HTTP`, 'persisted over HTTP', guarantees),
        await ownRow(cluster, `Greenroom, ${title}, ask`, 'ask', 'in memory only'),
      );
    } finally {
      await cluster.close();
    }
  }
  return rows;
}

async function ownRow(cluster: ClusterUnderTest, name: string, what: OwnFigure, guarantees: string): Promise<Row> {
  const rates: PeerRate[] = [];
  for (const inFlight of inFlights) {
    progress(`${name}, ${inFlight} in flight`);
    const load = loadOf(inFlight, durationMs);
    const timed = load.type === 'closed' && what === 'ask' ? { ...load, timedEvery: 16 } : load;
    const workload = asking([what === 'ask' ? ask : persisted], keys, timed);
    const result = withoutErrors(await cluster.run(workload, what === 'persisted over HTTP' ? 'http' : 'api'));
    const { p50Ms, p99Ms } = result.latency.summary();
    rates.push({ inFlight, perSecond: (result.operations * 1_000) / result.tookMs, p50Ms, p99Ms });
  }
  return { name, version: 'this', rates, guarantees, operation: 'an add to a counter' };
}

async function peerRow(peer: Peer, directory: string): Promise<Row> {
  const { name, operation, guarantees, comparedWith } = peer;
  const row = { name, operation, guarantees, comparedWith };
  const data = await mkdtemp(join(directory, 'peer-'));
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it took longer than ${peerWithinMs / 1_000} s`)), peerWithinMs);
    });
    const context = {
      scratch: values.scratch,
      data,
      durationMs,
      progress: (message: string) => progress(`${name}, ${message}`),
    };
    const { version, rates } = await Promise.race([peer.run(context), late]);
    return { ...row, version, rates };
  } catch (error) {
    const how = error instanceof Skipped ? 'skipped' : 'failed';
    return { ...row, version: '', rates: [], skipped: `${how}: ${(error as Error).message}` };
  } finally {
    clearTimeout(timer);
    await rm(data, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Greenroom is measured before and after the peers, because the speed of a machine drifts. */
function meanOf(before: Row, after: Row): Row {
  const mean = (a: number, b: number) => (a + b) / 2;
  const rates = before.rates.map((rate, n): PeerRate => {
    const other = after.rates[n]!;
    return {
      inFlight: rate.inFlight,
      perSecond: mean(rate.perSecond, other.perSecond),
      p50Ms: mean(rate.p50Ms, other.p50Ms),
      p99Ms: mean(rate.p99Ms, other.p99Ms),
    };
  });
  return { ...before, rates };
}

function printTable(rows: readonly Row[]): void {
  const own = new Map<OwnFigure, Row>();
  for (const what of ['persisted', 'persisted over HTTP', 'ask'] as const) {
    const row = rows.find(({ name }) => name === `Greenroom, one node, ${what}`);
    if (row) own.set(what, row);
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log(
    `${'per second'.padEnd(width)}  ${inFlights.map((n) => `${n}`.padStart(10)).join('')}   p50 ms at 256   Greenroom is`,
  );
  for (const { name, rates, comparedWith, skipped } of rows) {
    if (skipped !== undefined) {
      console.log(`${name.padEnd(width)}  ${skipped}`);
      continue;
    }
    const figures = rates.map(({ perSecond }) => formatNumber(perSecond).padStart(10)).join('');
    const mine = comparedWith && own.get(comparedWith);
    const ratios = mine?.rates
      .map(({ perSecond }, n) => `${(perSecond / rates[n]!.perSecond).toPrecision(2)}×`)
      .join(' / ');
    const note = ratios === undefined ? '' : `${ratios} (${comparedWith})`;
    console.log(
      `${name.padEnd(width)}  ${figures}   ${formatNumber(rates.at(-1)!.p50Ms).padStart(13)}   ${note}`.trimEnd(),
    );
  }
  console.log('\nWhat an answer guarantees:');
  for (const { name, guarantees, version, skipped } of rows)
    if (skipped === undefined) console.log(`  ${name} (${version}): ${guarantees}`);
}

function progress(message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${message}`);
}

await mkdir(values.scratch, { recursive: true });
// A database's own user must be able to enter it.
const directory = await mkdtemp(join(tmpdir(), 'greenroom-peers-data-'));
await chmod(directory, 0o755);
try {
  const machine = await describeMachine(undefined);
  console.log(`${machineName(machine)} · node ${machine.node} · fsync p50 ${machine.fsyncMs.p50.toFixed(3)} ms\n`);
  const before = await ownRows(join(directory, 'before'));
  const peerRows: Row[] = [];
  for (const peer of peers.filter(isWanted)) peerRows.push(await peerRow(peer, directory));
  const after = await ownRows(join(directory, 'after'));
  const rows = [...before.map((row, n) => meanOf(row, after[n]!)), ...peerRows];
  progress('');
  printTable(rows);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
