/** What actors cost while they do nothing, and what an event costs on its way to the disk and there. */
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterUnderTest } from '../cluster-under-test.ts';
import type { Workload } from '../load/workload.ts';
import type { Benchmark, Figure } from '../measure.ts';
import { asking, count, persisted, query, totalUsage, withCluster, withoutErrors } from './loads.ts';

const actorsInFull = 1_000_000;
const activeMax = 100_000;
/** What the user gave to be kept: the event's data as JSON. */
const payloadBytes = Buffer.byteLength(
  JSON.stringify({ by: 1, note: 'an event of a usual size carries about a hundred bytes of data with it…' }),
);

export const footprint: Benchmark = {
  name: 'footprint',
  about:
    'memory per idle actor, active and passivated; bytes on disk per event, and written to it per byte of event data; opening a directory with a million actors',
  isDurable: false,
  async run(context) {
    const directory = await context.directory();
    const actors = Math.max(1_000, Math.ceil(actorsInFull * context.scale));
    const active = Math.min(actors, activeMax);
    const options = { directory, maxActive: active };
    context.progress(`filling ${count(actors)} actors`);
    const figures: Figure[] = await withCluster(
      context,
      async (cluster) => {
        const before = await writtenBytes(cluster);
        withoutErrors(await cluster.run(each(persisted, actors), 'api'));
        const after = await writtenBytes(cluster);
        if (before === undefined || after === undefined || after === before) return [];
        const amplification = (after - before) / (actors * payloadBytes);
        return [{ name: 'bytes written per byte of event data', unit: '×', value: amplification }];
      },
      options,
    );
    const onDisk = await bytesBelow(directory);
    figures.push({ name: 'disk per event of 100 B', unit: 'B', value: onDisk / actors });

    context.progress('starting again');
    const startMs = performance.now();
    return withCluster(
      context,
      async (cluster) => {
        const openedMs = performance.now() - startMs;
        figures.push({ name: `start with ${count(actors)} actors on disk`, unit: 'ms', value: openedMs });
        // The first wakes also make what a node makes once.
        await passivateAll(cluster, await touched(cluster, Math.min(1_000, active)));
        context.progress('memory');
        const before = await heapBytes(cluster);
        await touched(cluster, active);
        const withActive = await heapBytes(cluster);
        await passivateAll(cluster, active);
        const after = await heapBytes(cluster);
        if (before === undefined || withActive === undefined || after === undefined) return { figures };
        figures.push({ name: 'memory per idle active actor', unit: 'B', value: (withActive - before) / active });
        const passivated = Math.max(0, after - before) / active;
        figures.push({ name: 'memory per passivated actor', unit: 'B', value: passivated });
        return { figures };
      },
      options,
    );
  },
};

function each(call: typeof persisted, actors: number): Workload {
  return asking([call], { count: actors, distribution: 'uniform' }, { type: 'each', inFlight: 4_096 });
}

async function touched(cluster: ClusterUnderTest, actors: number): Promise<number> {
  withoutErrors(await cluster.run(each(query, actors), 'api'));
  return actors;
}

async function passivateAll(cluster: ClusterUnderTest, actors: number): Promise<void> {
  for (let n = 0; n < actors; n++) await cluster.passivate('Counter', `c${n}`);
}

/** Over all nodes. */
async function heapBytes(cluster: ClusterUnderTest): Promise<number | undefined> {
  return totalUsage(cluster, 'heapBytes');
}

async function writtenBytes(cluster: ClusterUnderTest): Promise<number | undefined> {
  return totalUsage(cluster, 'writtenBytes');
}

/** A file that is removed while this looks takes no space. */
async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
