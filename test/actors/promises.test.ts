import { describe, expect, test } from 'vitest';
import { Actor, durableState, eventSourced } from '../../src/actors/actor.ts';
import { askHeldMaxMs, mailboxLengthMax, outboxLengthMax } from '../../src/actors/limits.ts';
import { Rejection } from '../../src/core/errors.ts';
import type { ActorId } from '../../src/core/ids.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { command, testNode } from './harness.ts';

class Account extends eventSourced({
  initialState: () => ({ balance: 0 }),
  events: { Moved: (s, e: { by: number }) => ({ balance: s.balance + e.by }) },
  passivateAfter: '1m',
}) {
  move(by: number) {
    this.persist('Moved', { by });
    return this.state.balance;
  }
  get() {
    return this.state.balance;
  }
  spend(by: number) {
    if (this.state.balance < by) throw new Rejection('POOR', 'too little', { balance: this.state.balance });
    this.persist('Moved', { by: -by });
    return this.state.balance;
  }
  fail() {
    throw new Error('no');
  }
  async ask(other: string) {
    return this.actor(Account, other).move(1);
  }
  postLater({ text, afterMs }: { text: string; afterMs: number }) {
    this.remind('post', { after: afterMs }).post(text);
  }
  async post(text: string) {
    await this.actor(Board, 'b').note(text);
  }
}
class Sender extends eventSourced({
  initialState: () => ({ sent: 0 }),
  events: { Sent: (s, e: { n: number }) => ({ sent: s.sent + e.n }) },
}) {
  send(n: number) {
    const from = this.state.sent;
    this.persist('Sent', { n });
    for (let i = 0; i < n; i++) this.tell(this.actor(Receiver, 'r')).take(from + i);
    return this.state.sent;
  }
  note(text: string) {
    this.persist('Sent', { n: 0 });
    this.tell(this.actor(Board, 'b')).note(text);
  }
}
/** In memory only, so that nothing but the sender's own record holds a tell back. */
class Board extends Actor {
  static notes: string[] = [];
  note(text: string) {
    Board.notes.push(text);
  }
}
class Receiver extends durableState({ initialState: () => ({ next: 0, wrong: [] as number[] }) }) {
  take(n: number) {
    this.save(
      n === this.state.next ? { ...this.state, next: n + 1 } : { ...this.state, wrong: [...this.state.wrong, n] },
    );
  }
  get() {
    return this.state;
  }
  takeIfNext(n: number) {
    if (n !== this.state.next) throw new Rejection('NOT_NEXT', 'another is next', { next: this.state.next });
    this.take(n);
  }
}
class Door extends Actor {
  static open: (() => void) | undefined;
  async wait() {
    await new Promise<void>((resolve) => {
      Door.open = resolve;
    });
  }
  through() {
    return true;
  }
}
const all = [Account, Sender, Receiver, Door, Board];

const turns = async (count = 20) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('P2: acknowledged means durable', () => {
  test('no reply, query or failure leaves before the events it rests on are on disk', async () => {
    const t = await testNode(all);
    await t.ref(Account, 'a').move(1);
    t.journal.disk.hold();
    const answers: string[] = [];
    const note = (what: string) => () => void answers.push(what);
    const moved = t.ref(Account, 'a').move(5).then(note('moved'));
    const read = t.ref(Account, 'a').get().then(note('read'));
    const failed = t.ref(Account, 'a').fail().catch(note('failed'));
    const other = t.ref(Account, 'b').get().then(note('other'));
    await turns();
    expect(answers).toEqual(['other']);
    t.journal.disk.release();
    await Promise.all([moved, read, failed, other]);
    expect(answers).toEqual(['other', 'moved', 'read', 'failed']);
  });

  test('an actor with an append in flight stays, so that its next query waits for it, too', async () => {
    const t = await testNode(all);
    t.journal.disk.hold();
    const answers: string[] = [];
    const moved = t
      .ref(Account, 'a')
      .move(5)
      .then(() => answers.push('moved'));
    await turns();
    const left = t.node.passivate('Account', 'a' as ActorId).then(() => answers.push('left'));
    await turns();
    const read = t
      .ref(Account, 'a')
      .get()
      .then(() => answers.push('read'));
    await turns();
    expect(answers).toEqual([]);
    t.journal.disk.release();
    await Promise.all([moved, left, read]);
    expect(answers[0]).toBe('moved');
  });

  test('a tell leaves only once its record is on disk', async () => {
    const t = await testNode(all);
    t.journal.disk.hold();
    const sent = t.ref(Sender, 's').note('n');
    await turns();
    expect(Board.notes).toEqual([]);
    t.journal.disk.release();
    await sent;
    await expect.poll(() => Board.notes).toEqual(['n']);
  });

  test('an ask leaves only once what its actor recorded before is on disk', async () => {
    const t = await testNode(all);
    await t.ref(Account, 'a').get();
    t.journal.disk.hold();
    const moved = t.ref(Account, 'a').move(5);
    const asked = t.ref(Account, 'a').ask('b');
    await turns();
    expect(await t.ref(Account, 'b').get()).toBe(0);
    t.journal.disk.release();
    expect(await Promise.all([moved, asked])).toEqual([5, 1]);
    expect(await t.ref(Account, 'b').get()).toBe(1);
  });

  test('an ask that rests on a record that is lost never leaves, and whoever runs or waits behind it hears so', async () => {
    const t = await testNode(all);
    await t.ref(Account, 'a').get();
    t.journal.disk.hold();
    t.journal.disk.failWrites(new Error('EIO'));
    const moved = t.ref(Account, 'a').move(5);
    const posting = t.ref(Account, 'a').post('too early');
    const waiting = t.ref(Account, 'a').move(1);
    await turns();
    t.journal.disk.release();
    await expect(moved).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    // Whoever owns the shard next would run them; here nobody does.
    await expect(posting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await turns();
    expect(Board.notes).not.toContain('too early');
  });

  test('an ask waits no longer than its limit for what its actor recorded before', async () => {
    const clock = new VirtualClock();
    const t = await testNode(all, { clock });
    await t.ref(Account, 'a').get();
    t.journal.disk.hold();
    const moved = t.ref(Account, 'a').move(5);
    const asked = t.ref(Account, 'a').ask('b');
    await turns();
    clock.advance(askHeldMaxMs);
    await turns();
    t.journal.disk.release();
    await expect(asked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([await moved, await t.ref(Account, 'b').get()]).toEqual([5, 0]);
  });

  test('nobody wakes on a shard that is being drained: an ask would rest on what is not committed', async () => {
    const clock = new VirtualClock();
    const t = await testNode(all, { clock });
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(100);
        await turns(5);
      }
    };
    await t.ref(Account, 'a').get();
    t.journal.disk.hold();
    const set = t.ref(Account, 'a').postLater({ text: 'from a drained shard', afterMs: 2_000 });
    await turns();
    const aside = t.node.member.standAside();
    await pass(1_200);
    await aside;
    await pass(2_000);
    expect(t.node.host.activeCount).toBe(0);
    t.journal.disk.release();
    await pass(6_000);
    await set;
    expect(Board.notes).toContain('from a drained shard');
  });

  test('what was not synced is gone after a crash, and its retry runs once', async () => {
    let t = await testNode(all);
    t.journal.disk.hold();
    void command(t, 'Account', 'a', 'move', 5, { key: 'k' }).catch(() => {});
    await turns();
    t = await t.restart();
    expect(await t.ref(Account, 'a').get()).toBe(0);
    expect(await command(t, 'Account', 'a', 'move', 5, { key: 'k' })).toMatchObject({ reply: 5, replayed: false });
    expect(await command(t, 'Account', 'a', 'move', 5, { key: 'k' })).toMatchObject({ reply: 5, replayed: true });
  });

  test('a failing disk acknowledges nothing more and says that the outcome is unknown', async () => {
    const t = await testNode(all);
    t.journal.disk.failWrites(new Error('EIO'));
    await expect(t.ref(Account, 'a').move(1)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(t.ref(Account, 'b').move(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await t.node.readiness()).toMatchObject({ ready: false });
  });
});

describe('P4: exactly-once effect', () => {
  test.each(['own', '~aaaaaaaaaa.1'])(
    'what a later attempt under %s was answered stands: an earlier one that comes late changes nothing',
    async (key) => {
      let t = await testNode(all);
      const attempt = (name: string, input: unknown, id: string, since: number | undefined) =>
        command(t, 'Account', id, name, input, { key: `${key}${id}`, ...(since === undefined ? {} : { since }) });
      await t.ref(Account, 'rejected').move(1);
      await t.ref(Account, 'failed').move(1);
      await t.ref(Account, 'read').move(1);
      const poor = { code: 'POOR', details: { balance: 1 } };
      await expect(attempt('spend', 5, 'rejected', 0)).rejects.toMatchObject(poor);
      await expect(attempt('fail', undefined, 'failed', 0)).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
      expect(await attempt('get', undefined, 'read', 0)).toMatchObject({ reply: 1, replayed: false });
      for (const id of ['rejected', 'failed', 'read']) await t.ref(Account, id).move(10);
      const late = async () => {
        await expect(attempt('spend', 5, 'rejected', 0)).rejects.toMatchObject(poor);
        await expect(attempt('fail', undefined, 'failed', 0)).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
        expect(await attempt('get', undefined, 'read', 0)).toMatchObject({ reply: 1, replayed: true });
      };
      await late();
      t = await t.restart();
      await late();
      expect(await t.ref(Account, 'rejected').get()).toBe(11);
    },
  );

  test('… also where only the newest state is kept, and in the first attempt itself', async () => {
    const t = await testNode(all);
    const attempt = (since?: number) =>
      command(t, 'Receiver', 'r', 'takeIfNext', 1, { key: 'k', ...(since === undefined ? {} : { since }) });
    const notNext = { code: 'NOT_NEXT', details: { next: 0 } };
    await expect(attempt(0)).rejects.toMatchObject(notNext);
    await t.ref(Receiver, 'r').take(0);
    await t.node.passivate('Receiver', 'r' as ActorId);
    await expect(attempt()).rejects.toMatchObject(notNext);
    expect(await t.ref(Receiver, 'r').get()).toMatchObject({ next: 1 });
  });

  test('a first attempt that was refused is forgotten: it may be tried again', async () => {
    const t = await testNode(all);
    await expect(command(t, 'Account', 'a', 'spend', 5, { key: 'k' })).rejects.toMatchObject({ code: 'POOR' });
    await t.ref(Account, 'a').move(10);
    expect(await command(t, 'Account', 'a', 'spend', 5, { key: 'k' })).toMatchObject({ reply: 5, replayed: false });
  });

  test('a parent that is run again repeats no effect in the actor it asks', async () => {
    let t = await testNode(all);
    t.journal.disk.hold();
    void command(t, 'Account', 'parent', 'ask', 'child', { key: 'order-1' }).catch(() => {});
    await turns();
    t.journal.disk.step();
    // The child's record is on disk; the parent's is not.
    t = await t.restart();
    expect(await t.ref(Account, 'child').get()).toBe(1);
    expect(await command(t, 'Account', 'parent', 'ask', 'child', { key: 'order-1' })).toMatchObject({
      reply: 1,
      replayed: false,
    });
    expect(await t.ref(Account, 'child').get()).toBe(1);
    expect(await command(t, 'Account', 'parent', 'ask', 'child', { key: 'order-1' })).toMatchObject({
      reply: 1,
      replayed: true,
    });
  });

  test('an assigned key is found in the log; what cannot be known is OUTCOME_UNKNOWN and not executed', async () => {
    const t = await testNode(all);
    const first = await command(t, 'Account', 'a', 'move', 1);
    for (let i = 0; i < 200; i++) await t.ref(Account, 'a').move(1);
    expect(await command(t, 'Account', 'a', 'move', 1, { key: first.idempotencyKey })).toMatchObject({
      reply: 1,
      replayed: true,
    });
    await t.node.delete('Account', 'a' as ActorId);
    await turns(50);
    await expect(command(t, 'Account', 'a', 'move', 1, { key: first.idempotencyKey })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    await expect(t.node.inspect('Account', 'a' as ActorId)).rejects.toMatchObject({ code: 'UNKNOWN_ACTOR' });
  });

  test('deleting forgets no key', async () => {
    let t = await testNode(all);
    await command(t, 'Account', 'a', 'move', 3, { key: 'k' });
    await t.node.delete('Account', 'a' as ActorId);
    await turns(50);
    t = await t.restart();
    expect(await command(t, 'Account', 'a', 'move', 3, { key: 'k' })).toMatchObject({ reply: 3, replayed: true });
    expect(await t.ref(Account, 'a').get()).toBe(0);
  });
});

describe('P6 and P7: order, and passivation that nobody notices', () => {
  test('ten thousand tells from one sender arrive in order across forced passivations', async () => {
    const t = await testNode(all);
    let sent = 0;
    while (sent < 10_000) {
      const next = await t
        .ref(Sender, 's')
        .send(500)
        .catch((error) => (error.code === 'OVERLOADED' ? undefined : Promise.reject(error)));
      if (next !== undefined) sent = next;
      await t.node.passivate('Receiver', 'r' as ActorId);
      void t.node.passivate('Sender', 's' as ActorId);
      await turns(3);
    }
    await expect.poll(() => t.ref(Receiver, 'r').get(), { timeout: 20_000 }).toMatchObject({ next: 10_000 });
    expect((await t.ref(Receiver, 'r').get()).wrong).toEqual([]);
    expect(t.node.host.metrics.passivations).toBeGreaterThan(20);
  });

  test('an actor leaves memory after its idle time, wakes on the next command, and looking is no use', async () => {
    const clock = new VirtualClock();
    const t = await testNode(all, { clock });
    const pass = async (ms: number) => {
      clock.advance(ms);
      await turns(5);
    };
    await command(t, 'Account', 'a', 'move', 5);
    expect((await t.node.inspect('Account', 'a' as ActorId)).status).toBe('active');
    await pass(50_000);
    expect((await t.node.inspect('Account', 'a' as ActorId)).status).toBe('active');
    await pass(15_000);
    expect((await t.node.inspect('Account', 'a' as ActorId)).status).toBe('passivated');
    expect(t.node.host.activeCount).toBe(0);
    expect((await command(t, 'Account', 'a', 'get')).woke).toMatchObject({ eventsReplayed: 1 });
  });
});

describe('P9: everything is bounded', () => {
  test('a full mailbox and a full outbox answer OVERLOADED, which means not executed', async () => {
    const t = await testNode(all);
    const waiting = t.ref(Door, 'd').wait();
    await turns(2);
    const queued = Array.from({ length: mailboxLengthMax + 5 }, () => t.ref(Door, 'd').through());
    const outcomes = Promise.allSettled(queued);
    await turns(2);
    await expect(t.ref(Door, 'd').through()).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true });
    expect(await t.ref(Account, 'a').move(1)).toBe(1);
    Door.open!();
    await waiting;
    expect((await outcomes).filter(({ status }) => status === 'rejected')).toHaveLength(5);

    await expect(t.ref(Sender, 's').send(outboxLengthMax + 1)).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(await t.ref(Sender, 's').send(1)).toBe(1);
  });

  test('on a nearly full heap the least recently used actors leave memory', async () => {
    const clock = new VirtualClock();
    let used = 0.2;
    const t = await testNode(all, { clock, heapUsed: () => used });
    for (let i = 0; i < 50; i++) await command(t, 'Account', `a${i}`, 'move', 1);
    clock.advance(1_000);
    await turns(5);
    expect(t.node.host.activeCount).toBe(50);
    used = 0.95;
    clock.advance(1_000);
    await turns(5);
    expect(t.node.host.activeCount).toBe(45);
    expect(await command(t, 'Account', 'a0', 'get')).toMatchObject({ reply: 1, woke: { eventsReplayed: 1 } });
  });

  test('on a nearly full disk commands that record are refused, queries answered, and nothing is lost', async () => {
    const clock = new VirtualClock();
    const t = await testNode(all, { clock });
    await command(t, 'Account', 'a', 'move', 5);
    let free = 1_000;
    t.journal.freeBytes = async () => free;
    clock.advance(1_000);
    await turns(5);
    await expect(command(t, 'Account', 'a', 'move', 5)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect((await command(t, 'Account', 'a', 'get')).reply).toBe(5);
    expect(await t.node.readiness()).toMatchObject({ ready: false });
    free = 10 ** 12;
    clock.advance(1_000);
    await turns(5);
    expect((await command(t, 'Account', 'a', 'move', 5)).reply).toBe(10);
  });
});

describe('stopping', () => {
  test('a stop waits for what runs, refuses what is new, and keeps what was answered', async () => {
    const t = await testNode(all);
    const waiting = t.ref(Door, 'd').wait();
    const moves = Array.from({ length: 100 }, () => t.ref(Account, 'a').move(1));
    await turns(2);
    const closed = t.node.close(5_000);
    await expect(t.ref(Account, 'b').move(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    Door.open!();
    await waiting;
    expect(await Promise.all(moves)).toHaveLength(100);
    await closed;
    await t.node.close(5_000);
    expect(t.journal.status).toBe('closed');
  });
});
