/** A benchmark run as people and as machines read it. */
import type { Machine } from './machine.ts';
import type { Summary } from './measure.ts';

export interface BenchReport {
  readonly greenroom: string;
  readonly at: string;
  readonly scale: number;
  readonly machine: Machine;
  readonly results: readonly {
    readonly benchmark: string;
    readonly about: string;
    readonly figures: readonly Summary[];
  }[];
}

export function formatReport(report: BenchReport): string {
  const { machine } = report;
  const lines = [
    `greenroom ${report.greenroom} · node ${machine.node} · ${machine.cores} × ${machine.processor} · ${machine.memoryGiB} GiB · ${machine.system}`,
    `fsync of 256 B: p50 ${machine.fsyncMs.p50.toFixed(3)} ms, p99 ${machine.fsyncMs.p99.toFixed(3)} ms${report.scale === 1 ? '' : ` · scale ${report.scale}: sizes reduced`}`,
  ];
  for (const { benchmark, about, figures } of report.results) {
    lines.push('', `${benchmark}: ${about}`);
    const width = Math.max(...figures.map(({ name }) => name.length));
    for (const { name, unit, median, min, max, repeats } of figures) {
      const spread = repeats > 1 ? `   (${formatNumber(min)} … ${formatNumber(max)}, ${repeats} repeats)` : '';
      lines.push(`  ${name.padEnd(width)}  ${formatNumber(median).padStart(10)} ${unit}${spread}`);
    }
  }
  return lines.join('\n');
}

function formatNumber(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
}
