/** One node after the other is killed with -9 and started again, never two at once. */
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';

/** A dead node is started again after this. */
const downMs = 1_000;
const votersWithinMs = 60_000;

export interface KillPlan {
  readonly cluster: ChaosCluster;
  /** From one kill to the next. */
  readonly everyMs: number;
  /** Of each shard, before the next may be killed. */
  readonly copies: number;
  readonly until: AbortSignal;
  /** Told after each. */
  readonly killed: (name: string) => void;
}

/**
 * Kills one node at each beat and starts it again. If by the next beat not every shard has all its copies again, the next
 * one's turn waits for that.
 */
export async function killInTurn({ cluster, everyMs, copies, until, killed }: KillPlan): Promise<void> {
  let beatMs = performance.now();
  for (let turn = 0; ; turn++) {
    beatMs = Math.max(beatMs + everyMs, performance.now());
    while (!until.aborted && performance.now() < beatMs) await pause(50);
    if (until.aborted) return;
    const name = cluster.names[turn % cluster.names.length]!;
    beatMs = performance.now();
    await cluster.kill(name);
    await pause(downMs);
    await cluster.start(name);
    await cluster.untilWhole(copies);
    killed(name);
  }
}

/** Until there are so many voters, losing one node could stop the others. */
export async function untilVoters(cluster: ChaosCluster, count: number): Promise<void> {
  const endMs = performance.now() + votersWithinMs;
  for (;;) {
    if ((await cluster.voters(cluster.names[0]!)).length >= count) return;
    if (performance.now() > endMs) throw new Error(`no ${count} voters within ${votersWithinMs} ms`);
    await pause(100);
  }
}

/** What was given up: no tell and no tick of these runs may be. */
export async function deadLetters(cluster: ChaosCluster): Promise<string[]> {
  const found: string[] = [];
  for (const name of cluster.running) {
    const response = await fetch(`${cluster.url(name)}/v1/dead-letters`, { signal: AbortSignal.timeout(30_000) });
    const { deadLetters: letters } = (await response.json()) as { deadLetters: readonly object[] };
    for (const letter of letters) found.push(`a dead letter on ${name}: ${JSON.stringify(letter)}`);
  }
  return found;
}
