/** How the figures of peers are summed up and compared. */
import { expect, test } from 'vitest';
import { compare, formatComparison, type Measured } from '../../bench/peers/comparison.ts';

const rate = (inFlight: number, perSecond: number) => ({ inFlight, perSecond, p50Ms: 1, p99Ms: 2 });

const own = (perSecond: number): Measured => ({
  name: 'Greenroom, three nodes, three replicas',
  figure: 'three copies',
  version: 'this',
  operation: 'an add',
  guarantees: 'fsynced on two',
  comparedWith: [],
  rates: [rate(1, 1_000), rate(256, perSecond)],
});

const peer = (perSecond: number): Measured => ({
  name: 'NATS',
  version: '2.9',
  operation: 'a publish',
  guarantees: 'not fsynced',
  comparedWith: ['three copies', 'persisted'],
  rates: [rate(1, 2_000), rate(256, perSecond)],
});

const absent: Measured = { ...peer(0), name: 'Absent', rates: [], skipped: 'skipped: it is not installed' };

test('repeats are one row of medians with their spread, in the order in which they first come', () => {
  const rows = compare([own(10_000), peer(5_000), own(30_000), peer(7_000), own(20_000), peer(6_000)]);
  expect(rows.map(({ name }) => name)).toEqual(['Greenroom, three nodes, three replicas', 'NATS']);
  expect(rows[0]!.loads[1]).toMatchObject({
    inFlight: 256,
    perSecond: { median: 20_000, min: 10_000, max: 30_000, repeats: 3 },
  });
});

test('a ratio is of medians at the same load, and only to what was measured', () => {
  const [, nats] = compare([own(10_000), peer(5_000), own(30_000), peer(7_000), own(20_000), peer(8_000)]);
  expect(nats!.ratios).toEqual([
    { figure: 'three copies', inFlight: 1, times: 0.5 },
    { figure: 'three copies', inFlight: 256, times: 20_000 / 7_000 },
  ]);
});

test('the table names medians, spreads, ratios and guarantees, and why a peer is missing', () => {
  const rows = compare([own(10_000), peer(5_000), absent, own(30_000), peer(5_000), absent]);
  const text = formatComparison(rows, [1, 256]);
  expect(text).toContain('20,000 (10,000 … 30,000)');
  expect(text).toContain('0.50× / 4.0× (three copies)');
  expect(text).toContain('NATS (2.9): not fsynced');
  expect(text).toMatch(/Absent +skipped: it is not installed/);
});

test('a peer that failed in one repeat is measured by the others', () => {
  const failed: Measured = { ...peer(0), rates: [], skipped: 'failed: it took longer than 240 s' };
  const [, nats] = compare([own(10_000), failed, peer(5_000)]);
  expect(nats!.skipped).toBeUndefined();
  expect(nats!.loads[1]!.perSecond).toMatchObject({ median: 5_000, repeats: 1 });
});
