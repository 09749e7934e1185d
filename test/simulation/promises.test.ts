import { expect, test } from 'vitest';
import { Health } from '../../src/testing/simulation/health.ts';
import { History, type Outcome } from '../../src/testing/simulation/history.ts';
import { checkErrors, checkTells, checkTokenList, checkTransfers } from '../../src/testing/simulation/promises.ts';

let nowMs = 0;

type Told = readonly [command: string, input: unknown, outcome: Outcome, actor?: string];

/** A history of commands one after the other. */
function history(...commands: readonly Told[]) {
  nowMs = 0;
  const made = new History(() => nowMs);
  commands.forEach(([command, input, outcome, actor], index) => {
    const open = made.begin({ client: 'c', actor: actor ?? 'Tokens/1', command, input, key: `k${index}` });
    nowMs += 100_000;
    open.end(outcome, 1);
  });
  return made;
}

const reply = (value: unknown): Outcome => ({ type: 'reply', reply: value, replayed: false });
const unknown: Outcome = { type: 'unknown', code: 'OUTCOME_UNKNOWN' };
const notExecuted: Outcome = { type: 'notExecuted', code: 'UNAVAILABLE' };

function inList(last: readonly string[], ...commands: readonly Told[]): string[] {
  return checkTokenList('Tokens/1', history(...commands).operations, last).map(({ promise }) => promise);
}

test('a list: lost, torn, kept, doubled, denied and reordered', () => {
  expect(inList(['a', 'b'], ['append', 'a', reply(1)], ['append', 'b', reply(2)])).toEqual([]);
  expect(inList([], ['append', 'a', unknown], ['append', 'b', notExecuted])).toEqual([]);
  expect(inList([], ['append', 'a', reply(1)])).toEqual(['P2']);
  expect(inList(['a/1'], ['appendPair', 'a', unknown])).toEqual(['P3']);
  expect(inList(['a/never'], ['appendAndFail', 'a', { type: 'failure', code: 'COMMAND_FAILED' }])).toEqual(['P3']);
  expect(inList(['a', 'a'], ['append', 'a', unknown])).toEqual(['P4']);
  expect(inList(['a'], ['append', 'a', notExecuted])).toEqual(['P4']);
  expect(inList(['b', 'a'], ['append', 'a', reply(1)], ['append', 'b', reply(2)])).toEqual(['P6']);
});

test('transfers: half done, doubled, lost', () => {
  const entry = (side: 'debit' | 'credit') => ({ transfer: 't', side, amount: 1 });
  const found = (outcome: Outcome, here: unknown[], there: unknown[]) =>
    checkTransfers({
      history: history(['transfer', { to: '2', transfer: 't', amount: 1 }, outcome, 'Account/1']),
      last: new Map([
        ['Account/1', here],
        ['Account/2', there],
      ]),
    }).map(({ promise }) => promise);
  expect(found(reply({}), [entry('debit')], [entry('credit')])).toEqual([]);
  expect(found(unknown, [], [entry('credit')])).toEqual([]);
  expect(found(unknown, [], [entry('credit'), entry('credit')])).toEqual(['P4']);
  expect(found(unknown, [entry('debit')], [])).toEqual(['P2']);
  expect(found(reply({}), [], [entry('credit')])).toEqual(['P2']);
  expect(found(notExecuted, [entry('debit')], [entry('credit')])).toEqual(['P4']);
});

test('tells: out of order, twice, from nowhere', () => {
  const found = (received: readonly string[], sent: number) =>
    checkTells({
      last: new Map<string, unknown>([
        ['Teller/a', { sent: { b: sent }, received: [] }],
        ['Teller/b', { sent: {}, received }],
      ]),
    }).map(({ promise }) => promise);
  expect(found(['a#1', 'a#2'], 3)).toEqual([]);
  expect(found(['a#2'], 3)).toContain('P6');
  expect(found(['a#1', 'a#1'], 3)).toContain('P6');
  expect(found(['a#1', 'a#2'], 1)).toEqual(['P2']);
});

test('errors need a cause: a majority that was troubled, or was not well for long enough', () => {
  const found = (outcome: Outcome, isTroubled: boolean, command = 'append') => {
    nowMs = 0;
    const health = new Health(
      () => nowMs,
      () => [['a', 'b', 'c']],
    );
    if (isTroubled) health.trouble(['a', 'b']);
    return checkErrors({ history: history([command, 'a', outcome]), health }).map(({ promise }) => promise);
  };
  expect(found(unknown, true)).toEqual([]);
  expect(found(unknown, false)).toEqual(['P8']);
  expect(found(notExecuted, false)).toEqual(['P8']);
  expect(found({ type: 'failure', code: 'COMMAND_FAILED' }, true)).toEqual(['P7']);
  expect(found({ type: 'failure', code: 'COMMAND_FAILED' }, true, 'appendAndFail')).toEqual([]);
  expect(found(reply(1), true, 'appendAndReject')).toEqual(['P7']);
});
