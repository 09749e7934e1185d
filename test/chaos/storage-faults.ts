/** Faults of what lies under a node: a full disk, a slow one, and the power. */
import { pause } from './chaos-clients.ts';
import type { ChaosCluster } from './chaos-cluster.ts';
import { type ChaosFault, killAndRestart, pick } from './chaos-fault.ts';

const fullForMs = 6_000;
const lookEveryMs = 50;
/** A supervisor does not start a node that cannot start as fast as it can. */
const startAgainAfterMs = 500;
const readyWithinMs = 60_000;
/** Half of the reserve below which a node records nothing more. */
const lowBytes = 32 * 1024 * 1024;
const lowForMs = 8_000;
const slowByMs = 300;
const slowForMs = 8_000;
/** So that most cuts find something that is written and not yet synced. */
const slowBeforeCutByMs = 30;
const slowBeforeCutForMs = 1_000;

/** What a node says when its disk is full. */
const saysFull = /ENOSPC|no space left|disk is full/i;

/** Until it serves, and goes on doing so. */
async function untilReady(cluster: ChaosCluster, name: string): Promise<void> {
  const endMs = performance.now() + readyWithinMs;
  for (let inSuccession = 0; inSuccession < 10; ) {
    inSuccession = (await isReady(cluster, name)) ? inSuccession + 1 : 0;
    if (performance.now() > endMs) throw new Error(`${name} was not ready within ${readyWithinMs} ms`);
    await pause(100);
  }
}

async function isReady(cluster: ChaosCluster, name: string): Promise<boolean> {
  if (!cluster.running.includes(name)) return false;
  const signal = AbortSignal.timeout(5_000);
  return fetch(`${cluster.url(name)}/readyz`, { signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Fills the disk of a node for a while. @returns the node, and what it said each time that it ended */
async function fillSomeDisk(cluster: ChaosCluster, leaveBytes: number, forMs: number) {
  const name = pick(cluster.running);
  const stop = cluster.supervise([name], async () => {
    await pause(startAgainAfterMs);
    // Why it could not is among its last words.
    await cluster.start(name).catch(() => {});
  });
  await whileFilled(cluster, name, leaveBytes, forMs);
  await untilReady(cluster, name);
  const deaths = await stop();
  return { name, lastWords: deaths.map((death) => death.lastWords) };
}

async function whileFilled(cluster: ChaosCluster, name: string, leaveBytes: number, forMs: number): Promise<void> {
  const storage = cluster.storage!;
  const endMs = performance.now() + forMs;
  try {
    while (performance.now() < endMs) {
      // Again and again: who cannot write may still remove.
      storage.fill(name, leaveBytes);
      await pause(lookEveryMs);
    }
  } finally {
    storage.empty(name);
  }
}

async function cutPower(cluster: ChaosCluster, names: readonly string[]): Promise<void> {
  const storage = cluster.storage!;
  for (const name of names) storage.slow(name, slowBeforeCutByMs);
  await pause(slowBeforeCutForMs);
  let lostBytes = 0;
  await killAndRestart(cluster, names, 500, (name) => {
    lostBytes += storage.cutPower(name);
    storage.slow(name, 0);
  });
  console.error(`the power went off at ${names.join(', ')}: ${lostBytes} bytes were written and not synced`);
}

export const storageFaults: readonly ChaosFault[] = [
  {
    name: 'disk-full',
    what: 'not a byte is free on the disk of a node for six seconds; when it ends, it is started again',
    needs: 'own disks',
    async run(cluster) {
      const { name, lastWords } = await fillSomeDisk(cluster, 0, fullForMs);
      console.error(`${name} ended ${lastWords.length} times on a full disk`);
      if (lastWords.length === 0) throw new Error(`${name} did not end, though nothing could be written`);
      const unclear = lastWords.find((words) => !saysFull.test(words));
      if (unclear !== undefined) throw new Error(`${name} ended and did not say that its disk is full: ${unclear}`);
    },
  },
  {
    name: 'disk-low',
    what: 'less than the reserve is free on the disk of a node for eight seconds',
    needs: 'own disks',
    async run(cluster) {
      const { name, lastWords } = await fillSomeDisk(cluster, lowBytes, lowForMs);
      if (lastWords.length > 0) throw new Error(`${name} ended: ${lastWords[0]}`);
      if (!cluster.diagnostics(name).includes('low disk')) throw new Error(`${name} did not say that its disk is low`);
    },
  },
  {
    name: 'slow-disk',
    what: 'each fsync of a node takes 300 ms longer for eight seconds',
    needs: 'sync shim',
    async run(cluster) {
      const name = pick(cluster.running);
      cluster.storage!.slow(name, slowByMs);
      await pause(slowForMs);
      cluster.storage!.slow(name, 0);
    },
  },
  {
    name: 'power-cut',
    what: 'kill -9 of a node, and what it had not synced is lost',
    needs: 'sync shim',
    run: (cluster) => cutPower(cluster, [pick(cluster.running)]),
  },
  {
    name: 'power-cut-all',
    what: 'the same of every node at the same moment',
    needs: 'sync shim',
    run: (cluster) => cutPower(cluster, cluster.running),
  },
];
