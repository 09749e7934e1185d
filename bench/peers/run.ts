/**
 * Peers on the same work, in turn, in one run, beside Greenroom's own figures of the same run: one table with ratios.
 *
 *     npm run bench:peers -- [names…] [--seconds 3] [--repeats 1] [--in-flight 1,16,256] [--scratch <dir>] [--json <file>]
 *
 * Each load lasts `--seconds` and a third of it to warm up. Greenroom is measured before every round of peers and after the
 * last, because the speed of a machine drifts; the medians count. With names, only those peers run, and of Greenroom only what
 * they are compared with. What is installed stays in `--scratch` (default: a folder in the system's temporary directory);
 * nothing is installed into this repository. A peer that fails or takes too long does not stop the others.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, sourceRevision } from '../../src/bench/machine.ts';
import { machineName } from '../../src/bench/report/text-report.ts';
import { comedy } from './comedy/peer.ts';
import { compare, formatComparison, type Measured } from './comparison.ts';
import { erlangDistributed, erlangLocal } from './erlang/peer.ts';
import { nact } from './nact/peer.ts';
import { nats, natsSynced } from './nats/peer.ts';
import { measureOwn } from './own.ts';
import { ownFigures, type Peer, Skipped } from './peer.ts';
import { pekko } from './pekko/peer.ts';
import { postgresql } from './postgresql/peer.ts';
import { restate } from './restate/peer.ts';
import { rivetkit, rivetkitSaved } from './rivetkit/peer.ts';
import { workerd } from './workerd/peer.ts';

const peers: readonly Peer[] = [
  postgresql,
  nats,
  natsSynced,
  restate,
  workerd,
  erlangLocal,
  erlangDistributed,
  pekko,
  nact,
  comedy,
  rivetkit,
  rivetkitSaved,
];
/** Installing included. */
const peerWithinMs = 240_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    repeats: { type: 'string', default: '1' },
    'in-flight': { type: 'string', default: '1,16,256' },
    scratch: { type: 'string', default: join(tmpdir(), 'greenroom-peers') },
    json: { type: 'string' },
  },
});
const durationMs = Number(values.seconds) * 1_000;
const repeats = Number(values.repeats);
const inFlights = values['in-flight'].split(',').map(Number);
const isWanted = ({ name }: Peer) =>
  positionals.length === 0 || positionals.some((word) => name.toLowerCase().includes(word.toLowerCase()));
const wanted = peers.filter(isWanted);
const figures = new Set(positionals.length === 0 ? ownFigures : wanted.flatMap(({ comparedWith }) => comparedWith));

async function measurePeer(peer: Peer, directory: string): Promise<Measured> {
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
      inFlights,
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

function progress(message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${message}`);
}

await mkdir(values.scratch, { recursive: true });
// A database's own user must be able to enter it.
const directory = await mkdtemp(join(tmpdir(), 'greenroom-peers-data-'));
await chmod(directory, 0o755);
let ownRounds = 0;
const ownOnce = async (): Promise<readonly Measured[]> => {
  const data = join(directory, `own-${++ownRounds}`);
  const measured = await measureOwn({ directory: data, figures, inFlights, durationMs, progress });
  await rm(data, { recursive: true, force: true });
  return measured;
};
try {
  const machine = await describeMachine(undefined);
  console.log(`${machineName(machine)} · node ${machine.node} · fsync p50 ${machine.fsyncMs.p50.toFixed(3)} ms`);
  const loadBefore = loadavg()[0]!;
  const measured: Measured[] = [];
  for (let round = 0; round < repeats; round++) {
    measured.push(...(await ownOnce()));
    for (const peer of wanted) measured.push(await measurePeer(peer, directory));
  }
  measured.push(...(await ownOnce()));
  const rows = compare(measured);
  progress('');
  console.log(`load average ${loadBefore.toFixed(1)} before, ${repeats} repeats of ${values.seconds} s a load\n`);
  console.log(formatComparison(rows, inFlights));
  const report = { machine, revision: await sourceRevision(), loadBefore, durationMs, repeats, rows };
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
