/** What a log is told of those who are turned away, and how seldom. */
import { expect, test } from 'vitest';
import { TurnedAwayBook, turnedAwayEveryMs, turnedAwayMax } from '../../src/transport/turned-away.ts';

const stranger = { host: '10.0.0.1', why: 'wrong secret' } as const;

test('the same stranger is told once in a while, with how often it came since', () => {
  const book = new TurnedAwayBook();
  expect(book.note(stranger, 0)).toBe(1);
  for (let ms = 1; ms <= 5; ms++) expect(book.note(stranger, ms)).toBeUndefined();
  expect(book.note(stranger, turnedAwayEveryMs)).toBe(6);
  expect(book.note(stranger, turnedAwayEveryMs + 1)).toBeUndefined();
});

test('another host, or another reason, is told at once', () => {
  const book = new TurnedAwayBook();
  book.note(stranger, 0);
  expect(book.note({ ...stranger, host: '10.0.0.2' }, 0)).toBe(1);
  expect(book.note({ ...stranger, why: 'wrong cluster' }, 0)).toBe(1);
});

test('a crowd of hosts is told of so often and no more, until a while has passed', () => {
  const book = new TurnedAwayBook();
  const told = (nowMs: number) =>
    Array.from({ length: 1_000 }, (_, i) => book.note({ ...stranger, host: `${nowMs} ${i}` }, nowMs)).filter(Boolean);
  expect(told(0)).toHaveLength(turnedAwayMax);
  expect(told(turnedAwayEveryMs - 1)).toHaveLength(0);
  expect(told(turnedAwayEveryMs)).toHaveLength(turnedAwayMax);
});
