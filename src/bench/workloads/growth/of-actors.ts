/** Whether a command costs the same when there are a thousand times as many actors and events. */

import type { ClusterUnderTest } from '../../cluster-under-test.ts';
import { perSecond } from '../../load/load-result.ts';
import type { BenchContext, Benchmark, Figure } from '../../measure.ts';
import { asking, closed, count, persisted, query, totalUsage, uniform, withCluster, withoutErrors } from '../loads.ts';

const smallest = 1_000;
/** Actors that stay busy while the others grow in number. */
const busyActors = 1_000;
/** Fewer than there are from the second step on, so that most actors sleep. */
const maxActive = 5_000;
/** A store is quiet that writes less than this in this time. */
const quietBytes = 256 * 1024;
const quietMs = 500;
const quietWithinMs = 60_000;

export const growthOfActors: Benchmark = {
  name: 'growth of actors',
  about:
    'cost of one command while actors (with one event each) grow from a thousand to a million: persisted by 1,000 busy actors, and queries that wake one of all; 256 in flight',
  isDurable: true,
  run: (context) =>
    withCluster(
      context,
      async (cluster) => {
        const figures: Figure[] = [];
        let filled = 0;
        for (const actors of steps(context)) {
          context.progress(`filling up to ${count(actors)} actors`);
          const all = { ...uniform, count: actors };
          const fill = asking([persisted], all, { type: 'each', inFlight: 4_096, from: filled });
          withoutErrors(await cluster.run(fill, 'api'));
          filled = actors;
          context.progress(`${count(actors)} actors: until LevelDB has put in order what was filled in`);
          await untilQuiet(cluster);
          context.progress(`${count(actors)} actors`);
          const busy = asking([persisted], { ...uniform, count: busyActors }, closed(256, context));
          const busyRate = perSecond(withoutErrors(await cluster.run(busy, 'api')));
          figures.push(cost('persisted by a busy actor', actors, busyRate));
          const anyone = asking([query], all, closed(256, context));
          figures.push(cost('query of any actor', actors, perSecond(withoutErrors(await cluster.run(anyone, 'api')))));
        }
        return { figures };
      },
      { maxActive },
    ),
};

/** Resolves when next to nothing is written any more, or that takes too long, or cannot be seen here. */
async function untilQuiet(cluster: ClusterUnderTest): Promise<void> {
  const written = async (): Promise<number> => (await totalUsage(cluster, 'writtenBytes')) ?? 0;
  let before = await written();
  for (const endMs = performance.now() + quietWithinMs; performance.now() < endMs; ) {
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const now = await written();
    if (now - before < quietBytes) return;
    before = now;
  }
}

/** Powers of ten up to the most that was asked for. */
function steps({ growthMax, scale }: BenchContext): number[] {
  const most = Math.max(smallest, Math.round(growthMax * Math.min(1, scale)));
  const all: number[] = [];
  for (let actors = smallest; actors <= most; actors *= 10) all.push(actors);
  return all;
}

function cost(what: string, actors: number, rate: number): Figure {
  const point = { plot: 'cost of a command as actors grow', series: what, x: actors };
  return { name: `${what}, among ${count(actors)}`, unit: 'µs', value: 1e6 / rate, point };
}
