/** What actors cost while they do nothing: memory when active, nothing when passivated, and start-up with many on disk. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startNode } from '../start-node.ts';
import { Counter } from './actors.ts';
import { type Benchmark, closedLoop } from './measure.ts';

export const footprint: Benchmark = {
  name: 'footprint',
  about: 'memory per idle actor, active and passivated, and opening a directory with a million actors',
  isDurable: false,
  async run({ scale, directory }) {
    const data = await directory();
    const actors = Math.ceil(1_000_000 * scale);
    const active = Math.min(actors, 100_000);
    const options = { actors: [Counter], port: 0, httpPort: false as const, data, maxActive: active };
    let node = await startNode(options);
    await closedLoop(actors, 4_096, (index) => node.actor(Counter, `c${index}`).add(1));
    await node.close();

    const collect = garbageCollector();
    const startMs = performance.now();
    node = await startNode(options);
    const openedMs = performance.now() - startMs;
    await closedLoop(1_000, 256, (index) => node.actor(Counter, `c${index}`).get());
    await passivateAll(node, 1_000);
    const before = collect();
    await closedLoop(active, 1_024, (index) => node.actor(Counter, `c${index}`).get());
    const withActive = collect();
    await passivateAll(node, active);
    const after = collect();
    await node.close();
    return [
      { name: `start with ${actors} actors on disk`, unit: 'ms', value: openedMs },
      { name: 'memory per idle active actor', unit: 'B', value: (withActive - before) / active },
      { name: 'memory per passivated actor', unit: 'B', value: Math.max(0, after - before) / active },
    ];
  },
};

async function passivateAll(node: Awaited<ReturnType<typeof startNode>>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await node.gateway.passivate('Counter', `c${i}` as never);
}

/** Collects garbage and returns the bytes that remain on the heap. */
function garbageCollector(): () => number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return () => {
    collect();
    collect();
    return process.memoryUsage().heapUsed;
  };
}
