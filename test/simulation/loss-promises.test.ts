/** Which ends of a list an accepted loss explains, and which it does not. */
import { expect, test } from 'vitest';
import type { Operation } from '../../src/testing/simulation/history.ts';
import { checkAfterLoss } from '../../src/testing/simulation/loss-promises.ts';

const actor = 'Tokens/x';
const lostAtMs = 100;

/** One after the other, each in a millisecond. */
function did(atMs: number, command: string, input: unknown, reply: unknown, more: Partial<Operation> = {}): Operation {
  const outcome: Operation['outcome'] =
    reply === undefined ? { type: 'unknown', code: 'SILENCE' } : { type: 'reply', reply, replayed: false };
  const ended = reply === undefined ? Number.POSITIVE_INFINITY : atMs + 0.5;
  const times = { invoked: atMs, invokedAtMs: atMs, ended, endedAtMs: ended };
  return { client: 'c', actor, command, input, key: '', attempts: 1, outcome, ...times, ...more };
}

const before = [did(1, 'append', 'one', 1), did(2, 'append', 'two', 2), did(3, 'appendPair', 'three', 4)];
const after = [did(200, 'append', 'later', 2), did(201, 'read', undefined, ['one', 'later'])];

function found(operations: readonly Operation[], list: readonly string[], isHit = true): string[] {
  const findings = checkAfterLoss({ operations, last: new Map([[actor, list]]), lostAtMs, mayHaveLost: () => isHit });
  return [...new Set(findings.violations.map(({ promise }) => promise))];
}

test('the end of what was acknowledged before may be gone, and is counted', () => {
  const last = new Map([[actor, ['one', 'later']]]);
  const findings = checkAfterLoss({ operations: [...before, ...after], last, lostAtMs, mayHaveLost: () => true });
  expect(findings).toEqual({ violations: [], lost: 3, kept: 1, elsewhere: 0 });
});

test('where too few copies were not lost, nothing may be gone', () => {
  expect(found([...before, ...after], ['one', 'later'], false)).toContain('P2');
});

test('what was acknowledged after it is there, where it was said to be', () => {
  expect(found([...before, ...after], ['one'])).toEqual(['P2']);
  expect(found([...before, ...after], ['one', 'two', 'later'])).toEqual(['P2']);
});

test('nothing is there twice, invented, undone or half', () => {
  const list = ['one', 'later'];
  expect(found([...before, ...after], [...list, 'later'])).toEqual(['P4']);
  expect(found([...before, ...after], [...list, 'never sent'])).toEqual(['P3']);
  const refused = did(202, 'append', 'refused', undefined, { outcome: { type: 'notExecuted', code: 'UNAVAILABLE' } });
  expect(found([...before, ...after, refused], [...list, 'refused'])).toEqual(['P3']);
  expect(found([...before, ...after, did(202, 'appendPair', 'pair', undefined)], [...list, 'pair/1'])).toEqual(['P3']);
});

test('what was under way at the loss may be there twice: whoever tries it again may have it done again', () => {
  const underWay = did(99, 'append', 'doubted', undefined);
  expect(found([...before, underWay], ['one', 'doubted', 'doubted'])).toEqual([]);
  expect(found([...before, underWay], ['one', 'two', 'three/1', 'three/2', 'doubted', 'doubted'], false)).toEqual([
    'P4',
  ]);
});

test('nobody is shown less after the loss than was kept, nor less than was shown before', () => {
  expect(found([...before, did(200, 'touch', undefined, 1)], ['one', 'two'])).toEqual(['P5']);
  const shown = [did(200, 'append', 'later', 2), did(201, 'touch', undefined, 1)];
  expect(found([...before, ...shown], ['one', 'later'])).toEqual(['P5']);
});
