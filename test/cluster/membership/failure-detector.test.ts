/** Situations, told as they happen: what node `a` thinks of node `b`. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FailureDetector,
  failureDetectorDefaults,
  type Standing,
} from '../../../src/cluster/membership/failure-detector.ts';
import type { StoreId } from '../../../src/core/ids.ts';

const b = 'store-b' as StoreId;
const stepMs = 50;

/** What reaches `a` from `b` while time passes. */
interface Weather {
  /** Milliseconds between frames; none without. */
  readonly frames?: number;
  readonly pulses?: number;
  /** As told by the pulses; 'grows': the loop stands still from now on. */
  readonly lag?: number | 'grows';
}

const fine: Weather = { frames: 500, pulses: 500 };
const nothing: Weather = {};

/** `a` watches `b`, with a clock that moves when it is told to. */
class Watch {
  readonly detector = new FailureDetector();
  nowMs = 0;

  constructor(weather: Weather = fine) {
    this.detector.newLife(b, 1, 0);
    this.detector.linkUp(b, 0);
    this.pass(20_000, weather);
  }

  get standing(): Standing {
    return this.detector.standing(b, this.nowMs);
  }

  /** @returns each standing that differs from the one before, with how long it took */
  pass(durationMs: number, weather: Weather, boot = 1): string[] {
    const seen: string[] = [];
    const startMs = this.nowMs;
    let last = this.standing.type;
    while (this.nowMs < startMs + durationMs) {
      this.nowMs += stepMs;
      const elapsedMs = this.nowMs - startMs;
      if (this.nowMs % failureDetectorDefaults.heartbeatMs === 0) this.detector.tick(this.nowMs);
      if (weather.frames && elapsedMs % weather.frames === 0) this.detector.heard(b, this.nowMs);
      if (weather.pulses && elapsedMs % weather.pulses === 0) {
        this.detector.pulse(b, boot, weather.lag === 'grows' ? elapsedMs : (weather.lag ?? 0), this.nowMs);
      }
      const { type } = this.standing;
      if (type !== last) seen.push(`${type} after ${elapsedMs} ms`);
      last = type;
    }
    return seen;
  }
}

describe('a process dies', () => {
  test('the link is reset and the port refuses: dead at once', () => {
    const watch = new Watch();
    watch.detector.linkDown(b, 'reset', watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
    watch.nowMs += 20;
    watch.detector.dialRefused(b, watch.nowMs);
    expect(watch.standing).toEqual({ type: 'dead', why: 'process died' });
  });

  test('a pulse that was under way when it died does not bring it back', () => {
    const watch = new Watch();
    watch.detector.linkDown(b, 'reset', watch.nowMs);
    watch.detector.pulse(b, 1, 0, watch.nowMs + 100);
    watch.detector.dialRefused(b, watch.nowMs + 120);
    watch.nowMs += 120;
    expect(watch.standing).toEqual({ type: 'dead', why: 'process died' });
  });

  test('a process that still pulses has not died, though its port refuses (a firewall may do that)', () => {
    const watch = new Watch();
    watch.detector.linkDown(b, 'reset', watch.nowMs);
    watch.nowMs += 400;
    watch.detector.pulse(b, 1, 0, watch.nowMs);
    watch.detector.dialRefused(b, watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
    expect(watch.pass(5_000, { pulses: 500 })).toEqual(['suspect after 1100 ms']);
  });

  test('a link that was cut here, or stalled, and a port that refuses prove nothing', () => {
    for (const why of ['closed here', 'stalled'] as const) {
      const watch = new Watch();
      watch.detector.linkDown(b, why, watch.nowMs);
      watch.detector.dialRefused(b, watch.nowMs);
      expect(watch.standing).toEqual({ type: 'alive' });
    }
  });

  test('a port that refuses a node that never had a link proves nothing: it may be about to start', () => {
    const detector = new FailureDetector();
    detector.newLife(b, 1, 0);
    detector.dialRefused(b, 10);
    expect(detector.standing(b, 10)).toEqual({ type: 'alive' });
  });

  test('it starts again: what was held against its older life is void, and late signs of that change nothing', () => {
    const watch = new Watch();
    watch.detector.linkDown(b, 'reset', watch.nowMs);
    watch.detector.dialRefused(b, watch.nowMs);
    watch.detector.newLife(b, 2, watch.nowMs + 300);
    watch.nowMs += 300;
    expect(watch.standing).toEqual({ type: 'alive' });
    expect(watch.detector.boot(b)).toBe(2);
    watch.detector.pulse(b, 1, 60_000, watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
    expect(watch.pass(5_000, { pulses: 500 }, 1)).toEqual(['suspect after 1500 ms', 'dead after 3000 ms']);
  });
});

describe('silence', () => {
  test('a process is stopped: no frames and no pulses, dead after 1.5 s', () => {
    const watch = new Watch();
    expect(watch.pass(5_000, nothing)).toEqual(['dead after 1500 ms']);
    expect(watch.standing).toEqual({ type: 'dead', why: 'silent' });
  });

  test('where UDP is blocked, frames alone bear witness: suspect after 1.5 s, dead after 3 s', () => {
    const watch = new Watch({ frames: 500 });
    expect(watch.pass(5_000, nothing)).toEqual(['suspect after 1500 ms', 'dead after 3000 ms']);
  });

  test('UDP is blocked from some moment on: nothing happens while frames come', () => {
    expect(new Watch().pass(60_000, { frames: 500 })).toEqual([]);
  });

  test('one direction of TCP is cut: the process lives, so it is suspect and never dead', () => {
    const watch = new Watch();
    expect(watch.pass(60_000, { pulses: 500 })).toEqual(['suspect after 1500 ms']);
    expect(watch.standing).toMatchObject({ type: 'suspect', sinceMs: 20_000 });
  });

  test('a loop that stutters does not excuse frames that are missing for good', () => {
    const watch = new Watch();
    expect(watch.pass(60_000, { pulses: 500, lag: 300 })[0]).toBe('suspect after 3300 ms');
    expect(watch.standing.type).toBe('suspect');
  });

  test('one signal brings a silent peer back', () => {
    const watch = new Watch();
    watch.pass(5_000, nothing);
    watch.detector.heard(b, watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
  });

  test('a slow network: what is usual is not suspicious, and a real loss is found later, but found', () => {
    const watch = new Watch({ frames: 1_000 });
    expect(watch.pass(85 * 1_400, { frames: 1_400 })).toEqual([]);
    expect(watch.pass(20_000, nothing)[0]).toBe('suspect after 2100 ms');
  });

  test('a network that was ever so slow cannot hide a loss for longer than 10 s', () => {
    const watch = new Watch();
    const slow = { frames: 9_500, pulses: 500 };
    watch.pass(9_500 * 200, slow);
    expect(watch.pass(9_500 * 10, slow)).toEqual([]);
    expect(watch.pass(60_000, nothing)).toEqual(['dead after 10000 ms']);
  });
});

describe('the main loop of a peer stands still', () => {
  test('a pause of 4 s for its garbage collector is no reason to suspect it', () => {
    const watch = new Watch();
    expect(watch.pass(4_000, { pulses: 500, lag: 'grows' })).toEqual([]);
    expect(watch.pass(10_000, fine)).toEqual([]);
  });

  test('of more than 5 s makes it busy, with its lag, and never dead; it is over with the first frame', () => {
    const watch = new Watch();
    expect(watch.pass(60_000, { pulses: 500, lag: 'grows' })).toEqual(['busy after 5500 ms']);
    expect(watch.standing).toEqual({ type: 'busy', lagMs: 60_000 });
    expect(watch.pass(10_000, fine)).toEqual(['alive after 500 ms']);
  });

  test('and then its process dies: dead, though the last that was heard is that it is busy', () => {
    const watch = new Watch();
    watch.pass(8_000, { pulses: 500, lag: 'grows' });
    expect(watch.pass(5_000, nothing)).toEqual(['dead after 1500 ms']);
  });
});

describe('this node itself lags', () => {
  test('for 7 s: it accuses nobody, and the next who really dies is found later', () => {
    const watch = new Watch();
    watch.nowMs += 7_000;
    watch.detector.tick(watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
    // The stretch is 8, and one less each second: 4.8 s of silence count as 1.5 s.
    expect(watch.pass(30_000, nothing)).toEqual(['dead after 4800 ms']);
  });

  test('as the pulse thread tells: the same lag told twice costs once', () => {
    const [once, twice] = [new Watch(), new Watch()];
    for (const watch of [once, twice]) {
      watch.nowMs += 1_500;
      watch.detector.ownLag(1_000, watch.nowMs);
    }
    twice.detector.ownLag(1_000, twice.nowMs);
    expect(twice.pass(10_000, nothing)).toEqual(once.pass(10_000, nothing));
  });

  test('it is well again after a while: as fast as ever', () => {
    const watch = new Watch();
    watch.detector.ownLag(60_000, watch.nowMs);
    watch.pass(8_000, fine);
    expect(watch.pass(5_000, nothing)).toEqual(['dead after 1500 ms']);
  });

  test('its clock stands: nobody grows silent; and when it jumps, that was a lag of its own', () => {
    const watch = new Watch();
    for (let i = 0; i < 100; i++) watch.detector.tick(watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
    watch.nowMs += 3_600_000;
    watch.detector.tick(watch.nowMs);
    expect(watch.standing).toEqual({ type: 'alive' });
  });
});

describe('flapping', () => {
  const fallAndReturn = (watch: Watch): number => {
    watch.pass(2_000, nothing);
    expect(watch.standing.type).toBe('dead');
    const backMs = watch.nowMs;
    do watch.pass(500, fine);
    while (watch.standing.type !== 'alive');
    return watch.nowMs - backMs;
  };

  test('twice is ordinary; from the third fall within 5 minutes a return is believed after 5 s, 10 s, … 60 s', () => {
    const watch = new Watch();
    const waits = Array.from({ length: 8 }, () => fallAndReturn(watch));
    expect(waits).toEqual([500, 500, 5_500, 10_500, 20_500, 40_500, 60_500, 60_500]);
  });

  test('is forgotten after 5 minutes', () => {
    const watch = new Watch();
    for (let i = 0; i < 5; i++) fallAndReturn(watch);
    watch.pass(300_000, fine);
    expect(fallAndReturn(watch)).toBe(500);
  });

  test('a process that crashes in a loop is not believed for the mere start of another life', () => {
    const watch = new Watch();
    for (let boot = 2; boot <= 4; boot++) {
      watch.detector.linkDown(b, 'reset', watch.nowMs);
      watch.detector.dialRefused(b, watch.nowMs);
      watch.nowMs += 1_000;
      watch.detector.newLife(b, boot, watch.nowMs);
      watch.detector.linkUp(b, watch.nowMs);
    }
    expect(watch.standing).toEqual({ type: 'dead', why: 'process died', isBack: true });
    expect(watch.pass(10_000, fine, 4)).toEqual(['alive after 5000 ms']);
  });
});

describe('the report to the leader', () => {
  test('says what is held against whom, in which life, and who is reached', () => {
    const detector = new FailureDetector();
    const [c, d] = ['store-c' as StoreId, 'store-d' as StoreId];
    for (const peer of [b, c, d]) detector.newLife(peer, 3, 0);
    for (const peer of [b, c]) detector.linkUp(peer, 0);
    for (let nowMs = 0; nowMs <= 2_000; nowMs += 500) detector.heard(b, nowMs);
    detector.pulse(d, 4, 9_000, 2_000);
    expect(detector.report(2_000)).toEqual({
      accusations: [
        { peer: c, boot: 3, what: 'suspect' },
        { peer: d, boot: 4, what: 'busy' },
      ],
      reachable: [b, c],
    });
    detector.forget(c);
    expect(detector.report(2_000).reachable).toEqual([b]);
    expect(detector.standing(c, 1e9)).toEqual({ type: 'alive' });
  });
});

describe('whatever happens', () => {
  test('a peer is alive while its frames are less than 1.5 s apart, however irregular', () => {
    const gapMs = fc.integer({ min: 0, max: failureDetectorDefaults.silenceMinMs - 1 });
    fc.assert(
      fc.property(fc.array(gapMs, { minLength: 1, maxLength: 300 }), fc.array(gapMs), (gaps, lags) => {
        const detector = new FailureDetector();
        detector.newLife(b, 1, 0);
        let nowMs = 0;
        for (const [i, gap] of gaps.entries()) {
          nowMs += gap;
          if (detector.standing(b, nowMs).type !== 'alive') return false;
          if (lags[i] !== undefined) detector.pulse(b, 1, lags[i], nowMs);
          detector.heard(b, nowMs);
        }
        return true;
      }),
    );
  });

  test('silence is not called death while pulses come', () => {
    const gap = fc.record({ gapMs: fc.integer({ min: 0, max: 1_499 }), hasFrame: fc.boolean(), lagMs: fc.nat(9_000) });
    fc.assert(
      fc.property(fc.array(gap, { maxLength: 300 }), (gaps) => {
        const detector = new FailureDetector();
        detector.pulse(b, 1, 0, 0);
        let nowMs = 0;
        for (const { gapMs, hasFrame, lagMs } of gaps) {
          nowMs += gapMs;
          if (detector.standing(b, nowMs).type === 'dead') return false;
          detector.pulse(b, 1, lagMs, nowMs);
          if (hasFrame) detector.heard(b, nowMs);
        }
        return true;
      }),
    );
  });

  test('a peer that ceased to give any sign is dead in the end: within 160 s even for a node that was unwell', () => {
    fc.assert(
      fc.property(fc.array(anyInput, { maxLength: 100 }), (inputs) => {
        const { detector, nowMs } = played(inputs);
        return detector.standing(b, nowMs + 160_000).type === 'dead';
      }),
    );
  });

  test('standing depends on the inputs only: asking, however often, changes nothing', () => {
    fc.assert(
      fc.property(fc.array(anyInput, { maxLength: 100 }), fc.integer({ min: 0, max: 20_000 }), (inputs, laterMs) => {
        const quiet = played(inputs);
        const asked = played(inputs, (detector, nowMs) => {
          for (const ahead of [0, 1_000, 100_000]) detector.standing(b, nowMs + ahead);
          detector.report(nowMs);
        });
        expect(asked.detector.standing(b, asked.nowMs + laterMs)).toEqual(
          quiet.detector.standing(b, quiet.nowMs + laterMs),
        );
      }),
    );
  });
});

type Input = 'heard' | 'pulse' | 'busy' | 'reset' | 'refused' | 'linkUp' | 'newLife' | 'ownLag' | 'tick';

const anyInput = fc.record({
  afterMs: fc.integer({ min: 0, max: 3_000 }),
  what: fc.constantFrom<Input>('heard', 'pulse', 'busy', 'reset', 'refused', 'linkUp', 'newLife', 'ownLag', 'tick'),
});

function played(
  inputs: readonly { readonly afterMs: number; readonly what: Input }[],
  between: (detector: FailureDetector, nowMs: number) => void = () => {},
): { readonly detector: FailureDetector; readonly nowMs: number } {
  const detector = new FailureDetector();
  detector.newLife(b, 1, 0);
  let nowMs = 0;
  for (const { afterMs, what } of inputs) {
    nowMs += afterMs;
    between(detector, nowMs);
    const boot = detector.boot(b);
    const act: Record<Input, () => void> = {
      heard: () => detector.heard(b, nowMs),
      pulse: () => detector.pulse(b, boot, 0, nowMs),
      busy: () => detector.pulse(b, boot, 8_000, nowMs),
      reset: () => detector.linkDown(b, 'reset', nowMs),
      refused: () => detector.dialRefused(b, nowMs),
      linkUp: () => detector.linkUp(b, nowMs),
      newLife: () => detector.newLife(b, boot + 1, nowMs),
      ownLag: () => detector.ownLag(afterMs, nowMs),
      tick: () => detector.tick(nowMs),
    };
    act[what]();
  }
  return { detector, nowMs };
}

describe('the way from a peer is taken for cut', () => {
  /** After how long of this weather, at a heartbeat; undefined: not within a minute. */
  const cutAfter = (weather: Weather): number | undefined => {
    const watch = new Watch();
    for (let passedMs = 500; passedMs <= 60_000; passedMs += 500) {
      watch.pass(500, { ...weather, ...(weather.lag === 'grows' ? { lag: passedMs } : {}) });
      if (watch.detector.isOutOfHearing(b, watch.nowMs)) return passedMs;
    }
    return undefined;
  };

  test('when neither frames nor pulses come', () => {
    expect(cutAfter(nothing)).toBe(failureDetectorDefaults.silenceMinMs);
  });

  test('later when pulses come: they take another way', () => {
    expect(cutAfter({ pulses: 500 })).toBe(3_000);
  });

  test('not while its loop stands still and says so, nor while frames come', () => {
    expect(cutAfter({ pulses: 500, lag: 'grows' })).toBeUndefined();
    expect(cutAfter(fine)).toBeUndefined();
  });

  test('not of one whose port refuses, nor of one that fell so often that it is not believed', () => {
    const watch = new Watch();
    for (let fall = 0; fall < 4; fall++) {
      watch.pass(5_000, nothing);
      watch.pass(1_000, fine);
    }
    expect(watch.standing.type).toBe('dead');
    expect(watch.detector.isOutOfHearing(b, watch.nowMs)).toBe(false);
    watch.detector.linkDown(b, 'reset', watch.nowMs);
    watch.detector.dialRefused(b, watch.nowMs);
    watch.pass(60_000, nothing);
    expect(watch.detector.isOutOfHearing(b, watch.nowMs)).toBe(false);
  });
});
