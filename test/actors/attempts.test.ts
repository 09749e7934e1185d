/** Deliveries and ticks that kill whoever runs them: some owners are lost, and then they are dead letters. */
import { afterEach, expect, test } from 'vitest';
import type { Activation } from '../../src/actors/activation.ts';
import { durableState, eventSourced } from '../../src/actors/actor.ts';
import { AttemptLine } from '../../src/actors/attempts.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { type TestNode, testNode } from './harness.ts';

/** Runs that never came to an end: the process is taken down while they last. */
const state = { ran: [] as string[] };

class Sender extends eventSourced({
  initialState: () => 0,
  events: { Sent: (count) => count + 1 },
}) {
  send(input: { to: string[]; words: string[] }) {
    this.persist('Sent');
    for (const id of input.to) for (const word of input.words) this.tell(this.actor(Receiver, id)).hear(word);
  }
}

class Receiver extends durableState({ initialState: () => [] as readonly string[] }) {
  hear(word: string): Promise<void> | undefined {
    state.ran.push(word);
    if (word.startsWith('kill')) return new Promise<never>(() => {});
    this.save([...this.state, word]);
  }
  later(word: string) {
    this.save([...this.state, 'set']);
    this.remind(word, { after: '1s' }).hear(word);
  }
  all() {
    return this.state;
  }
}

let node: TestNode | undefined;
afterEach(() => {
  node?.node.host.close();
  node = undefined;
  state.ran = [];
});

async function turns(): Promise<void> {
  for (let i = 0; i < 60; i++) await new Promise(setImmediate);
}

async function start(): Promise<VirtualClock> {
  const clock = new VirtualClock();
  node = await testNode([Sender, Receiver], { clock });
  return clock;
}

async function kill(): Promise<void> {
  node = await node!.restart();
  await turns();
}

const letters = () => node!.node.deadLetters({ after: undefined, limit: 100 });

test('a tell that kills one owner after the other is a dead letter, and what was told after it arrives', async () => {
  await start();
  await node!.ref(Sender, 's').send({ to: ['r'], words: ['one', 'kill', 'two'] });
  await turns();
  for (let lost = 1; lost <= 4; lost++) {
    expect(await letters()).toEqual([]);
    await kill();
  }
  expect(state.ran).toEqual(['one', 'kill', 'kill', 'kill', 'kill', 'two']);
  expect(await node!.ref(Receiver, 'r').all()).toEqual(['one', 'two']);
  const found = await letters();
  expect(found).toMatchObject([{ input: 'kill', reason: { code: 'COMMAND_FAILED' } }]);
  expect(found[0]!.reason.message).toContain('3 owners');
  await kill();
  expect(state.ran).toHaveLength(6);
});

test('a tick that kills one owner after the other is a dead letter', async () => {
  const clock = await start();
  await node!.ref(Receiver, 'r').later('kill');
  await clock.advance(2_000);
  await turns();
  expect(state.ran).toEqual(['kill']);
  for (let lost = 1; lost <= 4; lost++) {
    expect(await letters()).toEqual([]);
    await kill();
    await clock.advance(2_000);
    await turns();
  }
  expect(state.ran).toEqual(['kill', 'kill', 'kill', 'kill']);
  expect(await letters()).toMatchObject([{ input: 'kill', reminder: 'kill' }]);
  await kill();
  await clock.advance(2_000);
  await turns();
  expect(state.ran).toHaveLength(4);
});

test('those that are lost with a killer arrive all the same, however often', async () => {
  await start();
  const others = Array.from({ length: 20 }, (_, index) => `r${index}`);
  const words = ['a', 'b', 'c'];
  await node!.ref(Sender, 'before').send({ to: others.slice(0, 10), words });
  await node!.ref(Sender, 'killer').send({ to: ['k'], words: ['kill', 'on'] });
  await node!.ref(Sender, 'after').send({ to: others.slice(10), words });
  await turns();
  for (let lost = 1; lost <= 4; lost++) await kill();
  for (const id of others) expect(await node!.ref(Receiver, id).all()).toEqual(words);
  expect(await node!.ref(Receiver, 'k').all()).toEqual(['on']);
  expect(await letters()).toHaveLength(1);
  // An owner that has just begun records the first try, too.
  expect(state.ran.filter((word) => word === 'kill')).toHaveLength(3);
});

test('what was recorded as tried once is tried one at a time', async () => {
  const clock = await start();
  const ids = Array.from({ length: 8 }, (_, index) => `r${index}`);
  const attempts = () => node!.node.host.metrics.attempts;
  // The sender's record is durable, and no tell has run.
  node!.journal.disk.hold();
  void node!.ref(Sender, 's').send({ to: ids, words: ['word'] });
  while (!node!.journal.disk.isWaiting) await new Promise(setImmediate);
  node!.journal.disk.step();
  const killAndHold = async () => {
    node!.node.host.close();
    const journal = node!.journal.crash();
    journal.disk.hold();
    node = undefined;
    const starting = testNode([Sender, Receiver], { clock, journal }).then((started) => {
      node = started;
    });
    while (!node) {
      journal.disk.step();
      await new Promise(setImmediate);
    }
    await starting;
  };
  await killAndHold();
  // They gather behind one batch; all are durable when the next owner is lost, and none has run.
  while (attempts() === 0) {
    node!.journal.disk.step();
    await new Promise(setImmediate);
  }
  while (attempts() < ids.length) await new Promise(setImmediate);
  while (!node!.journal.disk.isWaiting) await new Promise(setImmediate);
  node!.journal.disk.step();
  expect(state.ran).toEqual([]);
  await killAndHold();
  while (attempts() === 0) {
    node!.journal.disk.step();
    await new Promise(setImmediate);
  }
  for (let turn = 0; turn < 40; turn++) await new Promise(setImmediate);
  expect(attempts()).toBe(1);
  node!.journal.disk.release();
  await turns();
  for (const id of ids) expect(await node!.ref(Receiver, id).all()).toEqual(['word']);
  expect(attempts()).toBe(ids.length);
  expect(await letters()).toEqual([]);
});

test('one whose shard cannot record does not hold up those behind it in line', () => {
  const line = new AttemptLine();
  const host = { nowMs: 0 };
  const went: string[] = [];
  const [a, b] = ['a', 'b'].map((name) => ({ host, goOn: () => went.push(name) }) as unknown as Activation);
  expect(line.enter(a!)).toBe(true);
  expect(line.enter(b!)).toBe(false);
  host.nowMs = 900;
  line.sweep(host.nowMs);
  expect(went).toEqual([]);
  host.nowMs = 1_100;
  line.sweep(host.nowMs);
  expect(went).toEqual(['b']);
  expect(line.enter(b!)).toBe(true);
  line.leave(b!);
  expect(line.enter(a!)).toBe(true);
});
