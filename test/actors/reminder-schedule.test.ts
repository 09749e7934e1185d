import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSkipped, nextTick, tickAfter, ticksOf } from '../../src/actors/reminder-schedule.ts';

const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

/** The next `count` ticks after a time. */
function ticks(cron: string, timeZone: string, from: string, count: number): (string | undefined)[] {
  const list: (string | undefined)[] = [];
  let reminder = ticksOf({ cron, timeZone }, at(from));
  for (let i = 0; i < count; i++) {
    list.push(iso(reminder.dueAt));
    reminder = { ...reminder, dueAt: nextTick(reminder, reminder.dueAt)! };
  }
  return list;
}

describe('cron', () => {
  test('ticks at local times, in summer and in winter', () => {
    expect(ticks('0 9 * * MON-FRI', 'Europe/Berlin', '2026-03-26T00:00:00Z', 4)).toEqual([
      '2026-03-26T08:00:00.000Z',
      '2026-03-27T08:00:00.000Z',
      '2026-03-30T07:00:00.000Z',
      '2026-03-31T07:00:00.000Z',
    ]);
    expect(ticks('0 9 * * *', 'America/New_York', '2026-10-31T00:00:00Z', 3)).toEqual([
      '2026-10-31T13:00:00.000Z',
      '2026-11-01T14:00:00.000Z',
      '2026-11-02T14:00:00.000Z',
    ]);
  });

  test('a local time that does not exist ticks as much later as is missing', () => {
    expect(ticks('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
  });

  test('a local time that comes twice ticks once', () => {
    expect(ticks('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
    expect(ticks('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 2)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ]);
  });

  test('six fields begin with seconds, and without a time zone it is UTC', () => {
    const reminder = ticksOf({ cron: '*/20 * * * * *' }, at('2026-01-01T00:00:00.500Z'));
    expect(iso(reminder.dueAt)).toBe('2026-01-01T00:00:20.000Z');
    expect(iso(ticksOf({ cron: '0 12 * * *' }, at('2026-07-01T13:00:00Z')).dueAt)).toBe('2026-07-02T12:00:00.000Z');
  });

  test('what is known of an expression does not leak into other times', () => {
    const daily = (from: string) => iso(ticksOf({ cron: '15 4 * * *' }, at(from)).dueAt);
    expect(daily('2026-05-01T00:00:00Z')).toBe('2026-05-01T04:15:00.000Z');
    expect(daily('2026-05-01T04:14:59Z')).toBe('2026-05-01T04:15:00.000Z');
    expect(daily('2026-05-01T04:15:00Z')).toBe('2026-05-02T04:15:00.000Z');
    expect(daily('2026-04-01T00:00:00Z')).toBe('2026-04-01T04:15:00.000Z');
  });
});

test('an interval keeps its beat: the tick after a time is the first one after it', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.integer({ min: 100, max: 1e7 }), fc.nat(1e10), (startMs, everyMs, later) => {
      const reminder = ticksOf({ every: everyMs }, startMs);
      const next = tickAfter(reminder, reminder.dueAt + later)!;
      expect((next - reminder.dueAt) % everyMs).toBe(0);
      expect(next).toBeGreaterThan(reminder.dueAt + later);
      expect(next - everyMs).toBeLessThanOrEqual(reminder.dueAt + later);
      // A clock that was set back does not bring a tick back.
      expect(nextTick(reminder, reminder.dueAt - later)).toBe(reminder.dueAt + everyMs);
    }),
  );
});

test('a clock that was set back between a tick and its end does not bring the tick back', () => {
  const daily = ticksOf({ cron: '0 9 * * *' }, at('2026-05-01T00:00:00Z'));
  expect(iso(nextTick(daily, at('2026-05-01T08:00:00Z')))).toBe('2026-05-02T09:00:00.000Z');
});

test('only a reminder that skips leaves out a tick, and only one that is late', () => {
  const reminder = ticksOf({ every: '1m', missed: 'skip' }, 0);
  expect(isSkipped(reminder, 60_000)).toBe(false);
  expect(isSkipped(reminder, 65_000)).toBe(false);
  expect(isSkipped(reminder, 65_001)).toBe(true);
  expect(isSkipped({ ...reminder, missed: 'all' }, 1e9)).toBe(false);
});

test('one that is due once has no tick after it', () => {
  const reminder = ticksOf({ after: '1.5s' }, 1_000);
  expect(reminder.dueAt).toBe(2_500);
  expect(nextTick(reminder, 2_500)).toBeUndefined();
  expect(ticksOf({ at: 5 }, 1_000).dueAt).toBe(5);
});
