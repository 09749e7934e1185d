/** What a load found out, in a form that goes between processes and adds up over several of them. */
import { Histogram, type HistogramData } from './histogram.ts';
import { Timeline, type TimelineData } from './timeline.ts';

export interface LoadResult {
  /** Operations that ended, and ended well, while measuring. */
  readonly operations: number;
  readonly errors: number;
  /** The first error, for people. */
  readonly firstError: string | undefined;
  /** How long was measured. */
  readonly tookMs: number;
  /** Open loop: intended within the time, and not over when it had been waited for. */
  readonly unfinished: number;
  readonly latency: Histogram;
  readonly timeline: Timeline;
}

export interface LoadResultData extends Omit<LoadResult, 'latency' | 'timeline'> {
  readonly latency: HistogramData;
  readonly timeline: TimelineData;
}

export function perSecond(result: LoadResult): number {
  return result.tookMs > 0 ? (result.operations * 1_000) / result.tookMs : 0;
}

export function loadResultFrom(data: LoadResultData): LoadResult {
  return { ...data, latency: Histogram.from(data.latency), timeline: Timeline.from(data.timeline) };
}

/** For `send` between processes. */
export function loadResultData(result: LoadResult): LoadResultData {
  return { ...result, latency: result.latency.toJSON(), timeline: result.timeline.toJSON() };
}

/** Several generators that ran at the same time, as one. */
export function addedUp(results: readonly LoadResult[]): LoadResult {
  const latency = new Histogram();
  const timeline = new Timeline(results[0]?.timeline.sliceMs);
  let operations = 0;
  let errors = 0;
  let unfinished = 0;
  let tookMs = 0;
  for (const result of results) {
    latency.add(result.latency);
    timeline.add(result.timeline);
    operations += result.operations;
    errors += result.errors;
    unfinished += result.unfinished;
    tookMs = Math.max(tookMs, result.tookMs);
  }
  const firstError = results.find((result) => result.firstError !== undefined)?.firstError;
  return { operations, errors, firstError, tookMs, unfinished, latency, timeline };
}
