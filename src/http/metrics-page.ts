/**
 * `GET /metrics`: the Prometheus text format, version 0.0.4. Written here, because all that is needed is a list of
 * numbers as they are now, and because the default metrics of the usual library do not pass its own linter.
 */
import type { MetricHistogram, MetricSample } from '../cluster/gateway.ts';

export const metricsMediaType = 'text/plain; version=0.0.4; charset=utf-8';

/** Series of one name are written together, under the help of the first, in the order they came. */
export function renderMetrics(series: readonly (MetricSample | MetricHistogram)[]): string {
  const families = new Map<string, (MetricSample | MetricHistogram)[]>();
  for (const one of series) {
    const family = families.get(one.name);
    if (family) family.push(one);
    else families.set(one.name, [one]);
  }
  let page = '';
  for (const [name, family] of families) {
    const { help, kind } = family[0]!;
    page += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`;
    for (const one of family) page += one.kind === 'histogram' ? renderHistogram(one) : renderSample(one);
  }
  return page;
}

function renderSample(sample: MetricSample): string {
  return `${sample.name}${renderLabels(sample.labels)} ${renderNumber(sample.value)}\n`;
}

function renderHistogram(histogram: MetricHistogram): string {
  const { name, labels } = histogram;
  let lines = '';
  for (const { le, count } of histogram.buckets) {
    if (le !== Number.POSITIVE_INFINITY) lines += bucket(name, labels, renderNumber(le), count);
  }
  lines += bucket(name, labels, '+Inf', histogram.count);
  lines += `${name}_sum${renderLabels(labels)} ${renderNumber(histogram.sum)}\n`;
  return `${lines}${name}_count${renderLabels(labels)} ${histogram.count}\n`;
}

function bucket(name: string, labels: MetricHistogram['labels'], le: string, count: number): string {
  return `${name}_bucket${renderLabels({ ...labels, le })} ${count}\n`;
}

function renderLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
