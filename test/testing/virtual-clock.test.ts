import { expect, test } from 'vitest';
import { VirtualClock, virtualStartMs } from '../../src/testing/index.ts';

test('time stands still until it is advanced', () => {
  const clock = new VirtualClock();
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([virtualStartMs, 0]);
  clock.advance(1_500);
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([virtualStartMs + 1_500, 1_500]);
});

test('timers run in the order of their times, equal ones in the order of setting, each at its own time', () => {
  const clock = new VirtualClock({ startsAtMs: 0 });
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name}@${clock.monotonicMs()}`);
  clock.schedule(20, note('c'));
  clock.schedule(10, note('a'));
  clock.schedule(10, note('b'));
  clock.schedule(31, note('never'));
  clock.advance(30);
  expect(ran).toEqual(['a@10', 'b@10', 'c@20']);
  expect(clock.nextTimerAtMs).toBe(31);
});

test('a timer set by a timer runs in the same advance if it falls due', () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const again = () => {
    ran.push(clock.monotonicMs());
    clock.schedule(10, again);
  };
  clock.schedule(10, again);
  clock.advance(35);
  expect(ran).toEqual([10, 20, 30]);
});

test('a cancelled timer never runs, and cancelling twice does nothing', () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const cancel = clock.schedule(5, () => ran.push('cancelled'));
  clock.schedule(5, () => ran.push('kept'));
  cancel();
  cancel();
  clock.advance(5);
  expect(ran).toEqual(['kept']);
});

test('the wall clock can be set back without moving the monotonic one', () => {
  const clock = new VirtualClock({ startsAtMs: 10_000 });
  clock.advance(1_000);
  clock.shiftWall(-5_000);
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([6_000, 1_000]);
});

test('defer goes where the owner says', () => {
  const deferred: (() => void)[] = [];
  const clock = new VirtualClock({ defer: (task) => deferred.push(task) });
  clock.defer(() => {});
  expect(deferred).toHaveLength(1);
});

test('time does not run backwards', () => {
  expect(() => new VirtualClock().advance(-1)).toThrow('time only moves on');
});
