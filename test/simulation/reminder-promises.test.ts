/** Each rule about reminders, on a history that breaks it. */
import { describe, expect, test } from 'vitest';
import { History, type Outcome } from '../../src/testing/simulation/history.ts';
import { checkReminders, overdueAfterMs, overdueReminders } from '../../src/testing/simulation/reminder-promises.ts';
import type { DiaryEntry, Plan, SetReminder, TallyEntry } from '../../src/testing/simulation/workload-diary.ts';

const reply = (value: unknown): Outcome => ({ type: 'reply', reply: value, replayed: false });
const unknown: Outcome = { type: 'unknown', code: 'OUTCOME_UNKNOWN' };
const notExecuted: Outcome = { type: 'notExecuted', code: 'UNAVAILABLE' };

const plan = (token: string, more: Partial<Plan> = {}): Plan => ({
  token,
  name: 'noon',
  kind: 'after',
  periodMs: 1_000,
  missed: 'fire-once',
  ticksMax: 1,
  throwsForMs: 0,
  asks: false,
  thenAfterMs: 0,
  ...more,
});
const every = (missed: Plan['missed'], more: Partial<Plan> = {}) =>
  plan('e', { kind: 'every', missed, ticksMax: 9, ...more });

function set(of: Plan, at: number): DiaryEntry {
  const { token, name, kind, periodMs, missed, ticksMax, asks } = of;
  return { what: 'set', token, name, kind, periodMs, missed, ticksMax, asks, at, dueAt: at + periodMs };
}
const forgotten = (token: string, at: number): DiaryEntry => ({ what: 'forgotten', token, name: 'noon', at });
const ticked = (token: string, number: number, at: number, next = 0, overlaps = false): DiaryEntry => ({
  what: 'ticked',
  token,
  name: 'noon',
  number,
  at,
  next,
  overlaps,
});
const waiting = (token: string, dueAt: number): SetReminder => ({ name: 'noon', token, dueAt, retryAt: 0 });

type Told = readonly [command: string, input: unknown, outcome: Outcome, fromMs?: number, toMs?: number];

interface Broken {
  readonly told?: readonly Told[];
  readonly reminders?: readonly SetReminder[];
  readonly tally?: readonly TallyEntry[];
  /** By how much each wall clock is ahead of the world. */
  readonly wallAheadMs?: readonly number[];
}

/** What is found in a diary with these entries, by promise. */
function found(entries: readonly DiaryEntry[], { told = [], reminders = [], tally = [], ...rest }: Broken = {}) {
  const ahead = rest.wallAheadMs ?? [0];
  let nowMs = 0;
  const history = new History(() => nowMs);
  for (const [command, input, outcome, fromMs, toMs] of told) {
    nowMs = fromMs ?? nowMs;
    const open = history.begin({ client: 'r', actor: 'Diary/1', command, input, key: '' });
    nowMs = toMs ?? nowMs;
    open.end(outcome, 1);
  }
  const findings = checkReminders({
    history,
    last: new Map<string, unknown>([
      ['Diary/1', { entries, reminders }],
      ['Tally/1', tally],
    ]),
    wall: (fromMs, toMs) => ({ leastMs: fromMs + Math.min(...ahead), mostMs: toMs + Math.max(...ahead) }),
  });
  return findings.map(({ promise }) => promise);
}

describe('a reminder for one time', () => {
  const once = [set(plan('a'), 0), ticked('a', 1, 1_000)];

  test('ticks once, and nothing is found', () => {
    expect(found(once)).toEqual([]);
    expect(found([set(plan('a'), 0)], { reminders: [waiting('a', 1_000)] })).toEqual([]);
  });
  test('that ticks twice', () => expect(found([...once, ticked('a', 1, 1_001)])).toEqual(['P4']));
  test('that is lost', () => expect(found([set(plan('a'), 0)])).toEqual(['P2']));
  test('that is still set after its tick', () => {
    expect(found(once, { reminders: [waiting('a', 1_000)] })).toEqual(['P4']);
  });
  test('that ticks after it was forgotten, or before it was', () => {
    expect(found([set(plan('a'), 0), forgotten('f', 500), ticked('a', 1, 1_000)])).toEqual(['P4']);
    expect(found([...once, forgotten('f', 1_500)])).toEqual([]);
    expect(found([set(plan('a'), 0), forgotten('f', 500)], { reminders: [waiting('a', 1_000)] })).toEqual(['P4']);
  });
  test('that ticks after it was replaced', () => {
    const replaced = [set(plan('a'), 0), set(plan('b'), 500)];
    expect(found([...replaced, ticked('b', 1, 1_500)])).toEqual([]);
    expect(found([...replaced, ticked('a', 1, 1_000)], { reminders: [waiting('b', 1_500)] })).toEqual(['P4']);
    expect(found(replaced, { reminders: [waiting('a', 1_000)] })).toEqual(['P3']);
  });
  test('that ticks before its time, by the clock of its owner', () => {
    expect(found([set(plan('a'), 0), ticked('a', 1, 999)])).toEqual(['early']);
  });
  test('that ticks before any clock had shown its time', () => {
    const told: Told[] = [
      ['plan', plan('a'), reply(1), 0, 10],
      ['report', undefined, reply({ entries: once, reminders: [] }), 400, 500],
    ];
    expect(found(once, { told })).toEqual(['early']);
    expect(found(once, { told, wallAheadMs: [0, 500] })).toEqual([]);
  });
  test('that is set for another time than any clock made of it', () => {
    const late = [{ ...set(plan('a'), 0), dueAt: 3_000 } as DiaryEntry];
    const told: Told[] = [['plan', plan('a'), reply(1), 0, 10]];
    expect(found(late, { told, reminders: [waiting('a', 3_000)] })).toEqual(['early']);
    expect(found(late, { told, reminders: [waiting('a', 3_000)], wallAheadMs: [0, 2_000] })).toEqual([]);
  });
});

describe('a ticker', () => {
  const ticks = (...nexts: readonly number[]) =>
    nexts.map((next, index) => ticked('e', index + 1, (nexts[index - 1] ?? 1_000) + 5, next));
  const beats = (missed: Plan['missed'], ...entries: DiaryEntry[]) => [set(every(missed), 0), ...entries];
  const due = (dueAt: number) => ({ reminders: [waiting('e', dueAt)] });

  test('on its beat, and nothing is found', () => {
    expect(found(beats('all', ...ticks(2_000, 3_000)), due(3_000))).toEqual([]);
    expect(found(beats('fire-once', ticked('e', 1, 5_500, 6_000)), due(6_000))).toEqual([]);
    expect(found(beats('skip'), due(7_000))).toEqual([]);
  });
  test("of 'all' that leaves one out", () => {
    expect(found(beats('all', ticked('e', 1, 5_500, 6_000)), due(6_000))).toEqual(['P2']);
  });
  test("of 'all' that ticks one twice", () => {
    const twice = [ticked('e', 1, 1_005, 2_000), ticked('e', 2, 1_010, 2_000)];
    expect(found(beats('all', ...twice), due(2_000))).toEqual(['early', 'P2']);
  });
  test('that leaves out a tick that nobody missed', () => {
    expect(found(beats('fire-once', ticked('e', 1, 1_005, 9_000)), due(9_000))).toEqual(['P2']);
  });
  test('off its beat, or with a time that was', () => {
    expect(found(beats('all', ticked('e', 1, 1_005, 2_001)), due(2_001))).toEqual(['P2']);
    expect(found(beats('fire-once', ticked('e', 1, 5_500, 6_001)), due(6_001))).toEqual(['P2']);
    expect(found(beats('fire-once', ticked('e', 1, 1_005, 1_000)), due(1_000))).toEqual(['P2']);
  });
  test('out of order', () => expect(found(beats('all', ticked('e', 2, 1_005, 2_000)), due(2_000))).toEqual(['P6']));
  test('whose ticks overlap', () => {
    expect(found(beats('all', ticked('e', 1, 1_005, 2_000, true)), due(2_000))).toEqual(['P3']);
  });
  test('that ends before its last tick, or goes on after it', () => {
    expect(found(beats('all', ticked('e', 1, 1_005, 0)))).toEqual(['P2']);
    const last = [set(every('all', { ticksMax: 1 }), 0), ticked('e', 1, 1_005, 2_000)];
    expect(found(last, due(2_000))).toEqual(['P2']);
  });
  test('whose next tick is not the one that its record said', () => {
    expect(found(beats('all', ...ticks(2_000)), due(4_000))).toEqual(['P2']);
  });
});

describe('commands', () => {
  const there = [set(plan('a'), 0), ticked('a', 1, 1_000)];

  test('whose outcome is unknown may be there or not', () => {
    expect(found(there, { told: [['plan', plan('a'), unknown, 0, 2_000]] })).toEqual([]);
    expect(found([], { told: [['plan', plan('a'), unknown]] })).toEqual([]);
    const forgets: Told = ['forgetPlan', { token: 'f', name: 'noon' }, unknown];
    expect(found(there, { told: [['plan', plan('a'), reply(1)], forgets], wallAheadMs: [0, 9_000] })).toEqual([]);
    expect(found([set(plan('a'), 0), forgotten('f', 1)], { told: [['plan', plan('a'), reply(1)], forgets] })).toEqual(
      [],
    );
  });
  test('whose outcome is unknown may come after their client has given up', () => {
    const told: Told[] = [
      ['plan', plan('a'), unknown, 0, 10],
      [
        'report',
        undefined,
        reply({ entries: [set(plan('a'), 5_000)], reminders: [waiting('a', 6_000)] }),
        5_500,
        5_600,
      ],
    ];
    expect(found([set(plan('a'), 5_000)], { told, reminders: [waiting('a', 6_000)] })).toEqual([]);
  });
  test('acknowledged and lost', () => {
    expect(found([], { told: [['plan', plan('a'), reply(1)]] })).toEqual(['P2']);
    const forgets: Told = ['forgetPlan', { token: 'f', name: 'noon' }, reply(2)];
    expect(found(there, { told: [['plan', plan('a'), unknown], forgets], wallAheadMs: [0, 9_000] })).toEqual(['P2']);
  });
  test('done twice, or denied and done', () => {
    expect(found([forgotten('f', 1), forgotten('f', 2)])).toEqual(['P4']);
    expect(found([forgotten('f', 1)], { told: [['forgetPlan', { token: 'f', name: 'noon' }, notExecuted]] })).toEqual([
      'P4',
    ]);
  });
  test('in another place than was answered', () => {
    expect(found([forgotten('f', 1)], { told: [['forgetPlan', { token: 'f', name: 'noon' }, reply(2)]] })).toEqual([
      'P2',
    ]);
  });
  test('that show what is gone, or less than was shown before', () => {
    const shown = (...entries: DiaryEntry[]): Told => ['report', undefined, reply({ entries, reminders: [] })];
    expect(found([forgotten('f', 1)], { told: [shown(forgotten('g', 1))] })).toEqual(['P2']);
    expect(found([], { told: [shown(forgotten('g', 1))] })).toEqual(['P2']);
    expect(found([forgotten('f', 1)], { told: [shown(forgotten('f', 1)), shown()] })).toEqual(['P5']);
  });
});

test('what a tick asks has its effect once, for as long as its id is remembered', () => {
  const asks = [set(plan('a', { asks: true }), 0), ticked('a', 1, 1_000)];
  expect(found(asks, { tally: [{ tick: 'a/1', at: 1_000 }] })).toEqual([]);
  expect(found(asks)).toEqual(['P2']);
  const again = (at: number) => ({
    tally: [
      { tick: 'a/1', at: 1_000 },
      { tick: 'a/1', at },
    ],
  });
  expect(found(asks, again(2_000))).toEqual(['P4']);
  expect(found(asks, again(1_000 + 15 * 60_000))).toEqual([]);
});

test('a reminder is overdue when the slowest clock is long past its time, or the time of its next try', () => {
  const last = (more: Partial<SetReminder>) =>
    new Map([['Diary/1', { entries: [], reminders: [{ ...waiting('a', 1_000), ...more }] }]]);
  expect(overdueReminders(last({}), 1_000 + overdueAfterMs)).toEqual([]);
  expect(overdueReminders(last({}), 1_001 + overdueAfterMs)).toHaveLength(1);
  expect(overdueReminders(last({ retryAt: 2_000 }), 1_001 + overdueAfterMs)).toEqual([]);
});
