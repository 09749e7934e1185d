/**
 * `npm run chaos:tells -- [--tells 100000] [--nodes 3] [--kill-every 5s] [--senders 30] [--receivers 20] [--json]`: actors on
 * real processes tell each other durably, while one node after the other is killed with -9 and started again. Then
 * every receiver must have received every tell once, those of one sender in order.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, type RemoteClient } from 'greenroom/client';
import { durationMs } from '../../src/core/duration.ts';
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { reportRun, runOnCluster, whileKilled } from './kill-in-turn.ts';
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
/** Receivers of one command of a sender, and tells to each. */
const spread = 5;
const each = 4;
const arriveWithinMs = 180_000;
const senders = Array.from({ length: Number(values.senders) }, (_, index) => `s${index}`);
const receivers = Array.from({ length: Number(values.receivers) }, (_, index) => `r${index}`);
const commands = Array.from({ length: Math.ceil(Number(values.tells) / (spread * each)) }, (_, index) => index);
const tells = commands.length * spread * each;
const patience = { giveUpAfterMs: 120_000, againMs: 100, errors: {} as Record<string, number> };

const figures = { tells, nodes, kills: 0, tellSeconds: 0, arriveSeconds: 0 };
const setup = {
  name: 'tells',
  nodes,
  actors: fileURLToPath(new URL('waiting-actors.ts', import.meta.url)),
  firstPort: 17_900,
};
const outcome = await runOnCluster(setup, async (cluster, copies) => {
  const client = connect(cluster.names.map((name) => cluster.url(name)));
  const everyMs = durationMs(values['kill-every'] as `${number}s`) ?? 5_000;
  let done = 0;
  const killed = (name: string) => {
    figures.kills += 1;
    console.error(`${name} killed and back; ${done} of ${commands.length} commands are answered`);
  };
  const startMs = performance.now();
  const secondsSince = () => (performance.now() - startMs) / 1_000;
  await whileKilled({ cluster, copies, everyMs, killed }, async () => {
    await inLanes(commands, senders.length, async (command) => {
      const sender = senders[command % senders.length]!;
      const to = Array.from({ length: spread }, (_, index) => receivers[(command * 7 + index) % receivers.length]!);
      await answered(`command ${command}`, patience, () =>
        client.actor<Sender>('Sender', sender, { key: `send-${command}` }).send({ receivers: to, each }),
      );
      done += 1;
    });
    figures.tellSeconds = secondsSince();
    await untilArrived(client);
    figures.arriveSeconds = secondsSince();
  });
  const found = await audit(client, cluster);
  client.close();
  return found;
});
const tellsPerSecond = Math.round(tells / figures.arriveSeconds);
const summary = { ...figures, tellsPerSecond, errors: patience.errors };
process.exit(reportRun(outcome, summary, { json: values.json, fine: 'every tell arrived once, in order' }));

async function untilArrived(client: RemoteClient): Promise<void> {
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

async function audit(client: RemoteClient, cluster: ChaosCluster): Promise<string[]> {
  const sentTo = new Map(receivers.map((id) => [id, new Map<string, number>()]));
  for (const sender of senders) {
    const sent = await answered(sender, patience, () => client.actor<Sender>('Sender', sender).sent());
    for (const [id, count] of Object.entries(sent)) sentTo.get(id)!.set(sender, count);
  }
  const found: string[] = [];
  let recorded = 0;
  for (const [id, sent] of sentTo) {
    for (const count of sent.values()) recorded += count;
    found.push(...auditTells(id, await historyOf(cluster, id), sent));
  }
  if (recorded !== tells) found.push(`${recorded} tells were recorded by their senders, and ${tells} acknowledged`);
  return found;
}

/** What a receiver recorded, as its log has it. */
async function historyOf(cluster: ChaosCluster, id: string): Promise<readonly ReceivedTell[]> {
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
