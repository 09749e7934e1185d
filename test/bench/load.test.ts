/** The load tools: what their figures promise. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closedLoop } from '../../src/bench/load/closed-loop.ts';
import { eachOnce } from '../../src/bench/load/each-once.ts';
import { Histogram } from '../../src/bench/load/histogram.ts';
import { answerEnd } from '../../src/bench/load/http-operations.ts';
import { keySequence } from '../../src/bench/load/keys.ts';
import { addedUp, loadResultData, loadResultFrom, perSecond } from '../../src/bench/load/load-result.ts';
import { openLoop } from '../../src/bench/load/open-loop.ts';
import { Timeline } from '../../src/bench/load/timeline.ts';
import { callChooser, shareOfLoad } from '../../src/bench/load/workload.ts';

describe('the histogram', () => {
  const latencies = fc.array(fc.double({ min: 1e-6, max: 3e7, noNaN: true }), { minLength: 1, maxLength: 200 });
  const shares = fc.constantFrom(0, 0.01, 0.5, 0.9, 0.99, 0.999, 1);

  test('tells a percentile within 1/256 of the value that was recorded there', () => {
    fc.assert(
      fc.property(latencies, shares, (values, share) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
        // Half a nanosecond more: what is recorded is rounded to nanoseconds.
        expect(Math.abs(histogram.percentileMs(share) - exact)).toBeLessThanOrEqual(exact / 256 + 0.5e-6);
      }),
    );
  });

  test('tells minimum and maximum exactly, and is empty without records', () => {
    const histogram = new Histogram();
    expect(histogram.summary()).toMatchObject({ count: 0, p50Ms: 0, maxMs: 0 });
    for (const ms of [0.25, 3, 1_000]) histogram.record(ms);
    expect(histogram.summary().maxMs).toBe(1_000);
    expect(histogram.percentileMs(0)).toBeCloseTo(0.25, 3);
  });

  test('added to another, or sent to another process, is as if all had been recorded in one', () => {
    fc.assert(
      fc.property(latencies, latencies, (a, b) => {
        const [one, other, both] = [new Histogram(), new Histogram(), new Histogram()];
        for (const value of a) one.record(value);
        for (const value of b) other.record(value);
        for (const value of [...a, ...b]) both.record(value);
        one.add(Histogram.from(JSON.parse(JSON.stringify(other))));
        const [added, all] = [one.summary(), both.summary()];
        // Sums are of doubles, added in another order.
        expect({ ...added, meanMs: 0 }).toEqual({ ...all, meanMs: 0 });
        expect(added.meanMs).toBeCloseTo(all.meanMs, 3);
      }),
    );
  });
});

describe('keys', () => {
  test('are the same for the same seed, and others for another', () => {
    const choice = { count: 1_000, distribution: 'zipf', seed: 7 } as const;
    expect(keySequence(choice, 500)).toEqual(keySequence(choice, 500));
    expect(keySequence(choice, 500)).not.toEqual(keySequence({ ...choice, seed: 8 }, 500));
  });

  test('by Zipf: key n is drawn about 1 / (n + 1)^0.99 as often as key 0', () => {
    const drawn = new Array<number>(1_000).fill(0);
    const total = 200_000;
    for (const key of keySequence({ count: 1_000, distribution: 'zipf' }, total)) drawn[key]! += 1;
    let zeta = 0;
    for (let rank = 1; rank <= 1_000; rank++) zeta += 1 / rank ** 0.99;
    // The method is exact for the first two keys, and approximates the others.
    for (const key of [0, 1]) expect(drawn[key]! / total / (1 / (key + 1) ** 0.99 / zeta)).toBeCloseTo(1, 1);
    const firstHundred = drawn.slice(0, 100).reduce((sum, count) => sum + count, 0) / total;
    expect(firstHundred).toBeGreaterThan(0.6);
    expect(firstHundred).toBeLessThan(0.8);
  });

  test('uniform: every key is drawn, none much more often than another', () => {
    const drawn = new Array<number>(100).fill(0);
    for (const key of keySequence({ count: 100, distribution: 'uniform' }, 100_000)) drawn[key]! += 1;
    expect(Math.min(...drawn)).toBeGreaterThan(800);
    expect(Math.max(...drawn)).toBeLessThan(1_200);
  });
});

describe('the closed loop', () => {
  test('keeps exactly as many open as it is told', async () => {
    let open = 0;
    let most = 0;
    const result = await closedLoop({ inFlight: 7, warmUpMs: 0, durationMs: 30 }, async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
    });
    expect(most).toBe(7);
    expect(result.operations).toBeGreaterThan(0);
    expect(perSecond(result)).toBeCloseTo((result.operations * 1_000) / result.tookMs, 6);
  });

  test('counts errors apart, and goes on', async () => {
    let n = 0;
    const result = await closedLoop({ inFlight: 2, warmUpMs: 0, durationMs: 20 }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      n += 1;
      if (n % 2 === 0) throw new Error('every second one');
    });
    expect(result.errors).toBeGreaterThan(0);
    expect(result.operations).toBeGreaterThan(0);
    expect(result.firstError).toContain('every second one');
  });
});

describe('the open loop', () => {
  /** A clock that moves a tenth of a millisecond with each turn. */
  function heldTime() {
    let nowMs = 0;
    return {
      nowMs: () => nowMs,
      turn: async () => {
        nowMs = Math.round((nowMs + 0.1) * 10) / 10;
      },
      skip: (ms: number) => {
        nowMs += ms;
      },
    };
  }
  const load = { perSecond: 1_000, warmUpMs: 0, durationMs: 100, inFlightMax: 1_000 };

  test('starts at its rate, however long the answers take', async () => {
    let started = 0;
    const result = await openLoop({ ...load, drainMs: 0 }, () => new Promise(() => (started += 1)), heldTime());
    expect(started).toBe(100);
    expect(result.unfinished).toBe(100);
  });

  test('counts a stall for everything that was due while it lasted', async () => {
    const time = heldTime();
    let n = 0;
    const result = await openLoop(
      load,
      async () => {
        n += 1;
        if (n === 20) time.skip(50);
      },
      time,
    );
    expect(result.operations).toBe(100);
    // 50 ms without a turn at one a millisecond: 50 were due, and waited 25 ms in the middle.
    const slow = result.latency.toJSON().buckets.length;
    expect(slow).toBeGreaterThan(20);
    expect(result.latency.percentileMs(0.75)).toBeGreaterThan(20);
    expect(result.latency.percentileMs(1)).toBeGreaterThan(48);
  });

  test('does not open more than its limit, and lets what waits count', async () => {
    const time = heldTime();
    const waiting: (() => void)[] = [];
    let most = 0;
    const result = await openLoop(
      { ...load, inFlightMax: 3, drainMs: 1_000 },
      () =>
        new Promise<void>((resolve) => {
          waiting.push(resolve);
          most = Math.max(most, waiting.length);
          if (waiting.length < 3) return;
          setImmediate(() => {
            for (const answer of waiting.splice(0)) answer();
          });
        }),
      {
        ...time,
        turn: async () => {
          await time.turn();
          await new Promise((resolve) => setImmediate(resolve));
        },
      },
    );
    expect(most).toBe(3);
    expect(result.operations + result.unfinished).toBe(100);
  });
});

test('each-once touches every key as often as there are rounds, also in parts of several generators', async () => {
  const touched = new Array<number>(101).fill(0);
  const load = { type: 'each', inFlight: 8, rounds: 3 } as const;
  for (const index of [0, 1, 2]) {
    const part = shareOfLoad(load, index, 3);
    if (part.type !== 'each') throw new Error('a part is of the same kind');
    await eachOnce(part, 101, async (key) => {
      touched[key]! += 1;
    });
  }
  expect(new Set(touched)).toEqual(new Set([3]));
});

test('the parts of a load for several generators add up to it', () => {
  const load = { type: 'closed', inFlight: 256, warmUpMs: 0, durationMs: 1 } as const;
  const parts = [0, 1, 2].map((index) => shareOfLoad(load, index, 3));
  expect(parts.reduce((sum, part) => sum + (part.type === 'closed' ? part.inFlight : 0), 0)).toBe(256);
});

test('calls are chosen by their shares', () => {
  const next = callChooser([{ share: 80 }, { share: 20 }]);
  const chosen = Array.from({ length: 1_000 }, next);
  expect(chosen.filter((call) => call === 1).length).toBe(200);
});

test('results of several generators add up, also through JSON', async () => {
  const one = await closedLoop({ inFlight: 1, warmUpMs: 0, durationMs: 5 }, async () => undefined);
  const other = loadResultFrom(JSON.parse(JSON.stringify(loadResultData(one))));
  const both = addedUp([one, other]);
  expect(both.operations).toBe(2 * one.operations);
  expect(both.latency.count).toBe(2 * one.latency.count);
  expect(both.timeline.points(both.tookMs)[0]!.perSecond).toBeGreaterThan(0);
});

test('a timeline has a point for every slice, also for those in which nothing was done', () => {
  const timeline = new Timeline(1_000);
  timeline.done(100, 5);
  timeline.done(2_500, 7);
  timeline.failed(2_600);
  const points = timeline.points(3_000);
  expect(points.map(({ perSecond: rate }) => rate)).toEqual([1, 0, 1]);
  expect(points.map(({ errors }) => errors)).toEqual([0, 0, 1]);
});

describe('the end of an HTTP answer', () => {
  const end = (text: string) => answerEnd(Buffer.from(text));

  test('is where its length says, or after its last chunk, or after its head', () => {
    expect(end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42HTTP')).toBe(40);
    expect(end('HTTP/1.1 204 No Content\r\nA: b\r\n\r\n')).toBe(33);
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n';
    expect(end(chunked)).toBe(chunked.length);
  });

  test('is not there before all of it has come', () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n';
    for (let length = 0; length < chunked.length; length++) expect(end(chunked.slice(0, length))).toBeUndefined();
  });
});
