/** A benchmark run as people read it. */
import type { Machine } from '../machine.ts';
import type { NamedTimeline, Summary } from '../measure.ts';
import type { BenchReport, ReportedFigure } from './report.ts';

export function formatReport(report: BenchReport): string {
  const lines = [...machineLines(report)];
  if (report.limits.length > 0) {
    lines.push('', 'limits: what disk, wire and processor do by themselves, without actors');
    lines.push(...figureLines(report.limits));
  }
  for (const { benchmark, about, figures, timelines } of report.results) {
    lines.push('', `${benchmark}: ${about}`, ...figureLines(figures));
    for (const timeline of timelines) if (timeline.marks) lines.push('', ...timelineLines(timeline));
  }
  return lines.join('\n');
}

function machineLines({ machine, greenroom, revision, scale, nodes, replicas }: BenchReport): string[] {
  const version = `greenroom ${greenroom}${revision === undefined ? '' : ` (${revision})`}`;
  const size = `${nodes} node${nodes === 1 ? '' : 's'}, replicas ${replicas}`;
  return [
    `${version} · node ${machine.node} · ${machineName(machine)}`,
    `fsync of 256 B: p50 ${machine.fsyncMs.p50.toFixed(3)} ms, p99 ${machine.fsyncMs.p99.toFixed(3)} ms · ${size}${scale === 1 ? '' : ` · scale ${scale}: sizes and durations reduced`}`,
  ];
}

export function machineName({ cores, processor, memoryGiB, system }: Machine): string {
  return `${cores} × ${processor} · ${memoryGiB} GiB · ${system}`;
}

function figureLines(figures: readonly (Summary & Pick<ReportedFigure, 'limit' | 'shareOfLimit'>)[]): string[] {
  const width = Math.max(0, ...figures.map(({ name }) => name.length));
  return figures.map(({ name, unit, median, min, max, repeats, limit, shareOfLimit }) => {
    const format = unit === '' ? formatCount : formatNumber;
    const spread = repeats > 1 ? `${format(min)} … ${format(max)}` : '';
    const share = shareOfLimit === undefined ? '' : `${formatShare(shareOfLimit)} of ${limit}`;
    return `  ${name.padEnd(width)}  ${format(median).padStart(10)} ${unit.padEnd(4)}  ${spread.padEnd(22)} ${share}`.trimEnd();
  });
}

function timelineLines({ name, points, marks = [] }: NamedTimeline): string[] {
  return [
    `  ${name}, second by second:   done/s  failed   p50 ms   p99 ms   max ms`,
    ...points.map(({ atMs, perSecond, errors, p50Ms, p99Ms, maxMs }, index) => {
      const endMs = points[index + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      const labels = marks.filter((mark) => mark.atMs >= atMs && mark.atMs < endMs).map(({ label }) => label);
      const cells = [formatNumber(perSecond), String(errors), ...[p50Ms, p99Ms, maxMs].map(formatNumber)];
      const second = `${Math.round(atMs / 1_000)} s`.padStart(name.length + 20);
      return `  ${second} ${cells.map((cell) => cell.padStart(8)).join(' ')}   ${labels.join(', ')}`.trimEnd();
    }),
  ];
}

/** Of things that are counted, a median between two numbers included. */
function formatCount(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

export function formatNumber(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
}

export function formatShare(share: number): string {
  return share >= 0.1 ? `${Math.round(share * 100)} %` : `${(share * 100).toFixed(1)} %`;
}
