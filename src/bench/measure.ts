/**
 * How a benchmark is described, repeated and summed up. Each repeat stands alone (its own node and directory where
 * it has one); the median is what counts, minimum and maximum say how noisy the machine was.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** What a run may use. */
export interface BenchContext {
  /** 1 for the full sizes; smaller for a quick look. */
  readonly scale: number;
  /** An empty directory that is removed afterwards. */
  directory(): Promise<string>;
}

export interface Benchmark {
  readonly name: string;
  /** One sentence: what is done, and what it is durable on. */
  readonly about: string;
  /** Whether its figures depend on the disk's fsync. */
  readonly isDurable: boolean;
  run(context: BenchContext): Promise<readonly Measured[]>;
}

export interface Summary {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly repeats: number;
}

export async function repeat(
  benchmark: Benchmark,
  repeats: number,
  scale: number,
  parent: string | undefined,
): Promise<readonly Summary[]> {
  const series = new Map<string, { unit: string; values: number[] }>();
  for (let i = 0; i < repeats; i++) {
    const made: string[] = [];
    const directory = async () => {
      const path = await mkdtemp(join(parent ?? tmpdir(), 'greenroom-bench-'));
      made.push(path);
      return path;
    };
    try {
      for (const { name, unit, value } of await benchmark.run({ scale, directory })) {
        const known = series.get(name) ?? { unit, values: [] };
        known.values.push(value);
        series.set(name, known);
      }
    } finally {
      for (const path of made) await rm(path, { recursive: true, force: true });
    }
  }
  return [...series].map(([name, { unit, values }]) => summarize(name, unit, values));
}

export function summarize(name: string, unit: string, values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { name, unit, median, min: sorted[0]!, max: sorted.at(-1)!, repeats: sorted.length };
}

/** Runs `once` `total` times with `inFlight` of them open at any moment. Returns how many per second. */
export async function closedLoop(
  total: number,
  inFlight: number,
  once: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const startMs = performance.now();
  const lane = async () => {
    for (let index = next++; index < total; index = next++) await once(index);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, total) }, lane));
  return (total * 1_000) / (performance.now() - startMs);
}

export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
