/** Runs during which one node after the other is killed with -9 and started again, never two at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from './chaos-clients.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { killAndRestart } from './chaos-fault.ts';

/** A dead node is started again after this. */
export const downMs = 1_000;
const votersWithinMs = 60_000;

export interface RunSetup {
  /** Of its directory. */
  readonly name: string;
  readonly nodes: number;
  readonly actors: string;
  readonly firstPort: number;
}

/**
 * Runs on a new cluster that is whole and can lose a node. What breaks off, and what was given up, is a violation, too.
 * Without any, the data is removed. @returns the violations, and where the data is
 */
export async function runOnCluster(
  { name, nodes, actors, firstPort }: RunSetup,
  run: (cluster: ChaosCluster, copies: number) => Promise<readonly string[]>,
): Promise<{ readonly violations: readonly string[]; readonly directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), `greenroom-${name}-`));
  const cluster = new ChaosCluster({ directory, nodes, actors, firstPort, canCut: false });
  const copies = Math.min(3, nodes);
  const violations: string[] = [];
  try {
    await cluster.startAll();
    await untilVoters(cluster, copies);
    await cluster.untilWhole(copies);
    violations.push(...(await run(cluster, copies)), ...(await deadLetters(cluster)));
  } catch (error) {
    violations.push(`the run broke off: ${(error as Error).stack}`);
    for (const each of cluster.names) console.error(`--- ${each}\n${cluster.diagnostics(each)}`);
  } finally {
    await cluster.close();
  }
  if (violations.length === 0) rmSync(directory, { recursive: true, force: true });
  return { violations, directory };
}

export interface KillPlan {
  readonly cluster: ChaosCluster;
  /** From one kill to the next. */
  readonly everyMs: number;
  /** Of each shard, before the next may be killed. */
  readonly copies: number;
  /** Told after each. */
  readonly killed: (name: string) => void;
}

/** Does the work while nodes are killed. Should the killing break off, the work does. */
export async function whileKilled(plan: KillPlan, work: () => Promise<void>): Promise<void> {
  const working = new AbortController();
  const killing = killInTurn(plan, working.signal);
  await Promise.race([work(), killing.then(() => new Promise<never>(() => {}))]);
  working.abort();
  await killing;
}

/**
 * Kills one node at each beat and starts it again. If by the next beat not every shard has all its copies again, the next
 * one's turn waits for that.
 */
async function killInTurn({ cluster, everyMs, copies, killed }: KillPlan, until: AbortSignal): Promise<void> {
  let beatMs = performance.now();
  for (let turn = 0; ; turn++) {
    beatMs = Math.max(beatMs + everyMs, performance.now());
    while (!until.aborted && performance.now() < beatMs) await pause(50);
    if (until.aborted) return;
    const name = cluster.names[turn % cluster.names.length]!;
    beatMs = performance.now();
    await killAndRestart(cluster, [name], downMs);
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
async function deadLetters(cluster: ChaosCluster): Promise<string[]> {
  const found: string[] = [];
  for (const name of cluster.running) {
    const response = await fetch(`${cluster.url(name)}/v1/dead-letters`, { signal: AbortSignal.timeout(30_000) });
    const { deadLetters: letters } = (await response.json()) as { deadLetters: readonly object[] };
    for (const letter of letters) found.push(`a dead letter on ${name}: ${JSON.stringify(letter)}`);
  }
  return found;
}

/** What a run prints in the end. @returns its exit code */
export function reportRun(
  { violations, directory }: { readonly violations: readonly string[]; readonly directory: string },
  figures: object,
  { json, fine }: { readonly json: boolean; readonly fine: string },
): number {
  if (json) console.log(JSON.stringify({ ...figures, violations }, undefined, 2));
  else {
    console.log(JSON.stringify(figures));
    for (const violation of violations.slice(0, 30)) console.log(`VIOLATION ${violation}`);
    console.log(violations.length === 0 ? fine : `data in ${directory}`);
  }
  return violations.length === 0 ? 0 : 1;
}
