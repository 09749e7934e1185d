/** Waking passivated actors by replay: rate and latency, by length of history; and a working set that does not fit. */
import type { LimitName } from '../limits/limit.ts';
import { perSecond } from '../load/load-result.ts';
import type { Call, Workload } from '../load/workload.ts';
import type { BenchContext, Benchmark, Figure } from '../measure.ts';
import { asking, closed, count, uniform, withCluster, withoutErrors, zipf } from './loads.ts';

const histories = [
  { events: 10, actors: 4_000 },
  { events: 100, actors: 1_000 },
  { events: 1_000, actors: 100 },
] as const;
const latencySamples = 500;
const maxActive = 2_000;
/** The working set is as many times what may be in memory. */
const overcommit = 10;

export const rehydrate: Benchmark = {
  name: 'rehydrate',
  about:
    'queries to passivated actors with 10, 100 and 1,000 events, replayed in full or from the newest snapshot, 256 in flight; latency one at a time',
  isDurable: false,
  async run(context) {
    const figures: Figure[] = [];
    for (const [actorType, how] of [
      ['Replayed', 'replay of all'],
      ['Counter', 'with snapshots'],
    ] as const) {
      for (const history of histories) {
        const actors = Math.max(10, Math.ceil(history.actors * context.scale));
        const title = `${count(history.events)} events, ${how}`;
        context.progress(title);
        figures.push(...(await wake(context, actorType, title, history.events, actors)));
      }
    }
    return { figures };
  },
};

export const workingSet: Benchmark = {
  name: 'working set',
  about: `persisted commands to ten times as many actors as may be in memory (${count(maxActive)} of ${count(maxActive * overcommit)}), 256 in flight`,
  isDurable: true,
  async run(context) {
    const actors = maxActive * overcommit;
    return withCluster(
      context,
      async (cluster) => {
        const call: Call = { actorType: 'Counter', command: 'add', input: 1 };
        const rounds = Math.max(1, Math.round(5 * context.scale));
        context.progress('filling');
        const fill = asking([call], { ...uniform, count: actors }, { type: 'each', inFlight: 1_024, rounds });
        withoutErrors(await cluster.run(fill, 'api'));
        const figures: Figure[] = [];
        for (const [name, keys] of [
          ['uniform', uniform],
          ['Zipf', zipf],
        ] as const) {
          context.progress(name);
          const load = closed(256, context);
          const result = withoutErrors(await cluster.run(asking([call], { ...keys, count: actors }, load), 'api'));
          figures.push({
            name: `persisted, ${name} keys`,
            unit: '/s',
            value: perSecond(result),
            limit: 'leveldbBatch256',
          });
          figures.push({ name: `… ${name} keys, p99`, unit: 'ms', value: result.latency.summary().p99Ms });
        }
        return { figures };
      },
      { maxActive },
    );
  },
};

async function wake(
  context: BenchContext,
  actorType: 'Replayed' | 'Counter',
  title: string,
  events: number,
  actors: number,
): Promise<Figure[]> {
  const directory = await context.directory();
  const keys = { count: actors, distribution: 'uniform' } as const;
  const each = (command: string, inFlight: number, rounds = 1): Workload => {
    const call: Call = command === 'add' ? { actorType, command, input: 1 } : { actorType, command };
    return asking([call], keys, { type: 'each', inFlight, rounds });
  };
  // Filled and restarted, so that every actor sleeps and nothing of it is in the node's memory.
  await withCluster(context, async (cluster) => withoutErrors(await cluster.run(each('add', 1_024, events), 'api')), {
    directory,
  });
  return withCluster(
    context,
    async (cluster) => {
      const result = withoutErrors(await cluster.run(each('get', 256), 'api'));
      const rate = perSecond(result);
      const point = { plot: 'wakes a second', series: title.slice(title.indexOf(',') + 2), x: events };
      const limit: LimitName = 'pointRead';
      const samples = Math.min(latencySamples, actors);
      for (let n = 0; n < samples; n++) await cluster.passivate(actorType, `c${n}`);
      const oneByOne = asking(
        [{ actorType, command: 'get' }],
        { ...keys, count: samples },
        { type: 'each', inFlight: 1 },
      );
      const { p50Ms, p99Ms } = withoutErrors(await cluster.run(oneByOne, 'api')).latency.summary();
      return [
        { name: `wake, ${title}`, unit: '/s', value: rate, limit, point },
        { name: `… ${title}, p50`, unit: 'ms', value: p50Ms },
        { name: `… ${title}, p99`, unit: 'ms', value: p99Ms },
      ];
    },
    { directory },
  );
}
