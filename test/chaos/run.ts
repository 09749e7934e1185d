/**
 * `npm run chaos -- [--nodes 3] [--faults kill-owner,isolate] [--rounds 1] [--json]`: real processes under load, one fault
 * after the other, and what the clients were told held against what is there. As root the
 * run moves into a network and a mount namespace of its own first, where it cuts links and mounts small disks.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { ChaosClients, pause } from './chaos-clients.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import type { Need } from './chaos-fault.ts';
import { chaosFaults } from './faults.ts';
import { untilVoters } from './kill-in-turn.ts';
import { NodeStorage } from './node-storage.ts';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3' },
    faults: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    clients: { type: 'string', default: '12' },
    json: { type: 'boolean', default: false },
  },
});

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;
const canUnshare = process.getuid?.() === 0 && has('unshare') && has('ip');
if (canUnshare && process.env.CHAOS_NAMESPACE === undefined) {
  const again = process.argv.slice(1).map((each) => `'${each}'`);
  const jiti = fileURLToPath(new URL('../../node_modules/.bin/jiti', import.meta.url));
  const inside = `ip link set lo up && exec '${jiti}' ${again.join(' ')}`;
  const { status } = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', inside], {
    stdio: 'inherit',
    env: { ...process.env, CHAOS_NAMESPACE: '1' },
  });
  process.exit(status ?? 1);
}

const directory = mkdtempSync(join(tmpdir(), 'greenroom-chaos-'));
const canCut = canUnshare && has('nft');
const storage = new NodeStorage({ directory, canMount: canUnshare });
const cluster = new ChaosCluster({
  directory,
  nodes: Number(values.nodes),
  actors: fileURLToPath(new URL('actors.ts', import.meta.url)),
  firstPort: 17_400,
  canCut,
  storage,
});
const copies = Math.min(3, Number(values.nodes));
const missing: Readonly<Partial<Record<Need, string>>> = {
  ...storage.missing,
  ...(canCut ? {} : { firewall: 'cutting links takes root, unshare, ip and nft' }),
};
const wanted = values.faults?.split(',');
const unknown = wanted?.find((each) => !chaosFaults.some(({ name }) => name === each));
if (unknown !== undefined) throw new Error(`there is no fault '${unknown}'`);
const faults = chaosFaults.filter(({ name, needs }) => {
  if (wanted && !wanted.includes(name)) return false;
  const reason = needs && missing[needs];
  if (reason !== undefined) console.error(`${name} is left out: ${reason}`);
  return reason === undefined;
});
const results: Record<string, unknown>[] = [];
let violations: readonly string[] = [];
try {
  await cluster.startAll();
  await cluster.untilWhole(copies);
  await untilVoters(cluster, copies);
  const urls = () => cluster.running.map((name) => cluster.url(name));
  const clients = new ChaosClients(urls, Number(values.clients), 24);
  await pause(3_000);
  clients.phase();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const fault of faults) {
      await fault.run(cluster);
      const recoveredMs = await cluster.untilWhole(copies);
      // The next may cost a disk, and so a vote.
      await untilVoters(cluster, copies);
      await pause(1_000);
      const report = clients.phase();
      const longest = `${(report.longestPauseMs / 1_000).toFixed(2)} s`;
      results.push({ fault: fault.name, ...report, recoveredMs });
      console.error(
        `${fault.name}: ${report.answered} answered, longest pause ${longest}, ${JSON.stringify(report.errors)}`,
      );
    }
  }
  await clients.stop();
  violations = await clients.check(urls());
  const unanswered = clients.told.filter(({ length }) => length === undefined).length;
  if (unanswered > 0) console.error(`${unanswered} commands were never answered`);
} catch (error) {
  violations = [`the run broke off: ${(error as Error).message}`];
  for (const name of cluster.names) console.error(`--- ${name}\n${cluster.diagnostics(name)}`);
} finally {
  await cluster.close();
}
if (values.json) console.log(JSON.stringify({ nodes: Number(values.nodes), results, violations }, undefined, 2));
else {
  const table = new Table({
    head: ['fault', 'answered', 'unanswered', 'longest pause', 'whole again after', 'errors seen by retries'],
    style: { head: [] },
  });
  for (const result of results)
    table.push([
      String(result.fault),
      String(result.answered),
      String(result.unanswered),
      `${((result.longestPauseMs as number) / 1_000).toFixed(2)} s`,
      `${((result.recoveredMs as number) / 1_000).toFixed(1)} s`,
      Object.entries(result.errors as object)
        .map(([code, count]) => `${code} ${count}`)
        .join(', '),
    ]);
  console.log(table.toString());
}
// With --json, standard output is the JSON alone.
const say = values.json ? console.error : console.log;
for (const violation of violations.slice(0, 30)) say(`VIOLATION ${violation}`);
say(violations.length === 0 ? 'no promise was broken' : `${violations.length} violations; data in ${directory}`);
if (violations.length === 0) rmSync(directory, { recursive: true, force: true });
else process.exitCode = 1;
process.exit();
