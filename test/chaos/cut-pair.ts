/** Two nodes that do not reach each other, and every actor through both of them. */
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { type ChaosFault, pick } from './chaos-fault.ts';

/** By then both have given up the link. */
const noticedMs = 6_000;
const ledgers = 40;
/** How long one command may take afterwards: others pass it on. */
const answersMs = 2_000;

export const cutPair: ChaosFault = {
  name: 'cut-pair',
  what: 'two nodes do not reach each other: commands for each actor go in through both, and others pass them on',
  needs: 'firewall',
  async run(cluster) {
    const one = pick(cluster.running);
    const other = pick(cluster.running.filter((name) => name !== one));
    cluster.cut(one, other);
    cluster.cut(other, one);
    try {
      await pause(noticedMs);
      const before = await relayed(cluster);
      for (let index = 0; index < ledgers; index++)
        for (const name of [one, other]) await add(cluster, name, `cut-pair-${index}`);
      if ((await relayed(cluster)) === before) throw new Error('no command was passed on');
    } finally {
      cluster.heal();
    }
  },
};

async function add(cluster: ChaosCluster, name: string, ledger: string): Promise<void> {
  const response = await fetch(`${cluster.url(name)}/v1/actors/Ledger/${ledger}/add`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(`${name} ${performance.now()}`),
    signal: AbortSignal.timeout(answersMs),
  }).catch((error: unknown) => {
    throw new Error(`${ledger} through ${name} was not answered within ${answersMs} ms: ${error}`);
  });
  if (!response.ok) throw new Error(`${ledger} through ${name}: ${response.status} ${await response.text()}`);
}

/** Commands that the nodes have passed on. */
async function relayed(cluster: ChaosCluster): Promise<number> {
  let sum = 0;
  for (const name of cluster.running) {
    const metrics = await (await fetch(`${cluster.url(name)}/metrics`)).text();
    sum += Number(/^greenroom_commands_relayed_total(?:\{.*\})? (\d+)$/m.exec(metrics)?.[1] ?? 0);
  }
  return sum;
}
