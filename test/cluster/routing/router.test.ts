/** What a router says of commands in its hands when its node stops or fails. */
import { beforeEach, expect, test } from 'vitest';
import { type CommandMessage, decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { Router } from '../../../src/cluster/routing/router.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { settledMap } from '../map-fixture.ts';
import { runsAfterARefusal } from './told.ts';

const shard = 0;
const map = settledMap(3, 1);
const { owner } = map.shards[shard]!.assigned;
const self = [...map.members.keys()].find((each) => each !== owner)!;

let sent: CommandMessage[];
let answers: string[];
let router: Router;

beforeEach(() => {
  sent = [];
  answers = [];
  let ids = 0;
  router = new Router({
    storeId: self,
    clock: new VirtualClock(),
    mistaken: () => false,
    send: (to: StoreId, message) => {
      expect(to).toBe(owner);
      sent.push(decodeCommandMessage(message));
      return true;
    },
    isUp: () => true,
    bootOf: () => 1,
    receive: () => {},
    nextCommandId: () => `~test.${++ids}`,
  });
  router.applyMap(map);
});

function send(name: string): void {
  router.send({
    type: 'Counter',
    id: 'one',
    shard,
    kind: 'command',
    command: 'add',
    input: 1,
    caller: {
      replied: () => answers.push(`${name} replied`),
      failed: ({ code }) => answers.push(`${name} ${code}`),
    },
    deadlineMs: 10_000,
    commandId: '',
    since: -1,
    delivery: undefined,
    chain: undefined,
    order: 0,
    reroute: undefined,
  });
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
