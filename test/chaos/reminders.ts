/**
 * `npm run chaos:reminders -- [--reminders 10000] [--tickers 200] [--ticks 40] [--nodes 3] [--due-in 15s] [--no-kill]
 * [--json]`: reminders on real processes. First all sleepers are due in the same second, in which the node that owns the
 * most shards is killed with -9 and started again; then tickers tick every second while one node after the other is
 * killed. Each must have fired once, none too soon, and none may be left out.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect } from 'greenroom/client';
import { durationMs } from '../../src/core/duration.ts';
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { killAndRestart } from './chaos-fault.ts';
import { downMs, reportRun, runOnCluster, whileKilled } from './kill-in-turn.ts';
import { answered, inLanes } from './patience.ts';
import type { Sleeper, Ticker } from './waiting-actors.ts';
import { auditStrikes, auditTicks } from './waiting-audit.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== '--'),
  options: {
    reminders: { type: 'string', default: '10000' },
    tickers: { type: 'string', default: '200' },
    ticks: { type: 'string', default: '40' },
    nodes: { type: 'string', default: '3' },
    'due-in': { type: 'string' },
    'no-kill': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const nodes = Number(values.nodes);
const kills = !values['no-kill'];
const lanes = 256;
const tickEveryMs = 1_000;
const killEveryMs = 5_000;
/** How long after the due time the owner is killed: in the midst of the ticks. */
const killAfterMs = 150;
const fireWithinMs = 60_000;
const patience = { giveUpAfterMs: 120_000, againMs: 100, errors: {} as Record<string, number> };
const ids = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}-${index}`);

const figures: Record<string, unknown> = { nodes, kills };
const setup = {
  name: 'reminders',
  nodes,
  actors: fileURLToPath(new URL('waiting-actors.ts', import.meta.url)),
  firstPort: 18_000,
};
const outcome = await runOnCluster(setup, async (cluster, copies) => {
  const violations: string[] = [];
  const client = connect(cluster.names.map((name) => cluster.url(name)));
  const sleeper = (id: string, key?: string) => client.actor<Sleeper>('Sleeper', id, key === undefined ? {} : { key });
  const ticker = (id: string, key?: string) => client.actor<Ticker>('Ticker', id, key === undefined ? {} : { key });

  const sleepers = ids('sleeper', Number(values.reminders));
  // Registering them takes a few seconds, on a busy machine more.
  const dueInMs = durationMs(values['due-in'] as `${number}s`) ?? 5_000 + sleepers.length;
  const dueAtMs = Date.now() + dueInMs;
  await inLanes(sleepers, lanes, async (id) => {
    await answered(id, patience, () => sleeper(id, `sleep-${id}`).sleepUntil(dueAtMs));
  });
  if (Date.now() >= dueAtMs) throw new Error(`registering took longer than ${dueInMs} ms: give a longer --due-in`);
  await pause(dueAtMs + killAfterMs - Date.now());
  if (kills) await killAndRestart(cluster, [await busiest(cluster)], downMs);
  const struckAtMs: number[] = [];
  await inLanes(sleepers, lanes, async (id) => {
    const struck = await untilSo(
      () => answered(id, patience, () => sleeper(id).struck()),
      (times) => times.length > 0,
    );
    struckAtMs.push(...struck);
  });
  const late = struckAtMs.map((atMs) => atMs - dueAtMs).sort((a, b) => a - b);
  const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))];
  figures.sleepers = { count: sleepers.length, lateMs: { median: at(0.5), p99: at(0.99), max: late.at(-1) } };

  const tickers = ids('ticker', Number(values.tickers));
  const ticks = Number(values.ticks);
  let died = 0;
  const killed = (name: string) => {
    died += 1;
    console.error(`${name} killed and back`);
  };
  let latestMs = 0;
  const everyMs = kills ? killEveryMs : Number.POSITIVE_INFINITY;
  await whileKilled({ cluster, copies, everyMs, killed }, async () => {
    await inLanes(tickers, lanes, async (id) => {
      await answered(id, patience, () => ticker(id, `begin-${id}`).begin(ticks));
    });
    await pause(ticks * tickEveryMs);
    await inLanes(tickers, lanes, async (id) => {
      const ticked = await untilSo(
        () => answered(id, patience, () => ticker(id).ticked()),
        ({ left }) => left <= 0,
      );
      violations.push(...auditTicks(id, tickEveryMs, ticked));
      const { firstMs, tickedAtMs } = ticked;
      tickedAtMs.forEach((atMs, index) => {
        latestMs = Math.max(latestMs, atMs - firstMs - index * tickEveryMs);
      });
    });
  });
  // Only now: one that fires twice may do so later.
  await inLanes(sleepers, lanes, async (id) => {
    violations.push(...auditStrikes(id, dueAtMs, await answered(id, patience, () => sleeper(id).struck())));
  });
  figures.tickers = { count: tickers.length, ticks, kills: died, latestMs };
  client.close();
  return violations;
});
const summary = { ...figures, errors: patience.errors };
process.exit(reportRun(outcome, summary, { json: values.json, fine: 'every reminder fired once' }));

async function busiest(cluster: ChaosCluster): Promise<string> {
  const owned = new Map<string, number>();
  for (const { owner } of await cluster.shards(cluster.names[0]!)) owned.set(owner, (owned.get(owner) ?? 0) + 1);
  return [...owned].sort(([, a], [, b]) => b - a)[0]![0];
}

/** Asks until it is so, or not in time. */
async function untilSo<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const endMs = performance.now() + fireWithinMs;
  for (;;) {
    const value = await ask();
    if (isSo(value) || performance.now() > endMs) return value;
    await pause(200);
  }
}
