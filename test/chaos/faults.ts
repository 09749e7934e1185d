/** What is done to a cluster, one fault at a time; each heals before the next. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { type ChaosFault, killAndRestart, pick } from './chaos-fault.ts';
import { cutPair } from './cut-pair.ts';
import { storageFaults } from './storage-faults.ts';

async function follower(cluster: ChaosCluster): Promise<string> {
  const leader = await cluster.leader(cluster.running[0]!);
  return pick(cluster.running.filter((name) => name !== leader));
}

async function restartInTurn(cluster: ChaosCluster): Promise<void> {
  for (const name of cluster.names) {
    await cluster.stop(name);
    await cluster.start(name);
    await cluster.untilWhole(1);
  }
}

async function whileCut(cluster: ChaosCluster, pairs: readonly (readonly [string, string])[], forMs: number) {
  for (const [from, to] of pairs) cluster.cut(from, to);
  await pause(forMs);
  cluster.heal();
}

export const chaosFaults: readonly ChaosFault[] = [
  {
    name: 'kill-owner',
    what: 'kill -9 of a node that does not lead',
    run: async (cluster) => killAndRestart(cluster, [await follower(cluster)], 4_000),
  },
  {
    name: 'kill-leader',
    what: 'kill -9 of the leader of the control log',
    run: async (cluster) => killAndRestart(cluster, [(await cluster.leader(cluster.running[0]!))!], 4_000),
  },
  {
    name: 'kill-all',
    what: 'kill -9 of every node at once',
    run: (cluster) => killAndRestart(cluster, cluster.running, 500),
  },
  {
    name: 'stop-short',
    what: 'SIGSTOP of a node for one second',
    async run(cluster) {
      const name = pick(cluster.running);
      cluster.signal(name, 'SIGSTOP');
      await pause(1_000);
      cluster.signal(name, 'SIGCONT');
    },
  },
  {
    name: 'stop-long',
    what: 'SIGSTOP of a node for ten seconds',
    async run(cluster) {
      const name = pick(cluster.running);
      cluster.signal(name, 'SIGSTOP');
      await pause(10_000);
      cluster.signal(name, 'SIGCONT');
    },
  },
  {
    name: 'rolling-restart',
    what: 'SIGTERM and start of one node after the other',
    run: restartInTurn,
  },
  {
    name: 'exhaust',
    what: 'a command that uses up the heap of whoever runs it; dead nodes are started again',
    async run(cluster) {
      const stop = cluster.supervise();
      const ledger = `${cluster.url(pick(cluster.running))}/v1/actors/Ledger/greedy/exhaust`;
      const signal = AbortSignal.timeout(60_000);
      // Its own node may be among those that die of it.
      const answer = await fetch(ledger, { method: 'POST', signal }).then(
        async (response) => ((await response.json()) as { code: string }).code,
        () => 'no answer',
      );
      await cluster.untilWhole(1);
      const died = (await stop()).map(({ name }) => name);
      if (answer !== 'OUTCOME_UNKNOWN' && answer !== 'no answer') throw new Error(`the greedy command: ${answer}`);
      if (died.length === 0 || died.length > 2) throw new Error(`${died.length} nodes died of one command: ${died}`);
    },
  },
  {
    name: 'exhaust-tell',
    what: 'a tell whose command uses up the heap of whoever runs it, until it is a dead letter; dead nodes are started again',
    async run(cluster) {
      const stop = cluster.supervise();
      const greedy = `greedy-${performance.now()}`;
      const teller = `${cluster.url(pick(cluster.running))}/v1/actors/Ledger/teller/tellToExhaust`;
      const body = JSON.stringify(greedy);
      const headers = { 'content-type': 'application/json' };
      const { ok, status } = await fetch(teller, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.timeout(30_000),
      });
      if (!ok) throw new Error(`the teller answered ${status}`);
      const letter = await untilDeadLetter(cluster, greedy);
      await cluster.untilWhole(1);
      const died = (await stop()).map(({ name }) => name);
      if (letter.reason.code !== 'COMMAND_FAILED')
        throw new Error(`given up for another reason: ${letter.reason.code}`);
      if (died.length === 0 || died.length > 4) throw new Error(`${died.length} nodes died of one tell: ${died}`);
    },
  },
  {
    name: 'wipe',
    what: 'kill -9 of a node, its disk is gone, it joins anew under its name',
    async run(cluster) {
      const name = pick(cluster.running);
      await cluster.kill(name);
      cluster.wipe(name);
      await pause(3_000);
      await cluster.start(name);
    },
  },
  {
    name: 'corrupt',
    what: 'bits of a dead node’s files are flipped; if it refuses to start, its disk is replaced',
    async run(cluster) {
      const name = pick(cluster.running);
      await cluster.kill(name);
      const folder = join(cluster.data(name), 'db');
      for (const file of readdirSync(folder).filter((each) => /\.(ldb|log|wal)$/.test(each))) {
        const bytes = readFileSync(join(folder, file));
        if (bytes.length === 0) continue;
        for (let count = 0; count < 3; count++) {
          const at = Math.floor(Math.random() * bytes.length);
          bytes[at] = bytes[at]! ^ (1 << Math.floor(Math.random() * 8));
        }
        writeFileSync(join(folder, file), bytes);
      }
      try {
        await cluster.start(name);
      } catch {
        cluster.wipe(name);
        await cluster.start(name);
      }
    },
  },
  ...storageFaults,
  {
    name: 'isolate',
    what: 'a node is cut off from all others, both ways, for eight seconds',
    needs: 'firewall',
    async run(cluster) {
      const name = pick(cluster.running);
      const others = cluster.running.filter((each) => each !== name);
      await whileCut(
        cluster,
        others.flatMap((other) => [[name, other] as const, [other, name] as const]),
        8_000,
      );
    },
  },
  {
    name: 'one-way',
    what: 'nothing that one node sends to another arrives, for eight seconds',
    needs: 'firewall',
    async run(cluster) {
      const from = pick(cluster.running);
      await whileCut(cluster, [[from, pick(cluster.running.filter((each) => each !== from))]], 8_000);
    },
  },
  cutPair,
  {
    name: 'join-drain',
    what: 'another node joins, gets its share, is drained and leaves',
    async run(cluster) {
      await cluster.start('h');
      await cluster.untilWhole(3);
      const through = cluster.running.find((name) => name !== 'h')!;
      const response = await fetch(`${cluster.url(through)}/v1/cluster/members/h/drain`, { method: 'POST' });
      if (!response.ok) throw new Error(`the drain was refused: ${await response.text()}`);
      for (let waited = 0; waited < 120_000; waited += 200) {
        const shards = await cluster.shards(through);
        if (shards.every(({ replicas, learners }) => !replicas.includes('h') && !learners.includes('h'))) break;
        await pause(200);
      }
      await pause(2_000);
      if (cluster.running.includes('h')) await cluster.kill('h');
      cluster.forget('h');
    },
  },
  {
    name: 'new-code',
    what: 'a rolling restart with the next version of the actors: one new event, one new command',
    async run(cluster) {
      cluster.actors = fileURLToPath(new URL('actors-next.ts', import.meta.url));
      await restartInTurn(cluster);
      for (const [index, name] of cluster.names.entries()) {
        const response = await fetch(`${cluster.url(name)}/v1/actors/Ledger/l0/mark`, { method: 'POST' });
        const marks = await response.text();
        if (response.status !== 200 || Number(marks) < index + 1)
          throw new Error(`the new command through ${name}: ${response.status} ${marks}`);
      }
    },
  },
];

interface Letter {
  readonly to: { readonly id: string };
  readonly reason: { readonly code: string };
}

/** Waits until the tell to this ledger was given up. */
async function untilDeadLetter(cluster: ChaosCluster, id: string): Promise<Letter> {
  const endMs = performance.now() + 90_000;
  for (;;) {
    for (const name of cluster.running) {
      const response = await fetch(`${cluster.url(name)}/v1/dead-letters`, {
        signal: AbortSignal.timeout(2_000),
      }).catch(() => undefined);
      const found = response?.ok ? ((await response.json()) as { deadLetters: Letter[] }).deadLetters : [];
      const letter = found.find(({ to }) => to.id === id);
      if (letter) return letter;
    }
    if (performance.now() > endMs) throw new Error(`no dead letter for ${id}`);
    await pause(200);
  }
}
