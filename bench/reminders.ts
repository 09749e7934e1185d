/**
 * What a million reminders cost, on a real node with LevelDB: memory while they wait, and how soon they fire.
 *
 *     npm run bench:reminders -- [--reminders 1000000] [--warm 50000] [--due 10000] [--data <dir>]
 *
 * Memory is compared after a collection, between `--warm` registered (actors in memory at their limit) and all of them.
 * Resident memory also holds LevelDB's write buffers and block cache, which fill up to their fixed sizes meanwhile. Lateness is from the time a tick was meant for to the run of its command.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { durableState } from '../src/actors/actor.ts';
import { startNode } from '../src/start-node.ts';

const argv = process.argv.slice(2);
const option = (name: string, standard: number): number =>
  argv.includes(`--${name}`) ? Number(argv[argv.indexOf(`--${name}`) + 1]) : standard;
const reminderCount = option('reminders', 1_000_000);
const dueCount = option('due', 10_000);
const parent = argv.includes('--data') ? argv[argv.indexOf('--data') + 1]! : tmpdir();
const warmCount = option('warm', 50_000);
const inFlight = 2_048;

const latenessMs: number[] = [];

class Waiting extends durableState({ initialState: () => 0 }) {
  wait(at: number) {
    this.remind('tick', { at }).strike(at);
  }
  strike(at: number) {
    latenessMs.push(Date.now() - at);
    this.save(this.state + 1);
  }
}

async function memory(): Promise<{ heap: number; resident: number }> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await pause(200);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / 1_048_576, resident: rss / 1_048_576 };
}

const directory = mkdtempSync(join(parent, 'greenroom-bench-'));
const node = await startNode({
  actors: [Waiting],
  data: directory,
  port: 0,
  httpPort: false,
  maxActive: 10_000,
});
try {
  const register = async (from: number, to: number, at: number) => {
    let next = from;
    const one = async () => {
      while (next < to) await node.actor(Waiting, `waiting-${next++}`).wait(at);
    };
    await Promise.all(Array.from({ length: inFlight }, one));
  };
  const tomorrow = Date.now() + 86_400_000;
  await register(0, warmCount, tomorrow);
  const before = await memory();
  const startMs = performance.now();
  await register(warmCount, reminderCount, tomorrow);
  const seconds = (performance.now() - startMs) / 1_000;
  const after = await memory();
  const dueAt = Date.now() + 15_000;
  await register(reminderCount, reminderCount + dueCount, dueAt);
  while (latenessMs.length < dueCount && Date.now() < dueAt + 60_000) await pause(100);
  await pause(1_000);
  const sorted = latenessMs.toSorted((a, b) => a - b);
  console.log(
    JSON.stringify({
      reminders: reminderCount,
      registeredPerSecond: Math.round((reminderCount - warmCount) / seconds),
      heapGrowthMiB: Number((after.heap - before.heap).toFixed(1)),
      residentGrowthMiB: Number((after.resident - before.resident).toFixed(1)),
      due: dueCount,
      fired: sorted.length,
      latenessMs: { first: sorted[0], median: sorted[sorted.length >> 1], last: sorted.at(-1) },
    }),
  );
} finally {
  await node.close();
  rmSync(directory, { recursive: true, force: true });
}
