import { describe, expect, test } from 'vitest';
import { type Accepts, Actor, durableState, eventSourced, type StandardSchema } from '../../src/actors/actor.ts';
import { type GreenroomError, Rejection } from '../../src/core/errors.ts';
import { given, oldState, ReplayError, UnansweredAsk } from '../../src/testing/index.ts';

type Tally = { counts: Record<string, number>; closedAt?: number };

const NumberSchema: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => (typeof value === 'number' ? { value } : { issues: [{ message: 'must be a number' }] }),
  },
};

class Stock extends durableState({ initialState: () => ({ left: 10 }) }) {
  reserve(count: number) {
    if (count > this.state.left)
      throw new Rejection('SOLD_OUT', `only ${this.state.left} left`, { left: this.state.left });
    this.save({ left: this.state.left - count });
    return this.state.left;
  }
  report() {
    this.tell(this.actor(Counter, 'test')).note('from stock');
  }
}

class Mailer extends Actor {
  sent = 0;
  send(_mail: { text: string }) {
    this.sent += 1;
    this.tell(this.actor(Counter, 'mails')).note('sent');
    return this.sent;
  }
  chain(left: number) {
    this.tell(this.actor(Mailer, `next-${left}`)).chain(left + 1);
  }
}

class Counter extends eventSourced({
  initialState: (id): Tally => ({ counts: { [id]: 0 } }),
  events: {
    Counted: (tally, { key, by }: { key: string; by: number }) => ({
      ...tally,
      counts: { ...tally.counts, [key]: (tally.counts[key] ?? 0) + by },
    }),
    Closed: (tally, event: { at: number }) => ({ ...tally, closedAt: event.at }),
    Noted: (tally, _note?: string) => tally,
  },
  upcast: { Counted: [(first: { key: string }) => ({ ...first, by: 1 })] },
  retired: { Tallied: 'Counted', Debugged: null },
  snapshotEvery: 3,
}) {
  static readonly accepts: Accepts<Counter> = { scale: NumberSchema };
  awoken = 0;

  override onActivate() {
    this.awoken = Object.keys(this.state.counts).length;
  }
  count(input: { key: string; by: number }) {
    if (this.state.closedAt) throw new Rejection('CLOSED', 'no more', { at: this.state.closedAt });
    this.persist('Counted', input);
    return this.state.counts[input.key];
  }
  countTwice(key: string) {
    this.persist('Counted', { key, by: 1 });
    this.persist('Noted');
    this.persist('Counted', { key, by: 1 });
  }
  close() {
    this.persist('Closed', { at: this.now() });
    this.tell(this.actor(Mailer, 'all')).send({ text: this.id });
    this.tell(this.actor(Stock, 'tea')).reserve(1);
  }
  scale(_by: number) {}
  note(text: string) {
    this.persist('Noted', text);
  }
  get() {
    return this.state;
  }
  whoAmI() {
    return { id: this.id, now: this.now(), awoken: this.awoken };
  }
  async reserve(count: number) {
    const left = await this.actor(Stock, 'tea').reserve(count);
    this.persist('Counted', { key: 'left', by: left });
    return left;
  }
  async reserveSwallowing() {
    await this.actor(Stock, 'tea')
      .reserve(1)
      .catch(() => {});
  }
  async reserveTooLate() {
    this.persist('Noted');
    await this.actor(Stock, 'tea').reserve(1);
  }
  breaks() {
    this.persist('Noted');
    throw new RangeError('broken on purpose');
  }
  changesState() {
    (this.state.counts as Record<string, number>).x = 1;
  }
  changesInput(input: { list: number[] }) {
    input.list.push(1);
  }
  repliesDate(): unknown {
    return { at: new Date(0) };
  }
}

let outside = 0;
class Impure extends eventSourced({
  initialState: () => ({ dice: 0 }),
  events: {
    Rolled: () => {
      outside += 1;
      return { dice: outside };
    },
  },
}) {
  roll() {
    this.persist('Rolled');
  }
}

class Sleepless extends eventSourced({ initialState: () => 0, events: {} }) {
  override onActivate() {
    throw new RangeError('cannot wake');
  }
  get() {
    return this.state;
  }
}

class Versioned extends durableState({
  initialState: () => ({ amount: 0, currency: 'EUR' }),
  upcast: [
    (first: { n: number }) => ({ amount: first.n }),
    (second: { amount: number }) => ({ ...second, currency: 'USD' }),
  ],
}) {
  get() {
    return this.state;
  }
}

describe('given a history, when a command', () => {
  test('answers the reply, the new events only, the state and no rejection', async () => {
    const past = [{ type: 'Counted', data: { key: 'a', by: 2 } }, { type: 'Noted' }] as const;
    const outcome = await given(Counter, past).when('count', { key: 'a', by: 3 });
    expect(outcome).toEqual({
      reply: 5,
      rejection: undefined,
      events: [{ type: 'Counted', data: { key: 'a', by: 3 } }],
      state: { counts: { test: 0, a: 5 } },
      tells: [],
      reminders: [],
    });
  });

  test('without a history starts from the initial state', async () => {
    const { state, events } = await given(Counter).when('get');
    expect(state).toEqual({ counts: { test: 0 } });
    expect(events).toEqual([]);
  });

  test('all events of one command are there in order, and one without data has none', async () => {
    const { events } = await given(Counter).when('countTwice', 'a');
    expect(events).toEqual([
      { type: 'Counted', data: { key: 'a', by: 1 } },
      { type: 'Noted' },
      { type: 'Counted', data: { key: 'a', by: 1 } },
    ]);
  });

  test('a rejection is an outcome, with its code and details and without a trace', async () => {
    const { rejection, reply, events, state } = await given(Counter, [{ type: 'Closed', data: { at: 7 } }]).when(
      'count',
      {
        key: 'a',
        by: 1,
      },
    );
    expect(rejection).toBeInstanceOf(Rejection);
    expect(rejection).toMatchObject({ code: 'CLOSED', details: { at: 7 } });
    expect([reply, events]).toEqual([undefined, []]);
    expect(state).toEqual({ counts: { test: 0 }, closedAt: 7 });
  });

  test('id and time are the test’s, and onActivate has run', async () => {
    const { reply } = await given(Counter, [{ type: 'Counted', data: { key: 'a', by: 1 } }], {
      id: 'me',
      now: 5_000,
    }).when('whoAmI');
    expect(reply).toEqual({ id: 'me', now: 5_000, awoken: 2 });
  });

  test('each when starts from the same past; a second command starts from the outcome of the first', async () => {
    const scene = given(Counter);
    const first = await scene.when('count', { key: 'a', by: 1 });
    expect((await scene.when('count', { key: 'a', by: 1 })).reply).toBe(1);
    expect((await given(Counter, first.events).when('count', { key: 'a', by: 1 })).reply).toBe(2);
    const stock = await given(Stock).when('reserve', 4);
    expect((await given(Stock, stock.state).when('reserve', 4)).reply).toBe(2);
  });

  test('a real promise: it can be awaited, returned and raced', async () => {
    const outcome = given(Counter).when('get');
    expect(outcome).toBeInstanceOf(Promise);
    await expect(Promise.race([outcome])).resolves.toHaveProperty('state');
  });

  test('a long past is replayed across snapshots', async () => {
    const past = Array.from({ length: 200 }, () => ({ type: 'Counted' as const, data: { key: 'a', by: 1 } }));
    expect((await given(Counter, past).when('count', { key: 'a', by: 1 })).reply).toBe(201);
  });
});

describe('old histories', () => {
  test('go through upcasters and retired events', async () => {
    const { state } = await given(Counter, [
      { type: 'Counted', version: 1, data: { key: 'a' } },
      { type: 'Tallied', version: 1, data: { key: 'a' } },
      { type: 'Debugged', version: 1, data: 'whatever' },
    ]).when('get');
    expect(state).toEqual({ counts: { test: 0, a: 2 } });
  });

  test('an event that the class does not know fails, naming it', async () => {
    await expect(given(Counter, [{ type: 'Unheard', version: 1 }]).when('get')).rejects.toThrow(/'Unheard'/);
  });

  test('a durable state goes through its upcasters', async () => {
    expect((await given(Versioned, oldState(1, { n: 3 })).when('get')).reply).toEqual({ amount: 3, currency: 'USD' });
    expect((await given(Versioned, oldState(2, { amount: 4 })).when('get')).reply).toEqual({
      amount: 4,
      currency: 'USD',
    });
    expect((await given(Versioned, { amount: 5, currency: 'CHF' }).when('get')).reply.currency).toBe('CHF');
  });
});

describe('others', () => {
  test('reminders are written down and do not fire; a rejected command sets none', async () => {
    class Alarm extends eventSourced({ initialState: () => 0, events: { Rang: (n) => n + 1 } }) {
      set(minutes: number) {
        this.remind('wake up', { after: minutes * 60_000 }).ring();
        this.remind('daily', { cron: '0 9 * * *' }).ring();
        if (minutes > 60) throw new Rejection('TOO_LATE', 'that is too late');
      }
      ring() {
        this.persist('Rang');
      }
    }
    const { reminders, state } = await given(Alarm, [], { now: 0 }).when('set', 30);
    expect(state).toBe(0);
    expect(reminders).toEqual([
      { name: 'wake up', command: 'ring', dueAt: 1_800_000, missed: 'fire-once' },
      { name: 'daily', command: 'ring', dueAt: 9 * 3_600_000, cron: '0 9 * * *', timeZone: 'UTC', missed: 'fire-once' },
    ]);
    expect((await given(Alarm).when('set', 61)).reminders).toEqual([]);
  });

  test('tells are written down, not delivered, and go with the command', async () => {
    const { tells, events } = await given(Counter, [], { id: 'me', now: 9 }).when('close');
    expect(events).toEqual([{ type: 'Closed', data: { at: 9 } }]);
    expect(tells).toEqual([
      { type: 'Mailer', id: 'all', command: 'send', input: { text: 'me' } },
      { type: 'Stock', id: 'tea', command: 'reserve', input: 1 },
    ]);
  });

  test('asks are answered by the test, which gets the input and the id', async () => {
    const asked: unknown[] = [];
    const { reply, events } = await given(Counter)
      .answering(Stock, {
        reserve: (count, id) => {
          asked.push([count, id]);
          return 42;
        },
      })
      .when('reserve', 3);
    expect(asked).toEqual([[3, 'tea']]);
    expect(reply).toBe(42);
    expect(events).toEqual([{ type: 'Counted', data: { key: 'left', by: 42 } }]);
  });

  test('an answer may be a rejection, or come later', async () => {
    const sold = await given(Counter)
      .answering(Stock, {
        reserve: () => {
          throw new Rejection('SOLD_OUT', 'none left');
        },
      })
      .when('reserve', 3);
    expect(sold.rejection?.code).toBe('SOLD_OUT');
    const later = await given(Counter)
      .answering(Stock, { reserve: async () => 1 })
      .when('reserve', 3);
    expect(later.reply).toBe(1);
  });

  test('real actors can run beside it, with a past of their own', async () => {
    expect((await given(Counter).with(Stock).when('reserve', 3)).reply).toBe(7);
    expect((await given(Counter).with(Stock, 'tea', { left: 3 }).when('reserve', 3)).reply).toBe(0);
    const { rejection } = await given(Counter).with(Stock, 'tea', { left: 2 }).when('reserve', 3);
    expect(rejection).toMatchObject({ code: 'SOLD_OUT', details: { left: 2 } });
  });

  test('what follows from a command is waited for: a real actor may tell back', async () => {
    const { tells } = await given(Stock).with(Counter).when('report');
    expect(tells).toEqual([{ type: 'Counter', id: 'test', command: 'note', input: 'from stock' }]);
  });

  test('an ask that nobody answers fails the test, also if the command swallows it', async () => {
    await expect(given(Counter).when('reserve', 1)).rejects.toThrow(UnansweredAsk);
    await expect(given(Counter).when('reserve', 1)).rejects.toThrow(
      'Counter.reserve asked Stock/tea to reserve, and nobody answers',
    );
    await expect(given(Counter).when('reserveSwallowing')).rejects.toThrow(UnansweredAsk);
  });

  test('an actor in memory runs and tells, too', async () => {
    const { reply, tells } = await given(Mailer, undefined, { id: 'all' }).when('send', { text: 'x' });
    expect(reply).toBe(1);
    expect(tells).toEqual([{ type: 'Counter', id: 'mails', command: 'note', input: 'sent' }]);
  });
});

describe('what is wrong is thrown', () => {
  test('a failure is the error itself, with the stack of the command', async () => {
    const error = await given(Counter)
      .when('breaks')
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).stack).toContain('Counter.breaks');
  });

  test('a hook that throws, too', async () => {
    await expect(given(Sleepless).when('get')).rejects.toThrow(new RangeError('cannot wake'));
  });

  test('what the runtime refuses is a GreenroomError with its code', async () => {
    const code = (outcome: Promise<unknown>) =>
      outcome.then(
        () => 'none',
        (error: GreenroomError) => error.code,
      );
    expect(await code(given(Counter).with(Stock).when('reserveTooLate'))).toBe('ASK_AFTER_PERSIST');
    expect(await code(given(Counter).when('scale', 'x' as never))).toBe('INVALID_INPUT');
    expect(await code((given(Counter) as any).when('nothing'))).toBe('UNKNOWN_COMMAND');
  });

  test('a change to the state or to an input', async () => {
    await expect(given(Counter).when('changesState')).rejects.toThrow(TypeError);
    await expect(given(Counter).when('changesInput', { list: [] })).rejects.toThrow(TypeError);
  });

  test('a reply that is not plain data, naming the place', async () => {
    await expect(given(Counter).when('repliesDate')).rejects.toThrow('the reply.at is a Date; use a number');
  });

  test('actors that tell each other without end', async () => {
    await expect(given(Mailer).when('chain', 1)).rejects.toThrow('do actors tell each other in circles?');
  });

  test('a handler that is not pure', async () => {
    const outcome = given(Impure).when('roll');
    await expect(outcome).rejects.toThrow(ReplayError);
    await expect(outcome).rejects.toThrow('replaying the events of Impure/test gives another state');
  });
});
