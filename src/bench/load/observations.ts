/**
 * What callers saw while something happened to the system: calls of an observed load, chosen by when they were due and
 * by the shard that they went to. Times are milliseconds since 1970.
 */
import { Histogram } from './histogram.ts';
import type { ObservedCalls } from './observed-load.ts';
import { Timeline, type TimelinePoint } from './timeline.ts';

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface CallSummary {
  readonly calls: number;
  readonly failed: number;
  /** Of those that ended well. */
  readonly latency: Histogram;
}

interface ObservedCall {
  readonly shard: number;
  readonly dueMs: number;
  readonly tookMs: number;
  readonly error: string | undefined;
}

export type WhichShards = (shard: number) => boolean;

const everyShard: WhichShards = () => true;

export class Observations {
  readonly #calls: readonly ObservedCall[];

  /** @param shardOf the shard that a key's actor is in */
  constructor(parts: readonly ObservedCalls[], shardOf: (key: number) => number) {
    this.#calls = parts
      .flatMap(({ keys, dueMs, tookMs, failures }) => {
        const errors = new Map(failures);
        return dueMs.map((due, index) => ({
          shard: shardOf(keys[index]!),
          dueMs: due,
          tookMs: tookMs[index]!,
          error: errors.get(index),
        }));
      })
      .sort((a, b) => a.dueMs - b.dueMs);
  }

  get count(): number {
    return this.#calls.length;
  }

  /** The calls that were due in the window. */
  within({ fromMs, toMs }: Window, which = everyShard): CallSummary {
    const latency = new Histogram();
    let calls = 0;
    let failed = 0;
    for (const { shard, dueMs, tookMs, error } of this.#calls) {
      if (dueMs < fromMs || dueMs >= toMs || !which(shard)) continue;
      calls += 1;
      if (error === undefined) latency.record(tookMs);
      else failed += 1;
    }
    return { calls, failed, latency };
  }

  /** How many calls failed, by what they failed with. */
  failures({ fromMs, toMs }: Window): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { dueMs, error } of this.#calls) {
      if (error !== undefined && dueMs >= fromMs && dueMs < toMs) counts.set(error, (counts.get(error) ?? 0) + 1);
    }
    return counts;
  }

  /** How many ended well in the window, per second. */
  donePerSecond({ fromMs, toMs }: Window, which = everyShard): number {
    let done = 0;
    for (const { shard, dueMs, tookMs, error } of this.#calls) {
      const endedMs = dueMs + tookMs;
      if (error === undefined && endedMs >= fromMs && endedMs < toMs && which(shard)) done += 1;
    }
    return toMs > fromMs ? (done * 1_000) / (toMs - fromMs) : 0;
  }

  /** The longest that a caller of this shard waited who was waiting at some moment of the window, failed calls too. */
  longestWaitMs(shard: number, { fromMs, toMs }: Window): number {
    let longest = 0;
    for (const call of this.#calls) {
      if (call.shard !== shard || call.dueMs >= toMs || call.dueMs + call.tookMs < fromMs) continue;
      longest = Math.max(longest, call.tookMs);
    }
    return longest;
  }

  /** When the first call ended well that was due after `sinceMs`; undefined if none did. */
  firstSuccessMs(shard: number, sinceMs: number): number | undefined {
    let first: number | undefined;
    for (const { shard: its, dueMs, tookMs, error } of this.#calls) {
      if (its !== shard || error !== undefined || dueMs < sinceMs) continue;
      first = Math.min(first ?? Number.POSITIVE_INFINITY, dueMs + tookMs);
    }
    return first;
  }

  /** What ended in each second of the window. */
  timeline({ fromMs, toMs }: Window, which = everyShard): readonly TimelinePoint[] {
    const timeline = new Timeline();
    for (const { shard, dueMs, tookMs, error } of this.#calls) {
      const endedMs = dueMs + tookMs;
      if (endedMs < fromMs || endedMs >= toMs || !which(shard)) continue;
      if (error === undefined) timeline.done(endedMs - fromMs, tookMs);
      else timeline.failed(endedMs - fromMs);
    }
    return timeline.points(toMs - fromMs);
  }
}
