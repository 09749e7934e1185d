/**
 * What happened in each slice of time (a second, unless said otherwise): how much was done, what failed, how long it
 * took. This is what shows a pause, which an average over the whole run hides.
 */
import { Histogram, type HistogramData } from './histogram.ts';

export interface TimelinePoint {
  /** When the slice began, since the measuring did. */
  readonly atMs: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface TimelineData {
  readonly sliceMs: number;
  readonly slices: readonly { readonly done: number; readonly errors: number; readonly latency: HistogramData }[];
}

interface Slice {
  done: number;
  errors: number;
  readonly latency: Histogram;
}

/** An hour of seconds. What comes later is counted in the last slice. */
const slicesMax = 3_600;

export class Timeline {
  readonly sliceMs: number;
  readonly #slices: Slice[] = [];

  constructor(sliceMs = 1_000) {
    this.sliceMs = sliceMs;
  }

  static from(data: TimelineData): Timeline {
    const timeline = new Timeline(data.sliceMs);
    for (const { done, errors, latency } of data.slices)
      timeline.#slices.push({ done, errors, latency: Histogram.from(latency) });
    return timeline;
  }

  /** Something ended at `atMs` after the measuring began, and took `tookMs`. */
  done(atMs: number, tookMs: number, times = 1): void {
    const slice = this.#slice(atMs);
    slice.done += times;
    slice.latency.record(tookMs);
  }

  failed(atMs: number): void {
    this.#slice(atMs).errors += 1;
  }

  /** Adds what another process recorded over the same time. */
  add(other: Timeline): void {
    for (const [index, slice] of other.#slices.entries()) {
      const mine = this.#slice(index * this.sliceMs);
      mine.done += slice.done;
      mine.errors += slice.errors;
      mine.latency.add(slice.latency);
    }
  }

  /** One point per slice, also for those in which nothing happened. A last slice that lasted less than `tookMs` says is scaled up. */
  points(tookMs: number): readonly TimelinePoint[] {
    return this.#slices.map(({ done, errors, latency }, index) => {
      const atMs = index * this.sliceMs;
      const lengthMs = Math.min(this.sliceMs, Math.max(1, tookMs - atMs));
      const { p50Ms, p99Ms, maxMs } = latency.summary();
      return { atMs, perSecond: (done * 1_000) / lengthMs, errors, p50Ms, p99Ms, maxMs };
    });
  }

  toJSON(): TimelineData {
    return {
      sliceMs: this.sliceMs,
      slices: this.#slices.map(({ done, errors, latency }) => ({ done, errors, latency: latency.toJSON() })),
    };
  }

  #slice(atMs: number): Slice {
    const index = Math.min(slicesMax - 1, Math.max(0, Math.floor(atMs / this.sliceMs)));
    while (this.#slices.length <= index) this.#slices.push({ done: 0, errors: 0, latency: new Histogram() });
    return this.#slices[index]!;
  }
}
