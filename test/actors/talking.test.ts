import { afterEach, expect, test } from 'vitest';
import { Actor, durableState, eventSourced } from '../../src/actors/actor.ts';
import { broadcast } from '../../src/actors/broadcast.ts';
import { Rejection } from '../../src/core/errors.ts';
import type { ActorId } from '../../src/core/ids.ts';
import { startTestNode, type TestNode } from '../../src/testing/test-node.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type TestNode as HeldNode, testNode } from './harness.ts';

const state: { refuse: boolean; runs: number } = { refuse: false, runs: 0 };

class Sender extends eventSourced({
  initialState: () => ({ sent: 0 }),
  events: { Sent: (s, _e: { to: string }) => ({ sent: s.sent + 1 }) },
}) {
  send(input: { to: string; words: string[] }) {
    this.persist('Sent', { to: input.to });
    for (const word of input.words) this.tell(this.actor(Receiver, input.to)).hear(word);
  }
  sendBoth(word: string) {
    this.tell(this.actor(Closed, 'c')).hear(word);
    this.tell(this.actor(Receiver, 'r')).hear(word);
  }
  remindAndSend(input: { to: string }) {
    this.remind('later', { after: '1m' }).send({ to: input.to, words: ['reminded'] });
    this.tell(this.actor(Receiver, input.to)).hear('at once');
  }
}

class Receiver extends durableState({ initialState: () => [] as readonly string[], snapshotEvery: 4 }) {
  hear(word: string) {
    state.runs += 1;
    if (state.refuse || word.startsWith('!')) throw new Rejection('DEAF', `${word} is not for me`);
    this.save([...this.state, word]);
  }
  all() {
    return this.state;
  }
}

class Closed extends durableState({ initialState: () => 0 }) {
  override onActivate() {
    if (state.refuse) throw new Error('closed');
  }
  hear(_word: string) {
    this.save(this.state + 1);
  }
}

class Brief extends eventSourced({
  initialState: () => 0,
  events: { Done: (n) => n + 1 },
  expire: '1h',
  passivateAfter: '1m',
}) {
  do() {
    this.persist('Done');
    return this.state;
  }
  keepReminding() {
    this.persist('Done');
    this.remind('x', { every: '50m' }).do();
  }
}

class Sleeper extends Actor {
  #struck: string[] = [];
  wait(input: { name: string; ms: number; keepAwake?: boolean }) {
    this.after(input.ms, { keepAwake: input.keepAwake ?? false }).strike(input.name);
  }
  waitAndThrow() {
    this.after(10).strike('never');
    throw new Rejection('NO', 'on purpose');
  }
  waitAndCancel() {
    this.after(10, { keepAwake: true }).strike('cancelled')();
  }
  strike(name: string) {
    this.#struck.push(name);
  }
  struck() {
    return [...this.#struck];
  }
}

const actors = [Sender, Receiver, Closed, Brief, Sleeper];
let node: TestNode | undefined;
afterEach(async () => {
  state.refuse = false;
  state.runs = 0;
  await node?.close();
  node = undefined;
});

const letters = async () => node!.gateway.deadLetters({ after: undefined, limit: 100 });

test('tells interrupted by a crash are sent by whoever owns the shard next, without anybody asking for their sender', async () => {
  const clock = new VirtualClock();
  let held: HeldNode = await testNode([Sender, Receiver], { clock });
  held.journal.disk.hold();
  void held.ref(Sender, 's').send({ to: 'r', words: ['one', 'two'] });
  for (let i = 0; i < 4; i++) await new Promise(setImmediate);
  // The sender's record is durable; what the tells did is not.
  while (!held.journal.disk.isWaiting) await new Promise(setImmediate);
  held.journal.disk.step();
  held = await held.restart();
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  expect(await held.ref(Receiver, 'r').all()).toEqual(['one', 'two']);
  held = await held.restart();
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  expect(await held.ref(Receiver, 'r').all()).toEqual(['one', 'two']);
  held.node.host.close();
});

test('a refused tell becomes one dead letter; what was told after it arrives', async () => {
  node = await startTestNode({ actors, passivateAfter: '10s' });
  await node.actor(Sender, 's').send({ to: 'r', words: ['one', '!two', 'three'] });
  await node.settle();
  expect(await node.actor(Receiver, 'r').all()).toEqual(['one', 'three']);
  expect(await letters()).toMatchObject([
    {
      from: { type: 'Sender', id: 's' },
      to: { type: 'Receiver', id: 'r' },
      command: 'hear',
      input: '!two',
      reason: { code: 'DEAF', message: '!two is not for me' },
    },
  ]);
  await node.advance('1m');
  expect(node.activeCount).toBe(0);
  await node.crash();
  await node.advance('1m');
  expect(await letters()).toHaveLength(1);
  expect(state.runs).toBe(3);
});

test('a dead letter can be sent again, and refused again it is a new one; it can be dropped', async () => {
  node = await startTestNode({ actors });
  state.refuse = true;
  await node.actor(Sender, 's').send({ to: 'r', words: ['one', 'two'] });
  await node.settle();
  const [one, two] = await letters();
  await node.gateway.resendDeadLetter(one!.id);
  await node.settle();
  expect((await letters()).map(({ input, from }) => [input, from.type])).toEqual([
    ['two', 'Sender'],
    ['one', '_DeadLetter'],
  ]);
  state.refuse = false;
  await node.gateway.resendDeadLetter(two!.id);
  await node.gateway.dropDeadLetter((await letters()).find(({ input }) => input === 'one')!.id);
  await node.settle();
  expect(await letters()).toEqual([]);
  expect(await node.actor(Receiver, 'r').all()).toEqual(['two']);
  await expect(node.gateway.resendDeadLetter(two!.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(node.gateway.dropDeadLetter('nobody' as ActorId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a refusal that its receiver recorded and its sender never heard of is a dead letter after the crash', async () => {
  const clock = new VirtualClock();
  let held: HeldNode = await testNode([Sender, Receiver], { clock });
  held.journal.disk.hold();
  void held.ref(Sender, 's').send({ to: 'r', words: ['!no'] });
  // One batch for the sender's record, one for the receiver's refusal: and no more.
  for (let batch = 0; batch < 2; batch++) {
    while (!held.journal.disk.isWaiting) await new Promise(setImmediate);
    held.journal.disk.step();
  }
  held = await held.restart();
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  const found = await held.node.deadLetters({ after: undefined, limit: 10 });
  expect(found).toMatchObject([{ input: '!no', reason: { code: 'DEAF' } }]);
  expect(state.runs).toBe(1);
  held.node.host.close();
});

test('a tell that became a dead letter is not sent again, although one before it still waits', async () => {
  node = await startTestNode({ actors });
  state.refuse = true;
  await node.actor(Sender, 's').sendBoth('!word');
  await node.advance('1s');
  expect(await letters()).toHaveLength(1);
  await node.crash();
  await node.advance('1m');
  expect(await letters()).toHaveLength(1);
  state.refuse = false;
  await node.gateway.resume('Closed', 'c' as ActorId);
  await node.advance('1m');
  expect(await node.state(Closed, 'c')).toBe(1);
  expect(state.runs).toBe(1);
});

test('deleting an actor takes its unsent tells with it', async () => {
  node = await startTestNode({ actors });
  state.refuse = true;
  await node.actor(Sender, 's').send({ to: 'elsewhere', words: [] });
  await node.actor(Sender, 's').sendBoth('word');
  await node.advance('1s');
  await node.gateway.delete('Sender', 's' as ActorId);
  await node.crash();
  state.refuse = false;
  await node.gateway.resume('Closed', 'c' as ActorId);
  await node.advance('1m');
  expect(await node.state(Closed, 'c')).toBeUndefined();
});

test('more unsent tells than an outbox holds are refused as OVERLOADED, and nothing of the command is kept', async () => {
  node = await startTestNode({ actors });
  state.refuse = true;
  const sender = node.actor(Sender, 's');
  for (let i = 0; i < 990; i++) await sender.sendBoth('!word');
  await node.advance('1s');
  const before = await node.state(Sender, 's');
  const words = Array.from({ length: 50 }, (_, i) => `word ${i}`);
  await expect(sender.send({ to: 'r', words })).rejects.toMatchObject({ code: 'OVERLOADED' });
  expect(await node.state(Sender, 's')).toEqual(before);
});

test('a tell to a type that is gone is a dead letter', async () => {
  const clock = new VirtualClock();
  let held: HeldNode = await testNode([Sender, Receiver], { clock });
  held.journal.disk.hold();
  void held.ref(Sender, 's').send({ to: 'r', words: ['one'] });
  while (!held.journal.disk.isWaiting) await new Promise(setImmediate);
  held.journal.disk.step();
  held = await held.restart([Sender]);
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  const [letter, ...others] = await held.node.deadLetters({ after: undefined, limit: 10 });
  expect(letter).toMatchObject({ to: { type: 'Receiver', id: 'r' }, reason: { code: 'UNKNOWN_ACTOR_TYPE' } });
  expect(others).toEqual([]);
  await expect(held.node.resendDeadLetter(letter!.id)).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  held = await held.restart([Sender, Receiver]);
  await held.node.resendDeadLetter(letter!.id);
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  expect(await held.ref(Receiver, 'r').all()).toEqual(['one']);
  held.node.host.close();
});

test('a reminder fires although tells of its actor are on their way', async () => {
  const clock = new VirtualClock();
  node = await startTestNode({ actors, clock });
  await node.actor(Sender, 's').remindAndSend({ to: 'r' });
  await node.advance('2m');
  expect(await node.actor(Receiver, 'r').all()).toEqual(['at once', 'reminded']);
});

test('a timer strikes while its actor is in memory; leaving cancels it unless it keeps the actor awake', async () => {
  node = await startTestNode({ actors, passivateAfter: '1m' });
  const sleeper = node.actor(Sleeper, 'a');
  await sleeper.wait({ name: 'soon', ms: 100 });
  await sleeper.waitAndThrow().catch(() => {});
  await sleeper.waitAndCancel();
  await node.advance('1s');
  expect(await sleeper.struck()).toEqual(['soon']);
  await sleeper.wait({ name: 'late', ms: 90_000 });
  await node.advance('2m');
  expect(node.activeCount).toBe(0);
  await sleeper.wait({ name: 'late', ms: 90_000, keepAwake: true });
  await node.advance('80s');
  expect(node.activeCount).toBe(1);
  await node.advance('11s');
  expect(await sleeper.struck()).toEqual(['late']);
  await node.advance('2m');
  expect(node.activeCount).toBe(0);
});

test('an actor without commands for the time its class gives it is deleted; each command counts anew', async () => {
  node = await startTestNode({ actors });
  const brief = node.actor(Brief, 'a');
  await brief.do();
  await node.advance('50m');
  expect(await brief.do()).toBe(2);
  await node.advance('50m');
  expect(await node.state(Brief, 'a')).toBe(2);
  await node.crash();
  await node.advance('11m');
  expect(await node.state(Brief, 'a')).toBeUndefined();
  expect(await node.gateway.actors('Brief', { after: undefined, limit: 10 })).toEqual([]);
  expect(await brief.do()).toBe(1);
  await node.actor(Brief, 'b').keepReminding();
  await node.advance('5h');
  expect(await node.state(Brief, 'b')).toBe(7);
});

test('a broadcast asks many, a few at a time, and gives each answer or why there is none', async () => {
  node = await startTestNode({ actors });
  const refs = Array.from({ length: 20 }, (_, i) => node!.actor(Receiver, `r${i}`));
  const heard = await broadcast<Receiver, 'hear'>(refs, 'hear', 'news', { parallel: 3 });
  expect(heard).toHaveLength(20);
  state.refuse = true;
  const refused = await broadcast({ from: node as never, type: Receiver, ids: ['r1', 'r2'] }, 'hear', 'more');
  expect(refused.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
  const all = await Promise.all(refs.map((ref) => ref.all()));
  expect(all.flat()).toEqual(Array.from({ length: 20 }, () => 'news'));
});
