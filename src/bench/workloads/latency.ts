/** How long callers wait who come at their own pace: an open loop, at shares of what a closed loop found possible. */
import { type LoadResult, perSecond } from '../load/load-result.ts';
import type { Benchmark, Figure, NamedLatencies, NamedTimeline } from '../measure.ts';
import { asking, closed, persisted, scaled, touchAll, uniform, withCluster, withoutErrors } from './loads.ts';

const shares = [0.2, 0.5, 0.8] as const;
const warmUpMs = 500;
const durationMs = 4_000;
/** A tenth of what a node takes; beyond, the load itself would be what fails. */
const inFlightMax = 20_000;

export const latency: Benchmark = {
  name: 'latency',
  about:
    'persisted commands at a fixed rate, 20, 50 and 80 % of what 256 in flight reached just before; latency counts from when each was due (no coordinated omission)',
  isDurable: true,
  run: (context) =>
    withCluster(context, async (cluster) => {
      withoutErrors(await cluster.run(touchAll(persisted), 'api'));
      const figures: Figure[] = [];
      const timelines: NamedTimeline[] = [];
      const latencies: NamedLatencies[] = [];
      for (const [how, through] of [
        ['API', 'api'],
        ['HTTP', 'http'],
      ] as const) {
        context.progress(`capacity, ${how}`);
        const full = withoutErrors(await cluster.run(asking([persisted], uniform, closed(256, context)), through));
        for (const share of shares) {
          const title = `${how} at ${share * 100} %`;
          context.progress(title);
          const result = withoutErrors(
            await cluster.run(
              asking([persisted], uniform, {
                type: 'open',
                perSecond: Math.max(1, perSecond(full) * share),
                inFlightMax: through === 'http' ? 1_000 : inFlightMax,
                warmUpMs: scaled(warmUpMs, context.scale),
                durationMs: scaled(durationMs, context.scale),
              }),
              through,
            ),
          );
          figures.push(...figuresOf(title, result, perSecond(full) * share));
          timelines.push({ name: title, points: result.timeline.points(result.tookMs) });
          latencies.push({ name: title, latency: result.latency.toJSON() });
        }
      }
      return { figures, timelines, latencies };
    }),
};

function figuresOf(title: string, result: LoadResult, wanted: number): Figure[] {
  const { p50Ms, p99Ms, p999Ms, maxMs } = result.latency.summary();
  return [
    { name: `${title}: wanted`, unit: '/s', value: wanted },
    { name: `${title}: done`, unit: '/s', value: perSecond(result) },
    { name: `${title}: p50`, unit: 'ms', value: p50Ms },
    { name: `${title}: p99`, unit: 'ms', value: p99Ms },
    { name: `${title}: p99.9`, unit: 'ms', value: p999Ms },
    { name: `${title}: longest`, unit: 'ms', value: maxMs },
  ];
}
