/** Load that touches every key once (or in rounds): for filling, and for waking what sleeps. Takes as long as it takes. */
import { Histogram } from './histogram.ts';
import type { LoadResult } from './load-result.ts';
import { Timeline } from './timeline.ts';

export interface EachOnce {
  readonly inFlight: number;
  /** How often each key is touched, round after round; default 1. */
  readonly rounds?: number;
  /** The first key; default 0. */
  readonly from?: number;
  /** Every `step`-th key; default 1. With `from`, the part of one of several generators. */
  readonly step?: number;
  /** Ends after this, whatever is left. Default: it takes as long as it takes. */
  readonly withinMs?: number;
  readonly sliceMs?: number;
}

/** @param once starts one operation. Its rejection is counted as an error, and the load goes on. */
export async function eachOnce(
  load: EachOnce,
  keyCount: number,
  once: (key: number) => Promise<unknown>,
): Promise<LoadResult> {
  const { inFlight, rounds = 1, from = 0, step = 1, withinMs = Number.POSITIVE_INFINITY } = load;
  const perRound = Math.max(0, Math.ceil((keyCount - from) / step));
  const total = perRound * rounds;
  const latency = new Histogram();
  const timeline = new Timeline(load.sliceMs);
  const beginMs = performance.now();
  let next = 0;
  let operations = 0;
  let errors = 0;
  let firstError: string | undefined;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < total; n = next++) {
      const startMs = performance.now();
      if (startMs - beginMs > withinMs) return;
      try {
        await once(from + (n % perRound) * step);
        const nowMs = performance.now();
        operations += 1;
        latency.record(nowMs - startMs);
        timeline.done(nowMs - beginMs, nowMs - startMs);
      } catch (error) {
        errors += 1;
        firstError ??= String(error);
        timeline.failed(performance.now() - beginMs);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, total) }, lane));
  const tookMs = performance.now() - beginMs;
  return { operations, errors, firstError, tookMs, unfinished: 0, latency, timeline };
}
