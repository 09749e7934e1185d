/** A load of persisted commands on a cluster that is changed under it: what `rebalance` and `failover` have in common. */
import { setTimeout as sleep } from 'node:timers/promises';
import { actorHash } from '../../core/hash.ts';
import { MapWatch, nowMs } from '../cluster-map.ts';
import { type ChangingCluster, type NodeUnderTest, urlOf } from '../cluster-under-test.ts';
import { Histogram } from '../load/histogram.ts';
import { Observations, type Window } from '../load/observations.ts';
import type { BenchContext, Figure } from '../measure.ts';
import { asking, persisted, scaledActors, withoutErrors } from './loads.ts';

const idPrefix = 'c';
const inFlightMax = 20_000;
/** It is stopped long before. */
const longestLoadMs = 60 * 60_000;
export const settledWithinMs = 180_000;

export interface ObservedRun {
  readonly watch: MapWatch;
  /** Lets time pass under the load. */
  quietly(ms: number): Promise<Window>;
  /** Ends the load, and says what it saw. */
  end(): Promise<Observations>;
  /** Ends everything, in whatever state it is. Idempotent. */
  abandon(): Promise<void>;
}

/** Gives every actor a history of `rounds` events. */
export async function fill(cluster: ChangingCluster, context: BenchContext, rounds: number): Promise<void> {
  context.progress('filling');
  const keys = { count: scaledActors(context), distribution: 'uniform' } as const;
  const load = { type: 'each', inFlight: 1_024, rounds } as const;
  withoutErrors(await cluster.run(asking([persisted], keys, load, idPrefix), 'api'));
}

/** Begins the load, with callers in the nodes `on`, and follows the map through them. */
export async function observeCluster(
  cluster: ChangingCluster,
  context: BenchContext,
  on: readonly NodeUnderTest[],
  lookEveryMs: number,
): Promise<ObservedRun> {
  const urls = on.map(urlOf);
  const watch = new MapWatch(() => urls, lookEveryMs);
  const keys = { count: scaledActors(context), distribution: 'uniform' } as const;
  const load = { type: 'open', perSecond: context.rate, inFlightMax, warmUpMs: 0, durationMs: longestLoadMs } as const;
  const observed = await cluster.observe(
    asking([persisted], keys, load, idPrefix),
    on.map(({ name }) => name),
  );
  let stopping: ReturnType<typeof observed.stop> | undefined;
  const stop = () => {
    stopping ??= observed.stop();
    return stopping;
  };
  return {
    watch,
    quietly: async (ms) => {
      const fromMs = nowMs();
      await sleep(ms);
      return { fromMs, toMs: nowMs() };
    },
    end: async () => {
      const calls = await stop();
      await watch.stop();
      const shards = watch.last!.view.shards.length;
      return new Observations(calls, (key) => actorHash(persisted.actorType, `${idPrefix}${key}`) % shards);
    },
    abandon: async () => {
      await watch.stop();
      await stop().catch(() => undefined);
    },
  };
}

/** p50, p99 and the longest of some pauses. */
export function pauseFigures(name: string, pausesMs: readonly number[]): Figure[] {
  if (pausesMs.length === 0) return [];
  const { p50Ms, p99Ms, maxMs } = spreadOf(pausesMs);
  return [
    { name: `${name}, p50`, unit: 'ms', value: p50Ms },
    { name: `${name}, p99`, unit: 'ms', value: p99Ms },
    { name: `${name}, longest`, unit: 'ms', value: maxMs },
  ];
}

export function spreadOf(valuesMs: readonly number[]) {
  const histogram = new Histogram();
  for (const value of valuesMs) histogram.record(value);
  return histogram.summary();
}

export function failedFigures(name: string, seen: Observations, window: Window): Figure[] {
  const failures = [...seen.failures(window)].sort(([, a], [, b]) => b - a);
  const total = failures.reduce((sum, [, times]) => sum + times, 0);
  return [
    { name: `${name}: calls that failed`, unit: '', value: total },
    ...failures.slice(0, failureKindsMax).map(([error, times]) => ({
      name: `… ${name}: ${error.replace(/\s+/g, ' ').slice(0, failureCharactersMax)}`,
      unit: '',
      value: times,
    })),
  ];
}

const failureKindsMax = 5;
const failureCharactersMax = 100;
