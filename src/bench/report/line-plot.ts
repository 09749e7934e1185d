/** A line plot as SVG text: axes with ticks, a grid, a legend. No dependencies; readable on light and dark pages. */

export interface PlotSeries {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LinePlot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** `log`: only values above 0 are drawn. Default `linear`. */
  readonly xScale?: 'linear' | 'log';
  readonly yScale?: 'linear' | 'log';
  /** Where the x axis is marked, instead of round numbers. */
  readonly xTicks?: readonly { readonly at: number; readonly label: string }[];
  /** What happened when: dashed lines across the plot. */
  readonly xMarks?: readonly { readonly at: number; readonly label: string }[];
  readonly series: readonly PlotSeries[];
}

const width = 860;
const height = 420;
const area = { left: 78, top: 44, right: width - 200, bottom: height - 52 };
/** Okabe and Ito's colours, which people with any colour vision tell apart. */
const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
const dashes = ['', '7 3', '2 3'];
const ticksAimedAt = 6;
const marksStacked = 4;

interface Axis {
  place(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

export function linePlot(plot: LinePlot): string {
  const series = plot.series.map(({ name, points }) => ({
    name,
    points: points.filter(
      ([x, y]) =>
        Number.isFinite(x) &&
        Number.isFinite(y) &&
        (plot.xScale !== 'log' || x > 0) &&
        (plot.yScale !== 'log' || y > 0),
    ),
  }));
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const x = axis(xs, plot.xScale ?? 'linear', area.left, area.right, plot.xTicks);
  const y = axis(plot.yScale === 'log' ? ys : [0, ...ys], plot.yScale ?? 'linear', area.bottom, area.top);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escaped(plot.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(area.left, 24, plot.title, 'font-size="15" font-weight="600"'),
    ...y.ticks.flatMap(({ at, label }) => [
      line(area.left, y.place(at), area.right, y.place(at), '#e3e3e3'),
      text(area.left - 8, y.place(at) + 4, label, 'text-anchor="end"'),
    ]),
    ...x.ticks.flatMap(({ at, label }) => [
      line(x.place(at), area.bottom, x.place(at), area.bottom + 5, '#444444'),
      text(x.place(at), area.bottom + 19, label, 'text-anchor="middle"'),
    ]),
    line(area.left, area.bottom, area.right, area.bottom, '#444444'),
    line(area.left, area.top, area.left, area.bottom, '#444444'),
    text((area.left + area.right) / 2, height - 12, plot.xLabel, 'text-anchor="middle"'),
    `<text transform="rotate(-90)" x="${-(area.top + area.bottom) / 2}" y="18" text-anchor="middle" fill="#222222">${escaped(plot.yLabel)}</text>`,
    ...(plot.xMarks ?? []).flatMap(({ at, label }, index) => marked(x.place(at), label, index)),
    ...series.flatMap(({ name, points }, index) => drawn(name, points, index, x, y)),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

/** Labels of marks that are close to each other stand below each other. */
function marked(atX: number, label: string, index: number): string[] {
  const [x, y] = [rounded(atX), area.top + 12 + (index % marksStacked) * 15];
  return [
    `<line x1="${x}" y1="${area.top}" x2="${x}" y2="${area.bottom}" stroke="#888888" stroke-dasharray="4 4"/>`,
    text(atX + 4, y, label, 'font-size="11"'),
  ];
}

function drawn(
  name: string,
  points: readonly (readonly [number, number])[],
  index: number,
  x: Axis,
  y: Axis,
): string[] {
  const color = colors[index % colors.length]!;
  const dash = dashes[Math.floor(index / colors.length) % dashes.length]!;
  const places = points.map(([atX, atY]) => `${rounded(x.place(atX))},${rounded(y.place(atY))}`);
  const legendY = area.top + 8 + index * 20;
  const dots = points.length <= 24 ? places.map((place) => dot(place, color)) : [];
  return [
    `<polyline points="${places.join(' ')}" fill="none" stroke="${color}" stroke-width="2"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`,
    ...dots,
    `<line x1="${area.right + 14}" y1="${legendY}" x2="${area.right + 40}" y2="${legendY}" stroke="${color}" stroke-width="2"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`,
    text(area.right + 46, legendY + 4, name),
  ];
}

function axis(
  values: readonly number[],
  scale: 'linear' | 'log',
  from: number,
  to: number,
  ticks?: LinePlot['xTicks'],
): Axis {
  const least = values.length > 0 ? Math.min(...values) : 0;
  const most = values.length > 0 ? Math.max(...values) : 1;
  if (scale === 'linear') {
    const step = roundStep((most - least) / ticksAimedAt || 1);
    const low = Math.floor(least / step) * step;
    const high = Math.max(low + step, Math.ceil(most / step) * step);
    const count = Math.round((high - low) / step);
    const marks = Array.from({ length: count + 1 }, (_, n) => low + n * step);
    return {
      place: (value) => from + ((value - low) / (high - low)) * (to - from),
      ticks: ticks ?? marks.map((at) => ({ at, label: shortNumber(at) })),
    };
  }
  const given = ticks !== undefined;
  const low = given ? Math.log10(least) : Math.floor(Math.log10(least || 1));
  const high = Math.max(low + (given ? 1e-9 : 1), given ? Math.log10(most) : Math.ceil(Math.log10(most || 10)));
  const marks = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, n) => 10 ** (Math.ceil(low) + n));
  return {
    place: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: ticks ?? marks.map((at) => ({ at, label: shortNumber(at) })),
  };
}

/** The smallest of 1, 2, 5 · 10^n that is not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  for (const factor of [1, 2, 5]) if (factor * power >= step * 0.999) return factor * power;
  return 10 * power;
}

/** 1500 → 1.5k */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e3) return `${trimmed(value / 1e3)}k`;
  return trimmed(value);
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function rounded(value: number): string {
  return value.toFixed(1);
}

function dot(place: string, color: string): string {
  const [x, y] = place.split(',');
  return `<circle cx="${x}" cy="${y}" r="3" fill="${color}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, color: string): string {
  return `<line x1="${rounded(x1)}" y1="${rounded(y1)}" x2="${rounded(x2)}" y2="${rounded(y2)}" stroke="${color}"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${rounded(x)}" y="${rounded(y)}" fill="#222222"${attributes ? ` ${attributes}` : ''}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
