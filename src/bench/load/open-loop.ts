/**
 * Load at a fixed rate, whatever the system does, as callers in the world make it. Latency counts from the moment an
 * operation was *meant* to start: when the system stalls, or the generator itself is late, everything that was due
 * meanwhile has waited, and the figures say so. (Counting from the sending would leave exactly the bad moments out:
 * "coordinated omission".)
 *
 * At most `inFlightMax` are open; what is due beyond waits its turn, and its waiting counts.
 *
 * Source: Gil Tene, "How not to measure latency"; wrk2.
 */
import { Histogram } from './histogram.ts';
import type { LoadResult } from './load-result.ts';
import { Timeline } from './timeline.ts';

export interface OpenLoop {
  readonly perSecond: number;
  /** Runs, and is not counted. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly inFlightMax: number;
  /** How long the end is waited for. Beyond, what is open counts as unfinished, with the latency it has by then. */
  readonly drainMs?: number;
  readonly sliceMs?: number;
}

/** The clock and the turns of the loop, so that a test can hold them. */
export interface LoopTime {
  nowMs(): number;
  /** Resolves in a later turn, not much after. */
  turn(): Promise<void>;
}

const realTime: LoopTime = {
  nowMs: () => performance.now(),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

const drainDefaultMs = 5_000;

/**
 * @param once starts one operation, and is told when it was meant to start. Its rejection is counted as an error, and the
 *   load goes on.
 * @param isStopped ends the load before its time: nothing more becomes due, and what is open is waited for as usual
 */
export async function openLoop(
  loop: OpenLoop,
  once: (meantMs: number) => Promise<unknown>,
  time = realTime,
  isStopped = () => false,
): Promise<LoadResult> {
  const { perSecond, warmUpMs, durationMs, inFlightMax, drainMs = drainDefaultMs } = loop;
  const latency = new Histogram();
  const timeline = new Timeline(loop.sliceMs);
  const gapMs = 1_000 / perSecond;
  const beginMs = time.nowMs();
  const measuringMs = beginMs + warmUpMs;
  let total = Math.max(1, Math.floor((warmUpMs + durationMs) / gapMs));
  /** Meant starts of what is open. */
  const open = new Set<{ readonly meantMs: number }>();
  let started = 0;
  let done = 0;
  let errors = 0;
  let firstError: string | undefined;

  const settle = (one: { readonly meantMs: number }, error: unknown): void => {
    if (!open.delete(one) || one.meantMs < measuringMs) return;
    const nowMs = time.nowMs();
    if (error !== undefined) {
      errors += 1;
      firstError ??= String(error);
      timeline.failed(nowMs - measuringMs);
      return;
    }
    done += 1;
    latency.record(nowMs - one.meantMs);
    timeline.done(nowMs - measuringMs, nowMs - one.meantMs);
  };
  const start = (meantMs: number): void => {
    const one = { meantMs };
    open.add(one);
    once(meantMs).then(
      () => settle(one, undefined),
      (error) => settle(one, error ?? new Error('rejected without a reason')),
    );
  };

  let endMs = beginMs + warmUpMs + durationMs + drainMs;
  let stopsAtMs: number | undefined;
  while ((started < total || open.size > 0) && time.nowMs() < endMs) {
    const nowMs = time.nowMs();
    if (stopsAtMs === undefined && isStopped()) {
      stopsAtMs = nowMs;
      total = Math.min(total, Math.max(started, Math.floor((nowMs - beginMs) / gapMs)));
      endMs = Math.min(endMs, nowMs + drainMs);
    }
    while (started < total && open.size < inFlightMax && beginMs + started * gapMs <= nowMs) {
      start(beginMs + started * gapMs);
      started += 1;
    }
    await time.turn();
  }
  const stoppedMs = time.nowMs();
  let unfinished = 0;
  for (const one of [...open]) {
    open.delete(one);
    if (one.meantMs < measuringMs) continue;
    unfinished += 1;
    latency.record(stoppedMs - one.meantMs);
  }
  for (; started < total; started++) {
    const meantMs = beginMs + started * gapMs;
    if (meantMs < measuringMs) continue;
    unfinished += 1;
    latency.record(stoppedMs - meantMs);
  }
  const meantToTakeMs = stopsAtMs === undefined ? durationMs : Math.max(0, stopsAtMs - measuringMs);
  const tookMs = Math.max(meantToTakeMs, Math.min(stoppedMs, endMs) - measuringMs);
  return { operations: done, errors, firstError, tookMs, unfinished, latency, timeline };
}
