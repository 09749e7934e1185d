/** The plots of a benchmark run: what a table does not show at a glance. */
import { Histogram } from '../load/histogram.ts';
import { linePlot, type PlotSeries, shortNumber } from './line-plot.ts';
import type { BenchReport, BenchResult, ReportedFigure } from './report.ts';

export interface NamedPlot {
  /** For a file: `<name>.svg`. */
  readonly name: string;
  readonly svg: string;
}

/** Shares of the requests that are no slower; drawn by their distance to all of them. */
const percentiles = [0, 0.5, 0.9, 0.99, 0.999, 0.9999] as const;

export function reportPlots(report: BenchReport): readonly NamedPlot[] {
  return report.results.flatMap((result) => [
    ...figurePlots(result),
    ...latencyPlots(result),
    ...timelinePlots(result),
  ]);
}

function figurePlots({ figures }: BenchResult): NamedPlot[] {
  const plots = new Map<string, ReportedFigure[]>();
  for (const figure of figures) {
    if (figure.point) plots.set(figure.point.plot, [...(plots.get(figure.point.plot) ?? []), figure]);
  }
  return [...plots].map(([title, drawn]) => {
    const xs = [...new Set(drawn.map(({ point }) => point!.x))].sort((a, b) => a - b);
    const names = [...new Set(drawn.map(({ point }) => point!.series))];
    const series = names.map((name): PlotSeries => {
      const own = drawn.filter(({ point }) => point!.series === name);
      return { name, points: own.map(({ point, median }) => [point!.x, median]) };
    });
    return plot(title, {
      xLabel: xLabelOf(title),
      yLabel: drawn[0]!.unit === '/s' ? 'per second' : drawn[0]!.unit,
      xScale: 'log',
      yScale: 'log',
      xTicks: xs.map((at) => ({ at, label: at < 10_000 ? at.toLocaleString('en-US') : shortNumber(at) })),
      series,
    });
  });
}

function xLabelOf(title: string): string {
  if (title.includes('wakes')) return 'events in the history';
  if (title.includes('grow')) return 'actors';
  return title.includes('HTTP') ? 'connections' : 'commands in flight';
}

function latencyPlots({ benchmark, latencies }: BenchResult): NamedPlot[] {
  if (latencies.length === 0) return [];
  const series = latencies.map(({ name, latency }): PlotSeries => {
    const histogram = Histogram.from(latency);
    return { name, points: percentiles.map((share) => [1 / (1 - share), histogram.percentileMs(share)]) };
  });
  return [
    plot(`${benchmark}: latency by percentile`, {
      xLabel: 'percentile',
      yLabel: 'milliseconds',
      xScale: 'log',
      yScale: 'log',
      xTicks: percentiles.map((share) => ({ at: 1 / (1 - share), label: `${Number((share * 100).toFixed(2))} %` })),
      series,
    }),
  ];
}

function timelinePlots({ benchmark, timelines }: BenchResult): NamedPlot[] {
  // Of several runs drawn over each other, those of the first: the others did the same at about the same time.
  const xMarks = (timelines[0]?.marks ?? []).map(({ atMs, label }) => ({ at: atMs / 1_000, label }));
  return timelines.length === 0
    ? []
    : [
        plot(`${benchmark}: done in each second`, {
          xLabel: 'seconds',
          yLabel: 'per second',
          xMarks,
          series: timelines.map(({ name, points }) => ({
            name,
            points: points.map(({ atMs, perSecond }) => [atMs / 1_000, perSecond]),
          })),
        }),
        plot(`${benchmark}: p99 in each second`, {
          xLabel: 'seconds',
          yLabel: 'milliseconds',
          yScale: 'log',
          xMarks,
          series: timelines.map(({ name, points }) => ({
            name,
            points: points.map(({ atMs, p99Ms }) => [atMs / 1_000, p99Ms]),
          })),
        }),
      ];
}

function plot(title: string, rest: Omit<Parameters<typeof linePlot>[0], 'title'>): NamedPlot {
  const name = title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return { name, svg: linePlot({ title, ...rest }) };
}
