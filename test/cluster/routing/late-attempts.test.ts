import { expect, test } from 'vitest';
import { LateAttempts, lateAttemptsMax, lateByMs } from '../../../src/cluster/routing/late-attempts.ts';

test('a first attempt that comes after a later one is searched from where that one was', () => {
  let nowMs = 0;
  const late = new LateAttempts(() => nowMs);
  expect(late.sinceOf('~a.1', -1)).toBe(-1);
  expect(late.sinceOf('~a.1', 7)).toBe(7);
  expect(late.sinceOf('~a.1', -1)).toBe(7);
  expect(late.sinceOf('~a.2', -1)).toBe(-1);
  nowMs = lateByMs - 1;
  expect(late.sinceOf('~a.3', 9)).toBe(9);
  expect(late.sinceOf('~a.1', -1)).toBe(7);
  nowMs = lateByMs;
  late.sinceOf('~a.4', 9);
  expect(late.sinceOf('~a.1', -1)).toBe(-1);
  expect(late.sinceOf('~a.3', -1)).toBe(9);
});

test('what is sent again is remembered anew, and the number of what is remembered is bounded', () => {
  const late = new LateAttempts(() => 0);
  for (let n = 0; n < lateAttemptsMax + 10; n++) {
    late.sinceOf('~often', 1);
    late.sinceOf(`~a.${n}`, 2);
  }
  expect(late.size).toBeLessThanOrEqual(lateAttemptsMax);
  expect(late.sinceOf('~often', -1)).toBe(1);
  expect(late.sinceOf('~a.0', -1)).toBe(-1);
});

test('commands without an id are not remembered', () => {
  const late = new LateAttempts(() => 0);
  expect(late.sinceOf('', 3)).toBe(3);
  expect(late.sinceOf('', -1)).toBe(-1);
});
