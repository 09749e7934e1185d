/**
 * A log-linear histogram of latencies: 128 buckets of equal width per power of two, from a nanosecond to hours, in a
 * fixed 21 KiB. Recording is a few instructions and never allocates, so that measuring does not disturb what is measured.
 *
 * Invariant: a percentile is within 1/256 (0.4 %) of a value that was recorded; minimum and maximum are exact.
 *
 * Source: HdrHistogram (Gil Tene), reduced to a fixed precision.
 */
import { assert } from '../../core/assert.ts';

/** Buckets per power of two are 2 to this. */
const precisionBits = 7;
const bucketsPerOctave = 1 << precisionBits;
/** 2^45 ns is more than nine hours; what is longer counts as that. */
const octaves = 45;
const bucketCount = (octaves - precisionBits + 1) * bucketsPerOctave;
const largestNs = 2 ** octaves - 1;
const nsPerMs = 1e6;

/** A histogram between processes: buckets that are not empty. */
export interface HistogramData {
  readonly buckets: readonly (readonly [index: number, count: number])[];
  readonly sumNs: number;
  readonly minNs: number;
  readonly maxNs: number;
}

/** What is usually printed of one. Milliseconds; zeros if nothing was recorded. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class Histogram {
  readonly #counts = new Uint32Array(bucketCount);
  #count = 0;
  #sumNs = 0;
  #minNs = Number.POSITIVE_INFINITY;
  #maxNs = 0;

  static from(data: HistogramData): Histogram {
    const histogram = new Histogram();
    for (const [index, count] of data.buckets) {
      assert(index >= 0 && index < bucketCount, () => `a bucket is one of ${bucketCount}, got ${index}`);
      histogram.#counts[index]! += count;
      histogram.#count += count;
    }
    histogram.#sumNs = data.sumNs;
    histogram.#minNs = histogram.#count > 0 ? data.minNs : Number.POSITIVE_INFINITY;
    histogram.#maxNs = data.maxNs;
    return histogram;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds one latency, `times` times. What is negative (a clock that stepped back) counts as zero. */
  record(ms: number, times = 1): void {
    const ns = Math.min(largestNs, Math.max(0, Math.round(ms * nsPerMs)));
    this.#counts[bucketOf(ns)]! += times;
    this.#count += times;
    this.#sumNs += ns * times;
    if (ns < this.#minNs) this.#minNs = ns;
    if (ns > this.#maxNs) this.#maxNs = ns;
  }

  /** Adds everything that another one holds. */
  add(other: Histogram): void {
    for (let i = 0; i < bucketCount; i++) this.#counts[i]! += other.#counts[i]!;
    this.#count += other.#count;
    this.#sumNs += other.#sumNs;
    this.#minNs = Math.min(this.#minNs, other.#minNs);
    this.#maxNs = Math.max(this.#maxNs, other.#maxNs);
  }

  /** The latency in milliseconds that `share` (0 to 1) of what was recorded does not exceed; 0 if there is nothing. */
  percentileMs(share: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    if (rank >= this.#count) return this.#maxNs / nsPerMs;
    let seen = 0;
    for (let i = 0; i < bucketCount; i++) {
      seen += this.#counts[i]!;
      if (seen >= rank) return Math.min(this.#maxNs, Math.max(this.#minNs, middleOf(i))) / nsPerMs;
    }
    return this.#maxNs / nsPerMs;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      meanMs: this.#count === 0 ? 0 : this.#sumNs / this.#count / nsPerMs,
      p50Ms: this.percentileMs(0.5),
      p90Ms: this.percentileMs(0.9),
      p99Ms: this.percentileMs(0.99),
      p999Ms: this.percentileMs(0.999),
      maxMs: this.#maxNs / nsPerMs,
    };
  }

  toJSON(): HistogramData {
    const buckets: [number, number][] = [];
    for (let i = 0; i < bucketCount; i++) if (this.#counts[i]! > 0) buckets.push([i, this.#counts[i]!]);
    return { buckets, sumNs: this.#sumNs, minNs: this.#count > 0 ? this.#minNs : 0, maxNs: this.#maxNs };
  }
}

/** Values below 256 ns have a bucket each; above, the seven bits after the highest choose it. */
function bucketOf(ns: number): number {
  if (ns < 2 * bucketsPerOctave) return ns;
  const bits = ns < 2 ** 31 ? 31 - Math.clz32(ns) : 31 + highBitOf(ns / 2 ** 31);
  const shift = bits - precisionBits;
  return shift * bucketsPerOctave + Math.floor(ns / 2 ** shift);
}

function highBitOf(value: number): number {
  return 31 - Math.clz32(Math.floor(value));
}

function middleOf(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / bucketsPerOctave) - 1);
  return (bucket - shift * bucketsPerOctave) * 2 ** shift + (2 ** shift - 1) / 2;
}
