import { describe, expect, test } from 'vitest';
import { Actor, type ActorClass, eventSourced } from '../../src/actors/actor.ts';
import { defineActor } from '../../src/actors/definition.ts';
import { systemClock } from '../../src/cluster/system-clock.ts';
import type { Clock } from '../../src/core/clock.ts';
import { Rejection } from '../../src/core/errors.ts';
import type { ActorId } from '../../src/core/ids.ts';
import { command, testNode } from './harness.ts';

/** Time passes only when the test says so; deferred work runs at once on the real loop. */
function heldClock(): Clock & { advance(ms: number): Promise<void> } {
  let nowMs = 1_000_000;
  let timers: { at: number; task: () => void }[] = [];
  return {
    wallMs: () => 1_700_000_000_000 + nowMs,
    monotonicMs: () => nowMs,
    schedule(delayMs, task) {
      const timer = { at: nowMs + delayMs, task };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    defer: systemClock.defer,
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= endMs).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        nowMs = Math.max(nowMs, next.at);
        timers = timers.filter((other) => other !== next);
        next.task();
        await new Promise((resolve) => setImmediate(resolve));
      }
      nowMs = endMs;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const never = new Promise<void>(() => {});

class Slow extends eventSourced({
  initialState: () => ({ n: 0 }),
  events: { Added: (s) => ({ n: s.n + 1 }) },
  commandTimeout: '1s',
}) {
  static leaked: Slow | undefined;
  async hang() {
    this.persist('Added');
    Slow.leaked = this;
    await never;
  }
  add() {
    this.persist('Added');
    return this.state.n;
  }
  poke() {
    this.persist('Added');
  }
}

let activateFails = false;
let handlerFails = false;
class Fragile extends eventSourced({
  initialState: () => ({ n: 0 }),
  events: {
    Added: (s) => {
      if (handlerFails) throw new Error('handler is broken');
      return { n: s.n + 1 };
    },
  },
}) {
  override async onActivate() {
    if (activateFails) throw new Error('no database');
  }
  add() {
    this.persist('Added');
    return this.state.n;
  }
  get() {
    return this.state.n;
  }
}

describe('time-outs', () => {
  test('a turn over its limit keeps nothing, and its instance can touch nothing any more', async () => {
    const clock = heldClock();
    const t = await testNode([Slow], { clock });
    const hung = expect(t.ref(Slow, 'a').hang()).rejects.toThrow(/ran longer than 1000 ms/);
    const next = t.ref(Slow, 'a').add();
    await clock.advance(1_500);
    await hung;
    expect(await next).toBe(1);
    expect(() => Slow.leaked!.poke()).toThrow(/discarded/);
  });

  test('a caller hears at its deadline: unknown if its command runs, not executed if it waits', async () => {
    const clock = heldClock();
    const t = await testNode([Slow], { clock });
    const runs = expect(command(t, 'Slow', 'a', 'hang', undefined, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    const waits = expect(command(t, 'Slow', 'a', 'add', undefined, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await clock.advance(600);
    await runs;
    await waits;
    await clock.advance(1_000);
    expect(await t.ref(Slow, 'a').add()).toBe(1);
  });
});

describe('supervision', () => {
  test('a hook that throws backs off, quarantines in the end, and an operator resumes', async () => {
    const clock = heldClock();
    const t = await testNode([Fragile], { clock });
    activateFails = true;
    const codes: string[] = [];
    for (let i = 0; i < 8; i++) {
      await t
        .ref(Fragile, 'a')
        .add()
        .catch((error) => codes.push(error.code));
      await clock.advance(20_000);
    }
    expect(codes).toEqual([
      'UNAVAILABLE',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'QUARANTINED',
      'QUARANTINED',
      'QUARANTINED',
    ]);
    activateFails = false;
    await expect(t.ref(Fragile, 'a').add()).rejects.toMatchObject({ code: 'QUARANTINED' });
    await t.node.resume('Fragile', 'a' as ActorId);
    expect(await t.ref(Fragile, 'a').add()).toBe(1);
    expect(await t.ref(Fragile, 'b').add()).toBe(1);
  });

  test('a handler that throws on replay fails the activation loudly, and nobody else', async () => {
    const clock = heldClock();
    let t = await testNode([Fragile], { clock });
    await t.ref(Fragile, 'a').add();
    await t.ref(Fragile, 'b').get();
    t = await t.restart();
    handlerFails = true;
    await expect(t.ref(Fragile, 'a').get()).rejects.toThrow(/position \d+: event 1 \('Added'\): handler is broken/);
    expect(await t.ref(Fragile, 'b').get()).toBe(0);
    handlerFails = false;
    await clock.advance(20_000);
    expect(await t.ref(Fragile, 'a').get()).toBe(1);
  });
});

describe('evolving classes', () => {
  const cart = (model: object, methods: object = {}) => {
    class Cart extends eventSourced({
      name: 'Cart',
      initialState: () => ({ items: [] as unknown[] }),
      ...model,
    } as never) {}
    Object.assign(
      Cart.prototype,
      {
        add(this: { persist: (type: string, data: unknown) => void }, data: unknown) {
          this.persist('Added', data);
        },
        get(this: { state: unknown }) {
          return this.state;
        },
      },
      methods,
    );
    return Cart as unknown as ActorClass;
  };
  const push = (s: { items: unknown[] }, e: unknown) => ({ items: [...s.items, e] });

  test('upcasters bring old events to today, retired ones are renamed or skipped, unknown ones refused', async () => {
    let t = await testNode([
      cart(
        { events: { Added: push, Noise: push } },
        {
          noise(this: { persist: (type: string, data: unknown) => void }) {
            this.persist('Noise', 1);
          },
        },
      ),
    ]);
    await command(t, 'Cart', 'a', 'add', { sku: 'tea' });
    await command(t, 'Cart', 'a', 'noise');
    t = await t.restart([
      cart({
        events: { ItemAdded: push },
        retired: { Added: 'ItemAdded', Noise: null },
        upcast: { ItemAdded: [(e: { sku: string }) => ({ ...e, quantity: 1 })] },
      }),
    ]);
    expect((await command(t, 'Cart', 'a', 'get')).reply).toEqual({ items: [{ sku: 'tea', quantity: 1 }] });
    t = await t.restart([cart({ events: { Other: push } })]);
    await expect(command(t, 'Cart', 'a', 'get')).rejects.toThrow(/the event 'Added' is unknown to this class/);
  });

  test('a snapshot of another version is passed over for a full replay', async () => {
    const version = (snapshotVersion: number, make: (s: { items: unknown[] }, e: unknown) => { items: unknown[] }) =>
      cart({ events: { Added: make }, snapshotEvery: 10, snapshotVersion });
    let t = await testNode([version(1, push)]);
    for (let i = 0; i < 25; i++) await command(t, 'Cart', 'a', 'add', i);
    expect(t.node.host.metrics.snapshots).toBe(2);
    t = await t.restart([version(1, push)]);
    expect((await command(t, 'Cart', 'a', 'get')).woke?.eventsReplayed).toBeLessThanOrEqual(10);
    t = await t.restart([version(2, (s, e) => ({ items: [...s.items, `${e}!`] }))]);
    const { reply, woke } = await command(t, 'Cart', 'a', 'get');
    expect(reply).toEqual({ items: Array.from({ length: 25 }, (_, i) => `${i}!`) });
    expect(woke?.eventsReplayed).toBe(25);
  });

  test('retention: covered events go, state and sequence numbers stay', async () => {
    const t = await testNode([cart({ events: { Added: push }, snapshotEvery: 10, retention: 0 })]);
    for (let i = 0; i < 100; i++) await command(t, 'Cart', 'a', 'add', i);
    await expect
      .poll(async () => (await t.node.events('Cart', 'a' as ActorId, 0, 1))[0]?.sequenceNumber)
      .toBeGreaterThan(70);
    const again = await t.restart();
    expect(((await command(again, 'Cart', 'a', 'get')).reply as { items: unknown[] }).items).toHaveLength(100);
    await expect(again.node.inspect('Cart', 'a' as ActorId, 5)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('definitions', () => {
  const define = (type: unknown) => () => defineActor(type as ActorClass, { passivateAfterMs: 1_000 });

  test('what is wrong with a class is said at start', () => {
    class TwoInputs extends Actor {
      two(a: number, b: number) {
        return a + b;
      }
    }
    class Redefines extends Actor {}
    Object.defineProperty(Redefines.prototype, 'tell', { value() {} });
    class Accepts extends Actor {
      static accepts = { nothing: { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } } };
    }
    expect(define(TwoInputs)).toThrow(/TwoInputs: 'two' takes 2 inputs/);
    expect(define(Redefines)).toThrow(/redefines 'tell'/);
    expect(define(Accepts)).toThrow(/accepts names 'nothing'/);
    expect(define(class {})).toThrow(/extends none/);
    expect(define(eventSourced({ name: 'X', initialState: () => 0, events: {}, retired: { Old: 'New' } }))).toThrow(
      /leads to 'New'/,
    );
  });

  test('a field that hides a base member is refused when the first instance is made', async () => {
    class Hides extends Actor {
      get() {
        return this.id;
      }
    }
    class Field extends Hides {
      constructor() {
        super();
        Object.defineProperty(this, 'now', { value: () => 0, enumerable: true });
      }
    }
    const t = await testNode([Field]);
    await expect(command(t, 'Field', 'a', 'get')).rejects.toThrow(/field 'now', which hides/);
  });

  test('commands are prototype methods of the user, and nothing else', () => {
    class Base extends Actor {
      inherited() {}
      overridden() {}
    }
    class Sub extends Base {
      field = () => 1;
      override overridden() {}
      _private() {}
      get accessor() {
        return 1;
      }
      // biome-ignore lint/suspicious/noThenProperty: the point of the test
      then() {}
      override toString() {
        return '';
      }
      protected override onActivate() {}
    }
    expect([...defineActor(Sub, { passivateAfterMs: 1 }).commands.keys()].sort()).toEqual(['inherited', 'overridden']);
  });

  test('names from outside reach no object', async () => {
    const t = await testNode([Fragile]);
    for (const [type, name, code] of [
      ['__proto__', 'add', 'UNKNOWN_ACTOR_TYPE'],
      ['constructor', 'add', 'UNKNOWN_ACTOR_TYPE'],
      ['Fragile', '__proto__', 'UNKNOWN_COMMAND'],
      ['Fragile', 'constructor', 'UNKNOWN_COMMAND'],
      ['Fragile', 'persist', 'UNKNOWN_COMMAND'],
      ['Fragile', 'onActivate', 'UNKNOWN_COMMAND'],
      ['Fragile', 'toString', 'UNKNOWN_COMMAND'],
    ] as const) {
      await expect(command(t, type, 'a', name)).rejects.toMatchObject({ code });
    }
  });
});

describe('input schemas', () => {
  class Checked extends Actor {
    static accepts = {
      add: {
        '~standard': {
          version: 1 as const,
          vendor: 'test',
          validate: (value: unknown) =>
            typeof value === 'number' ? { value: value * 2 } : { issues: [{ message: 'not a number', path: ['n'] }] },
        },
      },
    };
    add(n: number) {
      return n;
    }
    no() {
      throw new Rejection('NO', 'no', { at: new Date() as never });
    }
  }
  test('the command gets the output; a bad input is the caller’s error with its path', async () => {
    const t = await testNode([Checked]);
    expect(await t.ref(Checked, 'a').add(4)).toBe(8);
    await expect(command(t, 'Checked', 'a', 'add', 'x')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: 'n', message: 'not a number' }],
    });
    await expect(t.ref(Checked, 'a').add(Number.NaN)).rejects.toThrow(/is NaN/);
    await expect(t.ref(Checked, 'a').no()).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  });
});

describe('snapshots before sleep', () => {
  class Total extends eventSourced({ initialState: () => ({ n: 0 }), events: { Added: (s) => ({ n: s.n + 1 }) } }) {
    add() {
      this.persist('Added');
      return this.state.n;
    }
  }
  test('an actor with some records takes one before it leaves memory, one with few does not', async () => {
    const t = await testNode([Total]);
    for (let i = 0; i < 12; i++) await t.ref(Total, 'many').add();
    await t.ref(Total, 'few').add();
    await t.node.passivate('Total', 'many' as ActorId);
    await t.node.passivate('Total', 'few' as ActorId);
    expect(t.node.host.activeCount).toBe(0);
    expect(t.node.host.metrics.snapshots).toBe(1);
    expect(await command(t, 'Total', 'many', 'add')).toMatchObject({ reply: 13, woke: { eventsReplayed: 0 } });
    expect(await command(t, 'Total', 'few', 'add')).toMatchObject({ reply: 2, woke: { eventsReplayed: 1 } });
  });
});
