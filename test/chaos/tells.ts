/**
 * `npm run chaos:tells -- [--tells 100000] [--nodes 3] [--kill-every 5s] [--senders 30] [--receivers 20] [--json]`: actors on
 * real processes tell each other durably, while one node after the other is killed with -9 and started again. Then
 * every receiver must have received every tell once, those of one sender in order.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect } from 'greenroom/client';
import { durationMs } from '../../src/core/duration.ts';
import { pause } from './chaos-clients.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { deadLetters, killInTurn, untilVoters } from './kill-in-turn.ts';
import { answered, inLanes } from './patience.ts';
import type { Receiver, Sender } from './waiting-actors.ts';
import { auditTells, type ReceivedTell } from './waiting-audit.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== '--'),
  options: {
    tells: { type: 'string', default: '100000' },
    nodes: { type: 'string', default: '3' },
    'kill-every': { type: 'string', default: '5s' },
    senders: { type: 'string', default: '30' },
    receivers: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const nodes = Number(values.nodes);
const copies = Math.min(3, nodes);
/** Receivers of one command of a sender, and tells to each. */
const spread = 5;
const each = 4;
const arriveWithinMs = 180_000;
const senders = Array.from({ length: Number(values.senders) }, (_, index) => `s${index}`);
const receivers = Array.from({ length: Number(values.receivers) }, (_, index) => `r${index}`);
const commands = Array.from({ length: Math.ceil(Number(values.tells) / (spread * each)) }, (_, index) => index);
const tells = commands.length * spread * each;
const patience = { giveUpAfterMs: 120_000, againMs: 100, errors: {} as Record<string, number> };

const directory = mkdtempSync(join(tmpdir(), 'greenroom-tells-'));
const cluster = new ChaosCluster({
  directory,
  nodes,
  actors: fileURLToPath(new URL('waiting-actors.ts', import.meta.url)),
  firstPort: 17_900,
  canCut: false,
});
const figures = { tells, nodes, kills: 0, tellSeconds: 0, arriveSeconds: 0 };
let violations: string[] = [];
try {
  await cluster.startAll();
  await untilVoters(cluster, copies);
  await cluster.untilWhole(copies);
  const client = connect(cluster.names.map((name) => cluster.url(name)));
  const telling = new AbortController();
  const startMs = performance.now();
  let done = 0;
  const killing = killInTurn({
    cluster,
    copies,
    everyMs: durationMs(values['kill-every'] as `${number}s`) ?? 5_000,
    until: telling.signal,
    killed: (name) => {
      figures.kills += 1;
      console.error(`${name} killed and back; ${done} of ${commands.length} commands are answered`);
    },
  });
  const tellAll = inLanes(commands, senders.length, async (command) => {
    const sender = senders[command % senders.length]!;
    const to = Array.from({ length: spread }, (_, index) => receivers[(command * 7 + index) % receivers.length]!);
    await answered(`command ${command}`, patience, () =>
      client.actor<Sender>('Sender', sender, { key: `send-${command}` }).send({ receivers: to, each }),
    );
    done += 1;
  });
  // Should the killing break off, the run does.
  await Promise.race([tellAll, killing.then(() => new Promise<never>(() => {}))]);
  figures.tellSeconds = (performance.now() - startMs) / 1_000;
  await untilArrived();
  figures.arriveSeconds = (performance.now() - startMs) / 1_000;
  telling.abort();
  await killing;
  violations = [...(await audit()), ...(await deadLetters(cluster))];
  client.close();

  /** While nodes go on being killed. */
  async function untilArrived(): Promise<void> {
    const endMs = performance.now() + arriveWithinMs;
    for (;;) {
      const counts = await Promise.all(
        receivers.map((id) => answered(id, patience, () => client.actor<Receiver>('Receiver', id).received())),
      );
      const arrived = counts.reduce((sum, count) => sum + count, 0);
      if (arrived >= tells || performance.now() > endMs) return;
      console.error(`${arrived} of ${tells} tells have arrived`);
      await pause(1_000);
    }
  }

  async function audit(): Promise<string[]> {
    const sentTo = new Map(receivers.map((id) => [id, new Map<string, number>()]));
    for (const sender of senders) {
      const sent = await answered(sender, patience, () => client.actor<Sender>('Sender', sender).sent());
      for (const [id, count] of Object.entries(sent)) sentTo.get(id)!.set(sender, count);
    }
    const found: string[] = [];
    let recorded = 0;
    for (const [id, sent] of sentTo) {
      for (const count of sent.values()) recorded += count;
      found.push(...auditTells(id, await historyOf(id), sent));
    }
    if (recorded !== tells) found.push(`${recorded} tells were recorded by their senders, and ${tells} acknowledged`);
    return found;
  }
} catch (error) {
  violations.push(`the run broke off: ${(error as Error).stack}`);
  for (const name of cluster.names) console.error(`--- ${name}\n${cluster.diagnostics(name)}`);
} finally {
  await cluster.close();
}
const summary = { ...figures, tellsPerSecond: Math.round(tells / figures.arriveSeconds), errors: patience.errors };
if (values.json) console.log(JSON.stringify({ ...summary, violations }, undefined, 2));
else {
  console.log(JSON.stringify(summary));
  for (const violation of violations.slice(0, 30)) console.log(`VIOLATION ${violation}`);
  console.log(violations.length === 0 ? 'every tell arrived once, in order' : `data in ${directory}`);
}
if (violations.length === 0) rmSync(directory, { recursive: true, force: true });
process.exit(violations.length === 0 ? 0 : 1);

/** What a receiver recorded, as its log has it. */
async function historyOf(id: string): Promise<readonly ReceivedTell[]> {
  const received: ReceivedTell[] = [];
  let after = 0;
  for (;;) {
    const url = `${cluster.url(cluster.running[0]!)}/v1/actors/Receiver/${id}/-/events?after=${after}&limit=1000`;
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as {
      events: readonly { sequenceNumber: number; data: ReceivedTell }[];
      next?: number;
    };
    for (const { data } of page.events) received.push(data);
    const last = page.events.at(-1);
    if (!last || page.next === undefined) return received;
    after = last.sequenceNumber;
  }
}
