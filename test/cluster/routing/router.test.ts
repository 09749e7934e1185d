/** What a router says of commands in its hands when its node stops or fails. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { RoutedCommand } from '../../../src/actors/elsewhere.ts';
import { type CommandMessage, errorToWire } from '../../../src/cluster/routing/command-messages.ts';
import type { Router } from '../../../src/cluster/routing/router.ts';
import { GreenroomError } from '../../../src/core/errors.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { afterLoss, commandOf, owner, routerTo, shard } from './fixture.ts';
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

test('an answer that does not come is awaited until the deadline of its own command, whatever was sent before and after', () => {
  const clock = new VirtualClock();
  const own = routerTo((message) => sent.push(message), { clock });
  own.start();
  const ask = (name: string, deadlineMs: number) => {
    const caller = { replied: () => {}, failed: ({ code }: { code: string }) => answers.push(`${name} ${code}`) };
    own.send({ ...commandOf(1, caller), deadlineMs });
  };
  ask('middle', 2_000);
  own.received(owner, { type: 'opened', shard, lane: (sent[0] as { lane: number }).lane, position: 0 });
  ask('early', 1_000);
  ask('late', 3_000);
  const heardAt = (ms: number): readonly string[] => {
    clock.advance(ms - clock.monotonicMs());
    return answers.splice(0);
  };
  expect(heardAt(1_200)).toEqual([]);
  expect(heardAt(1_320)).toEqual(['early OUTCOME_UNKNOWN']);
  expect(heardAt(2_200)).toEqual([]);
  expect(heardAt(2_320)).toEqual(['middle OUTCOME_UNKNOWN']);
  expect(heardAt(3_200)).toEqual([]);
  expect(heardAt(3_320)).toEqual(['late OUTCOME_UNKNOWN']);
  own.close('the story is over');
});

test('what follows a command that was turned away is turned away, too, and all come back in order', () => {
  expect(runsAfterARefusal()).toEqual([1, 2, 3]);
  expect(runsAfterARefusal('lane stays open after a refusal')).not.toEqual([1, 2, 3]);
});

test('an answer to what a former life asked is not taken for an answer to this one', () => {
  expect(repliesInTheNextLife()).toEqual([2]);
  expect(repliesInTheNextLife('answer of another lane taken')).toEqual([1]);
});

describe('a second attempt that comes to nothing says nothing of the first', () => {
  const busy = new GreenroomError('UNAVAILABLE', 'the actor was busy until the deadline; the command was not executed');
  const facts = { commandId: '~test.1', replayed: false, recorded: false, woke: undefined };
  const caller = (heard: string[]) => ({
    replied: () => heard.push('replied'),
    failed: ({ code }: { code: string }) => heard.push(code),
  });

  test.each([
    ['uncertain', 'OUTCOME_UNKNOWN'],
    ['refused', 'UNAVAILABLE'],
  ] as const)('on this node, after a first that is %s', (reroute, expected) => {
    const heard: string[] = [];
    const here: RoutedCommand[] = [];
    const own = routerTo(() => {}, { receive: (command) => here.push(command) });
    own.send({ ...commandOf(1, caller(heard)), reroute });
    own.becomeHere(shard, 9, 5);
    here[0]!.caller.failed(busy, facts);
    expect(heard).toEqual([expected]);
  });

  test('on another node', () => {
    const heard: string[] = [];
    router.send({ ...commandOf(1, caller(heard)), reroute: 'uncertain' });
    const { lane } = sent[0] as { lane: number };
    router.received(owner, { type: 'opened', shard, lane, position: 3 });
    const { number } = sent[1] as { number: number };
    const error = errorToWire(busy);
    router.received(owner, { type: 'failure', shard, lane, number, error, commandId: '~test.1', recorded: false });
    expect(heard).toEqual(['OUTCOME_UNKNOWN']);
  });
});

test('after an accepted loss what was known of the log before it is known no more: a later attempt is searched from the beginning', () => {
  const commands = () => sent.flatMap((message) => (message.type === 'command' ? [message] : []));
  const laneOpens = (position: number) => {
    const { lane } = sent.findLast((message) => message.type === 'open') as { lane: number };
    router.received(owner, { type: 'opened', shard, lane, position });
  };
  send('before');
  laneOpens(119);
  router.applyMap(afterLoss(1));
  router.applyMap(afterLoss(2));
  laneOpens(71);
  expect(commands().map(({ since }) => since)).toEqual([-1, 0]);
  expect(router.knownPosition(shard)).toBe(71);

  send('after');
  router.linkDown(owner);
  router.linkUp(owner);
  laneOpens(90);
  expect(commands().at(-1)).toMatchObject({ input: 1, since: 71 });
});
