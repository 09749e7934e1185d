/**
 * Load that keeps `inFlight` operations open: each lane starts its next one when its last one is answered. It finds
 * the rate a system can do. Its latencies say how long callers of a full system wait, and nothing about callers who
 * come at their own pace: when the system stalls, so does the load (that is `open-loop.ts`).
 */
import { Histogram } from './histogram.ts';
import type { LoadResult } from './load-result.ts';
import { Timeline } from './timeline.ts';

export interface ClosedLoop {
  readonly inFlight: number;
  /** Runs, and is not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** How many operations one call of `once` stands for; default 1. */
  readonly operationsEach?: number;
  /** The clock is read for one call of this many; default all. For operations that cost about as much as reading it. */
  readonly timedEvery?: number;
  readonly sliceMs?: number;
}

/** @param once starts one operation. Its rejection is counted as an error, and the load goes on. */
export async function closedLoop(loop: ClosedLoop, once: () => Promise<unknown>): Promise<LoadResult> {
  const { inFlight, warmUpMs, durationMs, operationsEach = 1, timedEvery = 1 } = loop;
  const latency = new Histogram();
  const timeline = new Timeline(loop.sliceMs);
  const beginMs = performance.now();
  let phase: 'warm-up' | 'measuring' | 'over' = warmUpMs > 0 ? 'warm-up' : 'measuring';
  let measuringMs = beginMs;
  let endedMs = beginMs;
  let started = 0;
  let done = 0;
  let errors = 0;
  let firstError: string | undefined;

  const look = (nowMs: number): void => {
    if (phase === 'warm-up' && nowMs >= beginMs + warmUpMs) {
      phase = 'measuring';
      measuringMs = nowMs;
    } else if (phase === 'measuring' && nowMs >= measuringMs + durationMs) {
      phase = 'over';
      endedMs = nowMs;
    }
  };
  const lane = async (): Promise<void> => {
    while (phase !== 'over') {
      const isTimed = started++ % timedEvery === 0;
      const startMs = isTimed ? performance.now() : 0;
      if (isTimed) look(startMs);
      const wasMeasuring = phase === 'measuring';
      let hasFailed = false;
      try {
        await once();
      } catch (error) {
        hasFailed = true;
        firstError ??= String(error);
      }
      const nowMs = isTimed ? performance.now() : 0;
      if (isTimed) look(nowMs);
      // What is answered after the end still tells how long it took, but does not add to the rate.
      const isCounted = phase === 'measuring';
      if (hasFailed) {
        if (wasMeasuring) errors += 1;
        if (isTimed && isCounted) timeline.failed(nowMs - measuringMs);
        continue;
      }
      if (isCounted) done += operationsEach;
      if (isTimed && wasMeasuring) latency.record(nowMs - startMs);
      if (isTimed && isCounted) timeline.done(nowMs - measuringMs, nowMs - startMs, operationsEach * timedEvery);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { operations: done, errors, firstError, tookMs: endedMs - measuringMs, unfinished: 0, latency, timeline };
}
