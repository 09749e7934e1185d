/** What a router says of commands in its hands when its node stops or fails. */
import { beforeEach, expect, test } from 'vitest';
import type { CommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import type { Router } from '../../../src/cluster/routing/router.ts';
import { commandOf, owner, routerTo, shard } from './fixture.ts';
import { repliesInTheNextLife, runsAfterARefusal } from './told.ts';

let sent: CommandMessage[];
let answers: string[];
let router: Router;

beforeEach(() => {
  sent = [];
  answers = [];
  router = routerTo((message) => sent.push(message));
});

function send(name: string): void {
  router.send(
    commandOf(1, {
      replied: () => answers.push(`${name} replied`),
      failed: ({ code }) => answers.push(`${name} ${code}`),
    }),
  );
}

test('a router that closes says of what it sent that it may have been executed, and of the rest that it was not', () => {
  send('on its way');
  const [open] = sent;
  expect(open?.type).toBe('open');
  router.received(owner, { type: 'opened', shard, lane: (open as { lane: number }).lane, position: 3 });
  expect(sent.at(-1)?.type).toBe('command');
  router.linkDown(owner);
  router.close('this node has stopped');
  expect(answers).toEqual(['on its way OUTCOME_UNKNOWN']);
});

test('also of what waits for its first answer, while nothing was turned away', () => {
  send('first');
  router.received(owner, { type: 'opened', shard, lane: (sent[0] as { lane: number }).lane, position: 0 });
  router.close('the disk failed');
  send('second');
  expect(answers).toEqual(['first OUTCOME_UNKNOWN', 'second UNAVAILABLE']);
});

test('a command that never left was not executed', () => {
  send('waiting');
  router.close('this node has stopped');
  expect(answers).toEqual(['waiting UNAVAILABLE']);
});

test('what follows a command that was turned away is turned away, too, and all come back in order', () => {
  expect(runsAfterARefusal()).toEqual([1, 2, 3]);
  expect(runsAfterARefusal('lane stays open after a refusal')).not.toEqual([1, 2, 3]);
});

test('an answer to what a former life asked is not taken for an answer to this one', () => {
  expect(repliesInTheNextLife()).toEqual([2]);
  expect(repliesInTheNextLife('answer of another lane taken')).toEqual([1]);
});
