/** The formulas of failure detection, as tables: what goes in, what comes out. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureDetectorDefaults as defaults } from '../../../src/cluster/membership/failure-detector.ts';
import { FlapRecord, fallsMax, trustDelayMs } from '../../../src/cluster/membership/flap-damping.ts';
import { healedPoints, OwnHealth, pointsAfterLag } from '../../../src/cluster/membership/own-health.ts';
import { isSuspicious, phi, SilenceHistory } from '../../../src/cluster/membership/silence.ts';

describe('phi', () => {
  test.each([
    // Silence, mean, deviation; −log₁₀ of the normal distribution's tail, by the book.
    { silenceMs: 500, meanMs: 500, deviationMs: 100, tail: 0.5 },
    { silenceMs: 600, meanMs: 500, deviationMs: 100, tail: 0.158_655 },
    { silenceMs: 700, meanMs: 500, deviationMs: 100, tail: 0.022_75 },
    { silenceMs: 800, meanMs: 500, deviationMs: 100, tail: 0.001_349_9 },
    { silenceMs: 1_300, meanMs: 500, deviationMs: 200, tail: 0.000_031_671 },
  ])('is that of the normal distribution to a tenth: $silenceMs ms when $meanMs ± $deviationMs ms are usual', (row) => {
    const expected = -Math.log10(row.tail);
    expect(Math.abs(phi(row.silenceMs, row.meanMs, row.deviationMs) - expected)).toBeLessThan(0.1 * expected);
  });

  test.each([
    { silenceMs: 0, meanMs: 500, deviationMs: 100, from: 0, to: 0.01 },
    { silenceMs: 1_020, meanMs: 500, deviationMs: 100, from: 7.8, to: 8 },
    { silenceMs: 1_030, meanMs: 500, deviationMs: 100, from: 8, to: 8.3 },
    { silenceMs: 1e9, meanMs: 500, deviationMs: 100, from: 1e6, to: Number.MAX_VALUE },
  ])('is between $from and $to after $silenceMs ms', ({ silenceMs, meanMs, deviationMs, from, to }) => {
    const value = phi(silenceMs, meanMs, deviationMs);
    expect(value).toBeGreaterThanOrEqual(from);
    expect(value).toBeLessThanOrEqual(to);
  });

  test('grows with silence, and is a number whatever the silence', () => {
    const ms = fc.integer({ min: 0, max: 1e12 });
    fc.assert(
      fc.property(
        ms,
        ms,
        fc.integer({ min: 500, max: 10_000 }),
        fc.integer({ min: 100, max: 5_000 }),
        (a, b, mean, dev) => {
          const [less, more] = [phi(Math.min(a, b), mean, dev), phi(Math.max(a, b), mean, dev)];
          return Number.isFinite(more) && less >= 0 && less <= more;
        },
      ),
    );
  });
});

describe('silence', () => {
  test.each([
    { silenceMs: 1_499, meanMs: 500, deviationMs: 100, is: false, because: 'the floor holds, though phi is 30' },
    { silenceMs: 1_500, meanMs: 500, deviationMs: 100, is: true, because: 'the floor is reached' },
    { silenceMs: 2_500, meanMs: 1_000, deviationMs: 400, is: false, because: 'such a peer may take 3.1 s' },
    { silenceMs: 3_200, meanMs: 1_000, deviationMs: 400, is: true, because: 'phi is above 8' },
    { silenceMs: 9_999, meanMs: 4_000, deviationMs: 3_000, is: false, because: 'phi is low' },
    { silenceMs: 10_000, meanMs: 4_000, deviationMs: 3_000, is: true, because: 'the ceiling is reached' },
  ])('of $silenceMs ms is suspicious: $is ($because)', ({ silenceMs, meanMs, deviationMs, is }) => {
    expect(isSuspicious(silenceMs, { meanMs, deviationMs }, defaults)).toBe(is);
  });

  test('of a busy peer is not learnt from: many frames now do not promise any for later', () => {
    const history = new SilenceHistory(defaults);
    for (let i = 0; i < 100_000; i++) history.ended(1);
    expect(history.meanMs).toBe(defaults.heartbeatMs);
    expect(history.deviationMs).toBe(defaults.deviationMinMs);
  });

  test('is remembered by the longest of each heartbeat, for 100 heartbeats', () => {
    const history = new SilenceHistory(defaults);
    for (let i = 0; i < 200; i++) for (const silenceMs of [100, 900]) history.ended(silenceMs);
    expect(history.meanMs).toBe(900);
    for (let i = 0; i < defaults.samplesMax; i++) history.ended(600);
    expect(history.meanMs).toBe(600);
  });
});

describe('own health', () => {
  test.each([
    { points: 0, lagMs: 500, isSameLag: false, after: 1 },
    { points: 0, lagMs: 250, isSameLag: false, after: 0.5 },
    { points: 2, lagMs: 1_000, isSameLag: false, after: 4 },
    { points: 2, lagMs: 1_000, isSameLag: true, after: 2 },
    { points: 1, lagMs: 1_000, isSameLag: true, after: 2 },
    { points: 0, lagMs: 60_000, isSameLag: false, after: 7 },
  ])(
    '$points points become $after by a lag of $lagMs ms (the same: $isSameLag)',
    ({ points, lagMs, isSameLag, after }) => {
      expect(pointsAfterLag(points, lagMs, isSameLag, defaults)).toBe(after);
    },
  );

  test.each([
    { points: 7, elapsedMs: 0, left: 7 },
    { points: 7, elapsedMs: 3_500, left: 3.5 },
    { points: 7, elapsedMs: 7_000, left: 0 },
    { points: 7, elapsedMs: 70_000, left: 0 },
    { points: 7, elapsedMs: Number.POSITIVE_INFINITY, left: 0 },
  ])('$points points are $left after $elapsedMs ms', ({ points, elapsedMs, left }) => {
    expect(healedPoints(points, elapsedMs, 1_000)).toBe(left);
  });

  test('stretches time-outs by 1 to 8, whatever happens', () => {
    const lag = fc.record({
      lagMs: fc.integer({ min: -1_000, max: 100_000 }),
      pauseMs: fc.integer({ min: 0, max: 5_000 }),
    });
    fc.assert(
      fc.property(fc.array(lag, { maxLength: 50 }), (lags) => {
        const health = new OwnHealth(defaults);
        let nowMs = 0;
        for (const { lagMs, pauseMs } of lags) {
          nowMs += pauseMs + Math.max(0, lagMs);
          health.lagged(lagMs, nowMs);
          const stretch = health.stretch(nowMs);
          if (!(stretch >= 1 && stretch <= defaults.stretchMax)) return false;
        }
        return health.stretch(nowMs + (defaults.stretchMax - 1) * defaults.healMs) === 1;
      }),
    );
  });
});

describe('flap damping', () => {
  test.each([
    { falls: 0, delayMs: 0 },
    { falls: 1, delayMs: 0 },
    { falls: 2, delayMs: 0 },
    { falls: 3, delayMs: 5_000 },
    { falls: 4, delayMs: 10_000 },
    { falls: 6, delayMs: 40_000 },
    { falls: 7, delayMs: 60_000 },
    { falls: fallsMax, delayMs: 60_000 },
  ])('after $falls falls a return is believed after $delayMs ms', ({ falls, delayMs }) => {
    expect(trustDelayMs(falls, defaults)).toBe(delayMs);
  });

  test('forgets what lies further back than its window', () => {
    const flaps = new FlapRecord(defaults);
    for (const nowMs of [0, 1, 2]) flaps.returned(nowMs);
    expect(flaps.isTrusted(5_001)).toBe(false);
    expect(flaps.isTrusted(5_002)).toBe(true);
    flaps.returned(2 + defaults.flapWindowMs);
    expect(flaps.isTrusted(2 + defaults.flapWindowMs)).toBe(true);
  });
});
