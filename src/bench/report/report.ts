/** A benchmark run as machines read it: the schema of `--json` and `--out`. */
import type { Limit } from '../limits/limit.ts';
import type { Machine } from '../machine.ts';
import type { SummedUp } from '../measure.ts';

/** Raised when a field changes its meaning or goes; new fields may come. */
export const reportSchema = 1;

export interface BenchReport {
  readonly schema: typeof reportSchema;
  /** The package's version. */
  readonly greenroom: string;
  /** The git commit, with a `+` if files differ from it; absent outside a checkout. */
  readonly revision?: string;
  /** When the run began, ISO 8601. */
  readonly at: string;
  readonly scale: number;
  readonly nodes: number;
  readonly replicas: number;
  readonly machine: Machine;
  /** Sampled before and after the benchmarks. Per second. */
  readonly limits: readonly Limit[];
  readonly results: readonly BenchResult[];
}

export interface BenchResult {
  readonly benchmark: string;
  readonly about: string;
  readonly figures: readonly ReportedFigure[];
  readonly timelines: SummedUp['timelines'];
  readonly latencies: SummedUp['latencies'];
}

export type ReportedFigure = SummedUp['figures'][number] & {
  /** The median as a share of the limit's median: 0.5 is half of it. */
  readonly shareOfLimit?: number;
};
