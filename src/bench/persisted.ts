/** Persisted commands: one event each, answered after fsync. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startNode } from '../start-node.ts';
import { Counter } from './actors.ts';
import { type Benchmark, closedLoop, type Measured } from './measure.ts';

const actorCount = 10_000;
const stride = 7_919;
const loads = [
  { inFlight: 1, total: 5_000 },
  { inFlight: 64, total: 80_000 },
  { inFlight: 256, total: 150_000 },
  { inFlight: 4_096, total: 200_000 },
] as const;

export const persisted: Benchmark = {
  name: 'persisted',
  about: 'commands that persist one event of 100 bytes, answered after fsync; 10,000 actors, one node, public API',
  isDurable: true,
  async run({ scale, directory }) {
    const data = await directory();
    const node = await startNode({ actors: [Counter], port: 0, httpPort: false, data });
    const measured: Measured[] = [];
    let events = 0;
    try {
      const refs = Array.from({ length: actorCount }, (_, index) => node.actor(Counter, `c${index}`));
      await closedLoop(Math.min(actorCount, 2_000), 256, (index) => refs[index]!.add(1));
      events += 2_000;
      for (const load of loads) {
        const total = Math.max(200, Math.ceil(load.total * scale));
        const rate = await closedLoop(total, load.inFlight, (index) => refs[(index * stride) % actorCount]!.add(1));
        events += total;
        measured.push({ name: `persisted command, ${load.inFlight} in flight`, unit: '/s', value: rate });
      }
      const total = Math.ceil(200_000 * scale);
      const rate = await closedLoop(total, 256, (index) => refs[(index * stride) % actorCount]!.get());
      measured.push({ name: 'query of a persistent actor, 256 in flight', unit: '/s', value: rate });
    } finally {
      await node.close();
    }
    measured.push({ name: 'disk per event of 100 B', unit: 'B', value: (await bytesBelow(data)) / events });
    return measured;
  },
};

export async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath ?? entry.path, entry.name))).size;
  }
  return bytes;
}
