/** Waking passivated actors by replay: rate and latency, by length of history, with and without snapshots. */
import type { ActorRef } from '../actors/actor.ts';
import { startNode } from '../start-node.ts';
import { Counter, Replayed } from './actors.ts';
import { type Benchmark, closedLoop, type Measured, percentile } from './measure.ts';

const histories = [
  { events: 10, actors: 4_000 },
  { events: 100, actors: 1_000 },
  { events: 1_000, actors: 100 },
] as const;
const latencySamples = 500;

export const wake: Benchmark = {
  name: 'wake',
  about: 'queries to passivated actors with 10, 100 and 1,000 events, replayed in full or from the newest snapshot',
  isDurable: false,
  async run({ scale, directory }) {
    const data = await directory();
    const measured: Measured[] = [];
    for (const type of [Replayed, Counter] as const) {
      const how = type === Replayed ? 'replay of all' : 'with snapshots';
      for (const { events, actors } of histories) {
        const count = Math.max(10, Math.ceil(actors * scale));
        const prefix = `${events}-`;
        let node = await startNode({ actors: [Replayed, Counter], port: 0, httpPort: false, data });
        const refs = (from: typeof node): ActorRef<Replayed>[] =>
          Array.from({ length: count }, (_, index) => from.actor(type as typeof Replayed, prefix + index));
        let targets = refs(node);
        await closedLoop(count * events, 1_024, (index) => targets[index % count]!.add(1));
        await node.close();
        node = await startNode({ actors: [Replayed, Counter], port: 0, httpPort: false, data });
        targets = refs(node);
        const rate = await closedLoop(count, 256, (index) => targets[index]!.get());
        measured.push({ name: `wake, ${events} events, ${how}`, unit: '/s', value: rate });
        if (events === 100) {
          const tookMs: number[] = [];
          for (let i = 0; i < Math.min(latencySamples, count); i++) {
            await node.gateway.passivate(type === Replayed ? 'Replayed' : 'Counter', (prefix + i) as never);
            const startMs = performance.now();
            await targets[i]!.get();
            tookMs.push(performance.now() - startMs);
          }
          tookMs.sort((a, b) => a - b);
          measured.push({ name: `its latency, p50 (${how})`, unit: 'ms', value: percentile(tookMs, 0.5) });
          measured.push({ name: `its latency, p99 (${how})`, unit: 'ms', value: percentile(tookMs, 0.99) });
        }
        await node.close();
      }
    }
    return measured;
  },
};
