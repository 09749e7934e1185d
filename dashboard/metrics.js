/** The node's figures each second, as tiles with a short memory. */
import { getText } from './api.js';
import { element, setText, shape } from './dom.js';
import { formatBytes, formatCount, formatSeconds } from './format.js';

const samplesMax = 60;
const width = 120;
const height = 32;

const rate = (name) => (now, before, seconds) => Math.max(0, (now.get(name) ?? 0) - (before.get(name) ?? 0)) / seconds;
const level = (name) => (now) => now.get(name) ?? 0;
const mean = (sum, count) => (now, before) => {
  const counted = (now.get(count) ?? 0) - (before.get(count) ?? 0);
  return counted > 0 ? ((now.get(sum) ?? 0) - (before.get(sum) ?? 0)) / counted : undefined;
};

const figures = [
  { title: 'Commands', unit: '/s', format: formatCount, read: rate('greenroom_commands_total') },
  {
    title: 'Wakes',
    unit: '/s',
    format: formatCount,
    read: rate('greenroom_activations_total'),
    detail: mean('greenroom_wake_seconds_sum', 'greenroom_wake_seconds_count'),
    detailText: (value) => `${formatSeconds(value)} each`,
  },
  {
    title: 'In memory',
    unit: 'actors',
    format: formatCount,
    read: level('greenroom_actors_active'),
    detail: rate('greenroom_passivations_total'),
    detailText: (value) => (value > 0 ? `${formatCount(value)}/s fall asleep` : ''),
  },
  { title: 'Waiting', unit: 'commands', format: formatCount, read: level('greenroom_commands_queued') },
  {
    title: 'Loop lag',
    unit: 'p99',
    format: formatSeconds,
    read: level('nodejs_eventloop_lag_p99_seconds'),
    detail: rate('nodejs_eventloop_active_seconds_total'),
    detailText: (value) => `${Math.round(Math.min(1, value) * 100)}% busy`,
  },
  {
    title: 'Memory',
    unit: '',
    format: formatBytes,
    read: level('process_resident_memory_bytes'),
    detail: level('nodejs_heap_size_used_bytes'),
    detailText: (value) => `${formatBytes(value)} heap`,
  },
];

/** The samples of a Prometheus page by name; those of one name with different labels are added up. */
export function parseMetrics(page) {
  const samples = new Map();
  for (const line of page.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    const name = line.slice(0, space).replace(/\{.*$/, '');
    samples.set(name, (samples.get(name) ?? 0) + Number(line.slice(space + 1)));
  }
  return samples;
}

/** Fills `section` with tiles. @returns a function that reads the figures once more */
export function metricTiles(section, onFigures) {
  const tiles = figures.map(makeTile);
  section.replaceChildren(...tiles.map((tile) => tile.root));
  let before;
  let beforeMs = 0;
  return async () => {
    const now = parseMetrics(await getText('/metrics'));
    const nowMs = performance.now();
    if (before) for (const tile of tiles) tile.show(now, before, Math.max(0.001, (nowMs - beforeMs) / 1_000));
    else for (const tile of tiles) tile.show(now, now, 1);
    before = now;
    beforeMs = nowMs;
    onFigures(now);
  };
}

function makeTile(figure) {
  const value = element('span', { class: 'figure' }, '–');
  const detail = element('span', { class: 'detail' });
  const area = shape('path', { class: 'area' });
  const line = shape('path', { class: 'line' });
  const chart = shape(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', class: 'spark' },
    area,
    line,
  );
  const unit = figure.unit === '' ? undefined : element('span', { class: 'unit' }, figure.unit);
  const root = element(
    'article',
    { class: 'tile' },
    element('h2', {}, figure.title),
    element('p', {}, value, unit, detail),
    chart,
  );
  const samples = [];
  return {
    root,
    show(now, before, seconds) {
      const sample = figure.read(now, before, seconds);
      samples.push(sample);
      if (samples.length > samplesMax) samples.shift();
      setText(value, figure.format(sample));
      const more = figure.detail?.(now, before, seconds);
      setText(detail, more === undefined ? '' : figure.detailText(more));
      draw(area, line, samples);
    },
  };
}

function draw(area, line, samples) {
  const top = Math.max(...samples) * 1.15 || 1;
  const step = width / (samplesMax - 1);
  const points = samples.map((sample, index) => {
    const x = width - (samples.length - 1 - index) * step;
    return `${x.toFixed(1)},${(height - 1 - (sample / top) * (height - 3)).toFixed(1)}`;
  });
  const path = `M${points.join('L')}`;
  line.setAttribute('d', path);
  area.setAttribute('d', `${path}L${width},${height}L${points[0].split(',')[0]},${height}Z`);
}
