/** What a benchmark run prints, writes and draws. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterUnderTest } from '../../src/bench/cluster-under-test.ts';
import { inProcessCluster } from '../../src/bench/in-process-cluster.ts';
import { Limits } from '../../src/bench/limits/limit.ts';
import { perSecond } from '../../src/bench/load/load-result.ts';
import { summarize } from '../../src/bench/measure.ts';
import { linePlot, shortNumber } from '../../src/bench/report/line-plot.ts';
import { type BenchReport, reportSchema } from '../../src/bench/report/report.ts';
import { reportPlots } from '../../src/bench/report/report-plots.ts';
import { formatReport } from '../../src/bench/report/text-report.ts';

test('a limit is the median of its samples, and values are shares of it', () => {
  const limits = new Limits();
  for (const value of [100, 400, 200]) limits.add('fdatasync', 'write and sync', value);
  expect(limits.shareOf('fdatasync', 50)).toBe(0.25);
  expect(limits.shareOf('pack', 50)).toBeUndefined();
  limits.add('unpack', 'nothing was done in time', 0);
  expect(limits.shareOf('unpack', 50)).toBeUndefined();
  expect(limits.all()[0]).toMatchObject({ limit: 'fdatasync', median: 200, min: 100, max: 400 });
});

describe('a report', () => {
  const figure = { ...summarize('persisted, 256 in flight', '/s', [50_000, 60_000, 40_000]), limit: 'leveldbBatch256' };
  const report = {
    schema: reportSchema,
    greenroom: '1.2.3',
    at: '2026-01-01T00:00:00.000Z',
    scale: 1,
    nodes: 1,
    replicas: 1,
    machine: {
      processor: 'a processor',
      cores: 2,
      memoryGiB: 24,
      system: 'linux',
      node: 'v20',
      v8: '11',
      fsyncMs: { p50: 0.1, p99: 0.2 },
    },
    limits: [{ limit: 'leveldbBatch256', ...summarize('LevelDB', '/s', [200_000]) }],
    results: [
      {
        benchmark: 'throughput',
        about: 'what it does',
        figures: [{ ...figure, shareOfLimit: 0.25, point: { plot: 'a <plot>', series: 'persisted', x: 256 } }],
        timelines: [
          {
            name: 'at 50 %',
            points: [{ atMs: 0, perSecond: 9, errors: 4, p50Ms: 1, p99Ms: 2, maxMs: 3 }],
            marks: [{ atMs: 500, label: 'kill of <a>' }],
          },
        ],
        latencies: [],
      },
    ],
  } as unknown as BenchReport;

  test('is printed with its median, its spread and its share of the limit', () => {
    const text = formatReport(report);
    expect(text).toMatch(/persisted, 256 in flight +50,000 \/s +40,000 … 60,000 +25 % of leveldbBatch256/);
    expect(text).toContain('2 × a processor · 24 GiB');
    expect(text).toMatch(/0 s +9.0 +4 +1.0 +2.0 +3.0 +kill of <a>/);
  });

  test('is drawn: a plot of its points, and two of its timelines', () => {
    const plots = reportPlots(report);
    expect(plots.map(({ name }) => name)).toEqual([
      'a-plot',
      'throughput-done-in-each-second',
      'throughput-p99-in-each-second',
    ]);
    for (const { svg } of plots) expect(svg.startsWith('<svg ') && svg.endsWith('</svg>\n')).toBe(true);
    expect(plots[0]!.svg).toContain('a &lt;plot&gt;');
    expect(plots[1]!.svg).toContain('kill of &lt;a&gt;');
  });
});

describe('a line plot', () => {
  test('places points between its axes, higher values higher', () => {
    const svg = linePlot({
      title: 't',
      xLabel: 'x',
      yLabel: 'y',
      series: [
        {
          name: 's',
          points: [
            [0, 0],
            [1, 10],
            [2, 5],
          ],
        },
      ],
    });
    const [first, second, third] = /points="([^"]+)"/
      .exec(svg)![1]!
      .split(' ')
      .map((place) => place.split(',').map(Number));
    expect(first![1]).toBeGreaterThan(third![1]!);
    expect(third![1]).toBeGreaterThan(second![1]!);
    expect(first![0]).toBeLessThan(second![0]!);
  });

  test('of nothing, of one point and of zeros on a logarithmic axis is still a plot without NaN', () => {
    for (const points of [
      [],
      [[5, 5]],
      [
        [0, 0],
        [1, 0],
      ],
    ] as [number, number][][]) {
      for (const scale of ['linear', 'log'] as const) {
        const svg = linePlot({
          title: 't',
          xLabel: 'x',
          yLabel: 'y',
          xScale: scale,
          yScale: scale,
          series: [{ name: 's', points }],
        });
        expect(svg).not.toMatch(/NaN|Infinity/);
      }
    }
  });

  test('marks its axes with short numbers', () => {
    expect([0.25, 999, 1_500, 2_000_000].map(shortNumber)).toEqual(['0.25', '999', '1.5k', '2M']);
  });
});

describe('the cluster under test in this process', () => {
  let directory: string;
  let cluster: ClusterUnderTest;
  const keys = { count: 20, distribution: 'uniform' } as const;
  const add = { actorType: 'Counter', command: 'add', input: 1 };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'greenroom-bench-test-'));
    cluster = await inProcessCluster({ directory, nodes: 1, replicas: 1 });
  });
  afterAll(async () => {
    await cluster.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('runs asks and tells, every one of which arrives', async () => {
    const each = {
      calls: [add],
      how: 'ask',
      idPrefix: 'a',
      keys,
      load: { type: 'each', inFlight: 4, rounds: 3 },
    } as const;
    const asked = await cluster.run(each, 'api');
    expect(asked).toMatchObject({ operations: 60, errors: 0 });
    expect(await cluster.call('Counter', 'a7', 'get')).toBe(3);

    const load = { type: 'closed', inFlight: 10, warmUpMs: 0, durationMs: 50 } as const;
    const tally = { actorType: 'Tally', command: 'add', input: 1 };
    const one = { count: 1, distribution: 'uniform' } as const;
    const told = await cluster.run({ calls: [tally], how: 'tell', idPrefix: 't', keys: one, load }, 'api');
    expect(told.operations % 10).toBe(0);
    // An ask goes with each ten tells; the last ones may be over only after the time was.
    const total = (await cluster.call('Tally', 't0', 'add', 0)) as number;
    expect(total).toBeGreaterThanOrEqual((told.operations / 10) * 11);
    expect(perSecond(told)).toBeGreaterThan(0);
  });

  test('says no to what it cannot run', async () => {
    await expect(inProcessCluster({ directory, nodes: 3, replicas: 3 })).rejects.toThrow('processes');
    const load = { type: 'each', inFlight: 1 } as const;
    const unknown = { calls: [{ actorType: 'Nothing', command: 'x' }], how: 'ask', idPrefix: 'a', keys, load } as const;
    await expect(async () => cluster.run(unknown, 'api')).rejects.toThrow('Nothing');
  });
});
