/**
 * How a benchmark is described, repeated and summed up. Each repeat stands alone (its own nodes and directory);
 * the median is what counts, minimum and maximum say how noisy the machine was.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StartChangingCluster, StartCluster } from './cluster-under-test.ts';
import type { LimitName } from './limits/limit.ts';
import type { HistogramData } from './load/histogram.ts';
import type { TimelinePoint } from './load/timeline.ts';

/** Where a figure stands in a plot. */
export interface PlotPoint {
  /** The plot's name; figures that share it are drawn together. */
  readonly plot: string;
  readonly series: string;
  readonly x: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it cannot exceed: it is printed as a share of that. Both are per second. */
  readonly limit?: LimitName;
  readonly point?: PlotPoint;
}

/** Something that was done to the system, or that it did. */
export interface TimelineMark {
  readonly atMs: number;
  readonly label: string;
}

/** A run over time, of one repeat. */
export interface NamedTimeline {
  readonly name: string;
  readonly points: readonly TimelinePoint[];
  /** With them, it is printed too, second by second. */
  readonly marks?: readonly TimelineMark[];
}

/** All latencies of one load, of one repeat. */
export interface NamedLatencies {
  readonly name: string;
  readonly latency: HistogramData;
}

export interface Measurements {
  readonly figures: readonly Figure[];
  readonly timelines?: readonly NamedTimeline[];
  readonly latencies?: readonly NamedLatencies[];
}

/** What a run may use. */
export interface BenchContext {
  /** 1 for the full sizes and durations; smaller for a quick look. */
  readonly scale: number;
  /** The most actors or events that a benchmark of growth makes. */
  readonly growthMax: number;
  readonly nodes: number;
  readonly replicas: number;
  /** Shards of a cluster; undefined: as many as usual. */
  readonly shards: number | undefined;
  /** Calls a second where the load is at a fixed rate. */
  readonly rate: number;
  /** How often `failover` kills a node. */
  readonly rounds: number;
  readonly startCluster: StartCluster;
  /** A cluster whose nodes can be killed, started again, and become more. */
  readonly startChanging: StartChangingCluster;
  /** An empty directory that is removed afterwards. */
  directory(): Promise<string>;
  progress(message: string): void;
}

export interface Benchmark {
  readonly name: string;
  /** One sentence: what is done, and what it is durable on. */
  readonly about: string;
  /** Whether its figures depend on the disk's fsync. */
  readonly isDurable: boolean;
  run(context: BenchContext): Promise<Measurements>;
}

export interface Summary {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly repeats: number;
}

export interface SummedUp {
  readonly figures: readonly (Summary & Pick<Figure, 'limit' | 'point'>)[];
  /** Of the last repeat. */
  readonly timelines: readonly NamedTimeline[];
  readonly latencies: readonly NamedLatencies[];
}

export async function repeat(
  benchmark: Benchmark,
  repeats: number,
  context: Omit<BenchContext, 'directory'>,
  parent: string | undefined,
): Promise<SummedUp> {
  const series = new Map<string, { readonly figure: Figure; readonly values: number[] }>();
  let last: Measurements = { figures: [] };
  for (let i = 1; i <= repeats; i++) {
    const made: string[] = [];
    const directory = async () => {
      const path = await mkdtemp(join(parent ?? tmpdir(), 'greenroom-bench-'));
      made.push(path);
      return path;
    };
    const progress = (message: string) =>
      context.progress(`${benchmark.name}, ${message}${repeats > 1 ? ` (repeat ${i} of ${repeats})` : ''}`);
    try {
      last = await benchmark.run({ ...context, directory, progress });
      for (const figure of last.figures) {
        const known = series.get(figure.name) ?? { figure, values: [] };
        known.values.push(figure.value);
        series.set(figure.name, known);
      }
    } finally {
      for (const path of made) await rm(path, { recursive: true, force: true });
    }
  }
  const figures = [...series].map(([name, { figure, values }]) => {
    const { unit, limit, point } = figure;
    return { ...summarize(name, unit, values), ...(limit ? { limit } : {}), ...(point ? { point } : {}) };
  });
  return { figures, timelines: last.timelines ?? [], latencies: last.latencies ?? [] };
}

export function summarize(name: string, unit: string, values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { name, unit, median, min: sorted[0]!, max: sorted.at(-1)!, repeats: sorted.length };
}
