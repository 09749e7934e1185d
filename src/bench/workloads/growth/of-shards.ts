/** Whether a command costs the same on sixteen times as many shards, and what shards cost while nothing happens. */
import { setTimeout as pause } from 'node:timers/promises';
import { perSecond } from '../../load/load-result.ts';
import type { BenchContext, Benchmark, Figure } from '../../measure.ts';
import { asking, closed, persisted, scaled, touchAll, uniform, withCluster, withoutErrors } from '../loads.ts';

const shardCounts = [64, 256, 1_024] as const;
/** After its start a node compiles, collects and flushes for a while. */
const restMs = 4_000;
const idleMs = 4_000;

export const growthOfShards: Benchmark = {
  name: 'growth of shards',
  about:
    'one node with 64, 256 and 1,024 shards: cost of one persisted command (10,000 actors, 256 in flight), time to start with what was kept, and the processor while nothing happens',
  isDurable: true,
  async run(context) {
    const figures: Figure[] = [];
    for (const shards of shardCounts) figures.push(...(await measure(context, shards)));
    return { figures };
  },
};

async function measure(context: BenchContext, shards: number): Promise<readonly Figure[]> {
  const directory = await context.directory();
  context.progress(`${shards} shards`);
  const rate = await withCluster(
    context,
    async (cluster) => {
      withoutErrors(await cluster.run(touchAll(persisted), 'api'));
      return perSecond(withoutErrors(await cluster.run(asking([persisted], uniform, closed(256, context)), 'api')));
    },
    { directory, shards },
  );
  const startedMs = performance.now();
  return withCluster(
    context,
    async () => {
      const startMs = performance.now() - startedMs;
      await pause(scaled(restMs, context.scale));
      const before = process.cpuUsage();
      const idleForMs = scaled(idleMs, context.scale);
      await pause(idleForMs);
      const { user, system } = process.cpuUsage(before);
      return [
        figure('persisted', 'µs', shards, 1e6 / rate),
        figure('start', 'ms', shards, startMs),
        figure('idle', '% of a core', shards, ((user + system) / 1_000 / idleForMs) * 100),
      ];
    },
    { directory, shards },
  );
}

function figure(what: string, unit: string, shards: number, value: number): Figure {
  const point = { plot: `one node as shards grow, ${unit}`, series: what, x: shards };
  return { name: `${what}, ${shards} shards`, unit, value, point };
}
