/**
 * What several repeats of one run measured, summed up and compared: the median of each figure with its spread, and how many
 * times a peer's rate Greenroom's is. As text for people; as it is, for machines.
 */
import { type Summary, summarize } from '../../src/bench/measure.ts';
import { formatNumber } from '../../src/bench/report/text-report.ts';
import type { OwnFigure, PeerRate } from './peer.ts';

/** One system, measured once. */
export interface Measured {
  readonly name: string;
  readonly version: string;
  readonly operation: string;
  readonly guarantees: string;
  /** Of Greenroom: what it is. Peers have none. */
  readonly figure?: OwnFigure;
  readonly comparedWith: readonly OwnFigure[];
  /** Empty if it was skipped or failed. */
  readonly rates: readonly PeerRate[];
  /** Why it was not measured. */
  readonly skipped?: string;
}

/** The same load in all repeats. */
export interface LoadSummary {
  readonly inFlight: number;
  readonly perSecond: Summary;
  readonly p50Ms: Summary;
  readonly p99Ms: Summary;
}

/** Greenroom's median rate by the peer's; above 1 Greenroom is faster. */
export interface Ratio {
  readonly figure: OwnFigure;
  readonly inFlight: number;
  readonly times: number;
}

export interface Row extends Omit<Measured, 'rates'> {
  readonly loads: readonly LoadSummary[];
  readonly ratios: readonly Ratio[];
}

/** One row a system, in the order in which they first come. One that was measured at least once counts as measured. */
export function compare(measured: readonly Measured[]): readonly Row[] {
  const summaries = grouped(measured, ({ name }) => name).map(([, repeats]) => ({ repeats, loads: summed(repeats) }));
  return summaries.map(({ repeats, loads }) => {
    const { rates: _, skipped, ...rest } = repeats.find(({ rates }) => rates.length > 0) ?? repeats[0]!;
    const ratios = rest.comparedWith.flatMap((figure) => {
      const own = summaries.find((one) => one.repeats[0]!.figure === figure)?.loads ?? [];
      return ratiosOf(figure, own, loads);
    });
    return { ...rest, ...(skipped === undefined ? {} : { skipped }), loads, ratios };
  });
}

function summed(repeats: readonly Measured[]): readonly LoadSummary[] {
  const all = repeats.flatMap(({ rates }) => rates);
  return grouped(all, ({ inFlight }) => inFlight).map(([inFlight, rates]) => {
    const of = (name: string, unit: string, value: (rate: PeerRate) => number) =>
      summarize(name, unit, rates.map(value));
    return {
      inFlight,
      perSecond: of('rate', '/s', ({ perSecond }) => perSecond),
      p50Ms: of('p50', 'ms', ({ p50Ms }) => p50Ms),
      p99Ms: of('p99', 'ms', ({ p99Ms }) => p99Ms),
    };
  });
}

function ratiosOf(figure: OwnFigure, own: readonly LoadSummary[], peer: readonly LoadSummary[]): readonly Ratio[] {
  return peer.flatMap(({ inFlight, perSecond }) => {
    const same = own.find((load) => load.inFlight === inFlight);
    return same ? [{ figure, inFlight, times: same.perSecond.median / perSecond.median }] : [];
  });
}

/** Rates as medians, the spread of the last load below it, and the ratios by load in the order of the columns. */
export function formatComparison(rows: readonly Row[], inFlights: readonly number[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const head = inFlights.map((n) => `${n}`.padStart(26)).join('');
  const lines = [`${'per second, median and spread'.padEnd(width)}${head}   Greenroom is`];
  for (const { name, loads, ratios, skipped } of rows) {
    if (skipped !== undefined) {
      lines.push(`${name.padEnd(width)}  ${skipped}`);
      continue;
    }
    const cells = inFlights.map((n) => rateCell(loads.find(({ inFlight }) => inFlight === n)).padStart(26)).join('');
    lines.push(`${name.padEnd(width)}${cells}   ${ratioText(ratios)}`.trimEnd());
  }
  lines.push('', 'What an answer guarantees:');
  for (const { name, version, guarantees, skipped } of rows)
    if (skipped === undefined) lines.push(`  ${name} (${version}): ${guarantees}`);
  return lines.join('\n');
}

function rateCell(load: LoadSummary | undefined): string {
  if (!load) return '–';
  const { median, min, max, repeats } = load.perSecond;
  return repeats > 1
    ? `${formatNumber(median)} (${formatNumber(min)} … ${formatNumber(max)})`
    : `${formatNumber(median)}`;
}

function ratioText(ratios: readonly Ratio[]): string {
  return grouped(ratios, ({ figure }) => figure)
    .map(([figure, each]) => `${each.map(({ times }) => `${times.toPrecision(2)}×`).join(' / ')} (${figure})`)
    .join(', ');
}

/** In the order in which the keys first come. */
function grouped<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): readonly [Key, readonly Item[]][] {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups];
}
