/** The benchmarks of clusters: a tiny run of each on real processes, and what their arguments may be. No speeds. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BenchReport } from '../../src/bench/report/report.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { run } from '../cli/text-terminal.ts';

const runWithinMs = 60_000;

describe('a tiny run', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'greenroom-bench-test-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function bench(...args: string[]): Promise<{ report: BenchReport; text: string; plots: string[] }> {
    const file = join(directory, 'report.json');
    const plots = join(directory, 'plots');
    const made = ['--directory', directory, '--json', file, '--plots', plots];
    const { exitCode, out, error } = await run(['bench', ...args, '--smoke', ...made]);
    expect(error).toBe('');
    expect(exitCode).toBe(exitCodes.done);
    const report = JSON.parse(await readFile(file, 'utf8')) as BenchReport;
    // Data directories are gone.
    expect((await readdir(directory)).sort()).toEqual(['plots', 'report.json']);
    return { report, text: out, plots: await readdir(plots) };
  }
  const figure = ({ results }: BenchReport, name: string) =>
    results[0]!.figures.find((one) => one.name === name)!.median;

  test('of throughput loads three nodes, and gives shares of the limits', { timeout: runWithinMs }, async () => {
    const { report, text } = await bench('throughput', '--nodes', '3');
    expect(report).toMatchObject({ nodes: 3, replicas: 3 });
    for (const name of [
      'persisted, 1 in flight',
      'persisted, 256 in flight',
      'persisted, 4,096 in flight',
      'query, 256 in flight',
    ])
      expect(figure(report, `… ${name}, p50`)).toBeGreaterThan(0);
    expect(text).toMatch(/persisted, 256 in flight .*% of leveldbBatch256/);
  });

  test('of rebalance ends balanced, without an error to a caller', { timeout: runWithinMs }, async () => {
    const { report, text, plots } = await bench('rebalance');
    expect(figure(report, '3 → 4: owners moved')).toBeGreaterThan(0);
    expect(figure(report, '4 → 3: owners moved')).toBeGreaterThan(0);
    expect(figure(report, '3 → 4: time to balance')).toBeGreaterThan(0);
    expect(figure(report, 'whole run: calls that failed')).toBe(0);
    expect(text).toContain('drain node-4');
    expect(plots).toContain('rebalance-p99-in-each-second.svg');
  });

  test('of failover serves all shards again, without an error to a caller', { timeout: runWithinMs }, async () => {
    const { report, text } = await bench('failover');
    expect(figure(report, 'shards that lost their owner')).toBeGreaterThan(0);
    expect(figure(report, 'shards never served again')).toBe(0);
    expect(figure(report, 'detection (seen over HTTP), p50')).toBeGreaterThan(0);
    expect(figure(report, 'round 1: calls that failed')).toBe(0);
    expect(text).toContain('kill -9 of node-1');
  });
});

describe('what cannot be measured is refused before anything starts', () => {
  test.each([
    [['nonsense'], "there is no benchmark 'nonsense'"],
    [['failovr'], 'failover'],
    [['latency', '--nodes', '3'], 'bench latency measures one node'],
    [['throughput', '--replicas', '3'], '--replicas is for a cluster'],
    [['throughput', '--nodes', '0'], "--nodes is '0'"],
    [['throughput', '--nodes', '2.5'], "--nodes is '2.5'"],
    [['throughput', '--nodes', '1', '--replicas', '3'], '3 copies need as many nodes'],
    [['rebalance', '--nodes', '5'], 'bench rebalance is of 3 nodes'],
    [['rebalance', '--rate', 'fast'], "--rate is 'fast'"],
    [['failover', '--replicas', '1'], 'needs copies that can take over'],
    [['failover', '--rounds', '0'], "--rounds is '0'"],
  ])('bench %j', async (args, message) => {
    const { exitCode, out, error } = await run(['bench', ...args]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(`${out}${error}`).toContain(message);
  });
});
