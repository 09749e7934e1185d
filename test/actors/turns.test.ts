import { describe, expect, test } from 'vitest';
import { Actor, durableState, eventSourced } from '../../src/actors/actor.ts';
import { Rejection } from '../../src/core/errors.ts';
import { command, testNode } from './harness.ts';

class Counter extends eventSourced({
  initialState: () => ({ total: 0 }),
  events: {
    Added: (state, event: { by: number }) => ({ total: state.total + event.by }),
    Odd: (state) => ({ total: state.total, at: new Date() }) as never,
  },
}) {
  runs = 0;
  add(by: number) {
    this.persist('Added', { by });
    return this.state.total;
  }
  addThenThrow() {
    this.persist('Added', { by: 1 });
    this.persist('Added', { by: 2 });
    this.persist('Added', { by: 3 });
    throw new Error('after three events');
  }
  reject() {
    this.persist('Added', { by: 100 });
    throw new Rejection('NO', 'not this', { why: 'because' });
  }
  odd() {
    this.persist('Odd');
  }
  date() {
    this.persist('Added', { by: 1 });
    return { at: new Date() } as never;
  }
  big() {
    this.persist('Added', { by: 1 });
    return 'x'.repeat(70_000);
  }
  get() {
    return this.state;
  }
  now2() {
    return [this.now(), this.now()];
  }
  async slowly(by: number) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.persist('Added', { by });
    return this.state.total;
  }
  async mutate() {
    (this.state as { total: number }).total = 5;
  }
}
class Stock extends durableState({ initialState: () => ({ left: 10 }) }) {
  reserve(n: number) {
    if (n > this.state.left) throw new Rejection('OUT', 'too few');
    this.save({ left: this.state.left - n });
    return this.state.left;
  }
  get() {
    return this.state;
  }
}
class Asker extends eventSourced({
  initialState: () => ({ log: [] as string[] }),
  events: { Noted: (s, e: { text: string }) => ({ log: [...s.log, e.text] }) },
}) {
  async take(n: number) {
    const left = await this.actor(Stock, 'tea').reserve(n);
    this.persist('Noted', { text: `left ${left}` });
    return left;
  }
  async takeOnly(n: number) {
    return this.actor(Stock, 'tea').reserve(n);
  }
  async late() {
    this.persist('Noted', { text: 'x' });
    await this.actor(Stock, 'tea').get();
  }
  async self() {
    return this.actor(Asker, this.id).get();
  }
  async other(id: string): Promise<string> {
    return this.actor(Asker, id).back(this.id);
  }
  async back(id: string): Promise<string> {
    return (await this.actor(Asker, id).get()).log.join();
  }
  tellStock(n: number) {
    this.persist('Noted', { text: 'told' });
    for (let i = 0; i < n; i++) this.tell(this.actor(Notes, 'n')).note(`${i}`);
  }
  get() {
    return this.state;
  }
}
class Notes extends eventSourced({
  initialState: () => ({ notes: [] as string[] }),
  events: { Noted: (s, e: { text: string }) => ({ notes: [...s.notes, e.text] }) },
}) {
  note(text: string) {
    this.persist('Noted', { text });
  }
  get() {
    return this.state.notes;
  }
}
class Plain extends Actor {
  n = 0;
  add() {
    this.n += 1;
    return this.n;
  }
}
const all = [Counter, Stock, Asker, Notes, Plain];

describe('turns', () => {
  test('a command persists, replies and survives a crash', async () => {
    let t = await testNode(all);
    expect(await t.ref(Counter, 'a').add(2)).toBe(2);
    expect(await t.ref(Counter, 'a').add(3)).toBe(5);
    t = await t.restart();
    expect(await t.ref(Counter, 'a').get()).toEqual({ total: 5 });
    expect(await t.ref(Stock, 's').reserve(4)).toBe(6);
    expect(await t.ref(Plain, 'p').add()).toBe(1);
  });

  test('a command that persists three events and throws leaves none', async () => {
    let t = await testNode(all);
    await t.ref(Counter, 'a').add(1);
    await expect(t.ref(Counter, 'a').addThenThrow()).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
    await expect(t.ref(Counter, 'a').reject()).rejects.toMatchObject({ code: 'NO', details: { why: 'because' } });
    await expect(t.ref(Counter, 'a').odd()).rejects.toThrow(/state\.at is a Date; use a number/);
    await expect(t.ref(Counter, 'a').date()).rejects.toThrow(/reply\.at is a Date/);
    await expect(t.ref(Counter, 'a').big()).rejects.toThrow(/at most 65536/);
    await expect(t.ref(Counter, 'a').mutate()).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
    expect(await t.ref(Counter, 'a').get()).toEqual({ total: 1 });
    t = await t.restart();
    expect(await t.ref(Counter, 'a').get()).toEqual({ total: 1 });
    expect(await t.ref(Counter, 'a').add(1)).toBe(2);
  });

  test('asks change other actors; a parent whose ask recorded something is recorded too', async () => {
    const t = await testNode(all);
    expect(await t.ref(Asker, 'a').take(2)).toBe(8);
    const first = await command(t, 'Asker', 'b', 'takeOnly', 1, { key: 'k1' });
    const again = await command(t, 'Asker', 'b', 'takeOnly', 1, { key: 'k1' });
    expect([first.reply, again.reply, first.replayed, again.replayed]).toEqual([7, 7, false, true]);
    await expect(t.ref(Asker, 'a').take(50)).rejects.toMatchObject({ code: 'OUT' });
    await expect(t.ref(Asker, 'a').late()).rejects.toMatchObject({ code: 'ASK_AFTER_PERSIST' });
    await expect(t.ref(Asker, 'a').self()).rejects.toMatchObject({ code: 'ASK_CYCLE' });
    await expect(t.ref(Asker, 'a').other('b')).rejects.toMatchObject({ code: 'ASK_CYCLE' });
    expect(await t.ref(Asker, 'a').get()).toEqual({ log: ['left 8'] });
  });

  test('tells leave with the record and arrive once, in order', async () => {
    let t = await testNode(all);
    await t.ref(Asker, 'a').tellStock(500);
    await expect.poll(() => t.ref(Notes, 'n').get()).toHaveLength(500);
    t = await t.restart();
    await t.ref(Asker, 'a').get();
    await t.ref(Asker, 'a').tellStock(3);
    await expect.poll(() => t.ref(Notes, 'n').get()).toHaveLength(503);
    expect(await t.ref(Notes, 'n').get()).toEqual([...Array(500).keys(), 0, 1, 2].map(String));
  });

  test('keys: a retry returns the recorded reply, another input is refused', async () => {
    let t = await testNode(all);
    expect((await command(t, 'Counter', 'a', 'add', 5, { key: 'k' })).reply).toBe(5);
    expect((await command(t, 'Counter', 'a', 'add', 5, { key: 'k' })).reply).toBe(5);
    await expect(command(t, 'Counter', 'a', 'add', 6, { key: 'k' })).rejects.toMatchObject({ code: 'KEY_REUSED' });
    for (let i = 0; i < 120; i++) await t.ref(Counter, 'a').add(1);
    t = await t.restart();
    expect(await command(t, 'Counter', 'a', 'add', 5, { key: 'k' })).toMatchObject({ reply: 5, replayed: true });
    const assigned = await command(t, 'Counter', 'a', 'add', 1);
    const again = await command(t, 'Counter', 'a', 'add', 1, { key: assigned.idempotencyKey });
    expect(again).toMatchObject({ reply: assigned.reply, replayed: true });
    expect(await command(t, 'Counter', 'a', 'add', 1, { key: '~other.1', since: 0 })).toMatchObject({
      replayed: false,
    });
  });

  test('history: events, past states, following, deletion', async () => {
    const t = await testNode(all);
    for (let i = 1; i <= 300; i++) await t.ref(Counter, 'a').add(i);
    const id = 'a' as never;
    expect((await t.node.events('Counter', id, 120, 3)).map((e) => [e.sequenceNumber, e.data])).toEqual([
      [121, { by: 121 }],
      [122, { by: 122 }],
      [123, { by: 123 }],
    ]);
    expect(await t.node.inspect('Counter', id, 10)).toMatchObject({ state: { total: 55 }, sequenceNumber: 10 });
    expect(await t.node.inspect('Counter', id)).toMatchObject({
      state: { total: 45150 },
      sequenceNumber: 300,
      status: 'active',
    });
    const seen: number[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const event of t.node.follow('Counter', id, 298, stop.signal)) {
        seen.push(event.sequenceNumber);
        if (seen.length === 4) stop.abort();
      }
    })();
    await t.ref(Counter, 'a').add(1);
    await t.ref(Counter, 'a').add(1);
    await following;
    expect(seen).toEqual([299, 300, 301, 302]);
    await t.node.delete('Counter', id);
    await expect(t.node.inspect('Counter', id)).rejects.toMatchObject({ code: 'UNKNOWN_ACTOR' });
    await expect(t.node.events('Counter', id, 0, 10)).rejects.toMatchObject({ code: 'UNKNOWN_ACTOR' });
    expect(await t.node.actors('Counter', { after: undefined, limit: 10 })).toEqual([]);
    expect(await t.ref(Counter, 'a').add(7)).toBe(7);
    expect((await t.node.events('Counter', id, 0, 10)).map((e) => e.sequenceNumber)).toEqual([303]);
  });

  test('passivation is invisible, also in the middle of a stream of commands', async () => {
    const t = await testNode(all, { maxActive: 2 });
    const replies: Promise<number>[] = [];
    for (let i = 0; i < 2_000; i++) {
      replies.push(t.ref(Counter, `c${i % 7}`).add(1));
      if (i % 50 === 0) await t.node.passivate('Counter', `c${i % 7}` as never);
    }
    const totals = await Promise.all(replies);
    expect(totals.map((total, i) => total - Math.floor(i / 7))).toEqual(totals.map(() => 1));
    expect(t.node.host.metrics.passivations).toBeGreaterThan(100);
  });

  test('ten thousand throws quarantine nothing', async () => {
    const t = await testNode(all);
    await t.ref(Counter, 'a').add(1);
    const outcomes = await Promise.allSettled(Array.from({ length: 10_000 }, () => t.ref(Counter, 'a').addThenThrow()));
    expect(outcomes.every((outcome) => outcome.status === 'rejected')).toBe(true);
    expect(await t.ref(Counter, 'a').get()).toEqual({ total: 1 });
    expect(t.node.host.supervision.quarantined).toBe(0);
  });
});

test('commands that answer each other for ever do not keep I/O from its turn', async () => {
  const t = await testNode(all);
  let isOver = false;
  const chatter = (async () => {
    while (!isOver) await t.ref(Plain, 'p').add();
  })();
  await new Promise((resolve) => setTimeout(resolve, 5));
  isOver = true;
  await chatter;
});
