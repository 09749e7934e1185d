/** What a fault is, and what several of them do. */
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';

/** What a fault takes that not every machine has. */
export type Need = 'firewall' | 'own disks' | 'sync shim';

export interface ChaosFault {
  readonly name: string;
  readonly what: string;
  readonly needs?: Need;
  run(cluster: ChaosCluster): Promise<void>;
}

export function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}

export async function killAndRestart(
  cluster: ChaosCluster,
  names: readonly string[],
  downMs: number,
  whileDown: (name: string) => void = () => {},
): Promise<void> {
  await Promise.all(names.map((name) => cluster.kill(name)));
  for (const name of names) whileDown(name);
  await pause(downMs);
  await Promise.all(names.map((name) => cluster.start(name)));
}
