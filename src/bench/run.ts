/** Runs benchmarks one after the other, in one process so that they compare, and reports as it goes. */

import { footprint } from './footprint.ts';
import { inMemory } from './in-memory.ts';
import { describeMachine } from './machine.ts';
import { type Benchmark, repeat } from './measure.ts';
import { overHttp } from './over-http.ts';
import { persisted } from './persisted.ts';
import type { BenchReport } from './report.ts';
import { wake } from './wake.ts';

export const benchmarks: readonly Benchmark[] = [inMemory, persisted, overHttp, wake, footprint];

/** What `greenroom bench <name>` stands for. */
export const benchGroups: Readonly<Record<string, readonly Benchmark[]>> = {
  throughput: [inMemory, persisted, overHttp],
  rehydrate: [wake],
  footprint: [footprint],
  all: benchmarks,
};

export interface BenchRun {
  readonly benchmarks: readonly Benchmark[];
  readonly repeats: number;
  /** 1 for full sizes. */
  readonly scale: number;
  /** Where data directories are made; default: the system's temporary directory. */
  readonly directory?: string | undefined;
  readonly version: string;
  readonly onProgress: (message: string) => void;
}

export async function runBenchmarks(run: BenchRun): Promise<BenchReport> {
  run.onProgress('measuring fsync');
  const machine = await describeMachine(run.directory);
  const results: { benchmark: string; about: string; figures: Awaited<ReturnType<typeof repeat>> }[] = [];
  for (const [index, benchmark] of run.benchmarks.entries()) {
    run.onProgress(`${benchmark.name} (${index + 1} of ${run.benchmarks.length}, ${run.repeats} repeats)`);
    const figures = await repeat(benchmark, run.repeats, run.scale, run.directory);
    results.push({ benchmark: benchmark.name, about: benchmark.about, figures });
  }
  return { greenroom: run.version, at: new Date().toISOString(), scale: run.scale, machine, results };
}
