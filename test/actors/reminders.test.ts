import { afterEach, expect, test } from 'vitest';
import { eventSourced } from '../../src/actors/actor.ts';
import { GreenroomError, Rejection } from '../../src/core/errors.ts';
import type { ActorId } from '../../src/core/ids.ts';
import { startTestNode, type TestNode } from '../../src/testing/test-node.ts';
import { virtualStartMs } from '../../src/testing/virtual-clock.ts';

/** Commands of the bell that are told to fail, and how. */
let failing: (() => void) | undefined;

class Bell extends eventSourced({
  initialState: () => ({ rung: [] as readonly { at: number; note: string }[] }),
  events: { Rang: (s, e: { at: number; note: string }) => ({ rung: [...s.rung, e] }) },
  snapshotEvery: 3,
}) {
  set(input: { name: string; when: Parameters<Bell['remind']>[1]; note?: string }) {
    this.remind(input.name, input.when).ring(input.note ?? input.name);
  }
  async ringLate(note: string) {
    await null;
    failing?.();
    this.persist('Rang', { at: this.now(), note });
  }
  ring(note: string) {
    failing?.();
    this.persist('Rang', { at: this.now(), note });
  }
  setLate(input: { name: string; when: Parameters<Bell['remind']>[1] }) {
    this.remind(input.name, input.when).ringLate(input.name);
  }
  drop(name: string) {
    this.forget(name);
  }
  dropAndThrow(name: string) {
    this.forget(name);
    throw new Rejection('NO', 'on purpose');
  }
  ringUntil(input: { left: number }) {
    this.persist('Rang', { at: this.now(), note: `left ${input.left}` });
    if (input.left > 0) this.remind('again', { after: '1s' }).ringUntil({ left: input.left - 1 });
  }
  list() {
    return this.reminders();
  }
  touch() {
    this.persist('Rang', { at: this.now(), note: 'touch' });
  }
}

let node: TestNode;
afterEach(async () => {
  failing = undefined;
  await node?.close();
});

const start = async () => {
  node = await startTestNode({ actors: [Bell], passivateAfter: '10s' });
  return node.actor(Bell, 'b');
};
const rung = async () =>
  ((await node.state(Bell, 'b'))?.rung ?? []).map(({ at, note }) => `${note}@${at - virtualStartMs}`);

test('a reminder wakes a passivated actor to the millisecond, once, and is gone', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { after: '30m' } });
  await node.advance('1m');
  expect(node.activeCount).toBe(0);
  await node.advance(29 * 60_000 - 1);
  expect(await rung()).toEqual([]);
  await node.advance(1);
  expect(await rung()).toEqual(['x@1800000']);
  expect(await bell.list()).toEqual([]);
  await node.advance('2h');
  expect(await rung()).toHaveLength(1);
});

test('its command sees no time before it was due, also if the clock is set back while it runs', async () => {
  const bell = await start();
  await bell.setLate({ name: 'x', when: { every: '10s' } });
  failing = () => node.clock.shiftWall(-60_000);
  await node.advance('10s');
  failing = undefined;
  expect(await rung()).toEqual(['x@10000']);
  expect((await bell.list())[0]).toMatchObject({ name: 'x', dueAt: virtualStartMs + 20_000 });
});

test('it survives a crash, and one that came due while nobody was there fires at the start', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { after: '30m' } });
  await bell.set({ name: 'y', when: { at: virtualStartMs + 5_000 } });
  await node.settle();
  node.clock.advance(0);
  await node.crash();
  node.clock.shiftWall(60_000);
  await node.advance('1s');
  expect(await rung()).toEqual([expect.stringMatching(/^y@6/)]);
  await node.crash();
  await node.advance('30m');
  expect((await rung()).map((each) => each[0])).toEqual(['y', 'x']);
});

test('an interval ticks at its times, whatever its actor does in between', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { every: '1m' } });
  await node.advance('3m');
  expect(await rung()).toEqual(['x@60000', 'x@120000', 'x@180000']);
  await node.crash();
  await node.advance('90s');
  expect(await rung()).toEqual(['x@60000', 'x@120000', 'x@180000', 'x@240000']);
});

test('one of the same name is replaced; a forgotten one does not fire; a command that throws changes none', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { after: '1m' }, note: 'old' });
  await bell.set({ name: 'x', when: { after: '2m' }, note: 'new' });
  await bell.set({ name: 'y', when: { after: '1m' } });
  await bell.drop('y');
  await expect(bell.dropAndThrow('x')).rejects.toMatchObject({ code: 'NO' });
  expect((await bell.list()).map(({ name, command, input }) => [name, command, input])).toEqual([['x', 'ring', 'new']]);
  await node.advance('5m');
  expect(await rung()).toEqual(['new@120000']);
});

test('a reminder may set itself again, in the record of its tick', async () => {
  const bell = await start();
  await bell.ringUntil({ left: 3 });
  await node.advance('1m');
  expect(await rung()).toEqual(['left 3@0', 'left 2@1000', 'left 1@2000', 'left 0@3000']);
});

test.each([
  ['fire-once', ['x@3630000', 'x@3660000']],
  ['all', [...Array.from({ length: 60 }, () => 'x@3630000'), 'x@3660000']],
  ['skip', ['x@3660000']],
] as const)('ticks that were missed: %s', async (missed, expected) => {
  const bell = await start();
  await bell.set({ name: 'x', when: { every: '1m', missed } });
  await node.advance('30s');
  node.clock.shiftWall(3_600_000);
  await node.advance('1s');
  await node.advance('29s');
  const found = (await rung()).map((each) => each.replace(/@363[01]\d\d\d$/, '@3630000'));
  expect(found).toEqual(expected);
});

test('a clock that is set back repeats no tick', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { every: '1m' } });
  await node.advance('2m');
  node.clock.shiftWall(-90_000);
  await node.advance('80s');
  expect(await rung()).toHaveLength(2);
  await node.advance('80s');
  expect(await rung()).toHaveLength(3);
});

test('a tick whose command fails is tried again with pauses, then it is a dead letter and the next one comes', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { every: '1m' } });
  let tries = 0;
  failing = () => {
    tries += 1;
    throw new Error('broken');
  };
  await node.advance('61s');
  expect(tries).toBe(2);
  await node.advance('2s');
  expect(tries).toBe(3);
  await node.crash();
  await node.advance('15s');
  expect(tries).toBe(5);
  await node.advance('1s');
  failing = undefined;
  await node.advance('60s');
  expect(await rung()).toEqual(['x@120000']);
  const letters = await node.gateway.deadLetters({ after: undefined, limit: 10 });
  expect(letters).toHaveLength(1);
  expect(letters[0]).toMatchObject({
    from: { type: 'Bell', id: 'b' },
    to: { type: 'Bell', id: 'b' },
    command: 'ring',
    input: 'x',
    reminder: 'x',
    reason: { code: 'COMMAND_FAILED' },
  });
  await node.gateway.resendDeadLetter(letters[0]!.id);
  await node.advance('1s');
  expect((await rung()).map((each) => each[0])).toEqual(['x', 'x']);
  expect(await node.gateway.deadLetters({ after: undefined, limit: 10 })).toEqual([]);
});

test('a rejection counts as fired; what cannot be answered now is tried until it can', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { after: '1s' } });
  await bell.set({ name: 'y', when: { after: '1m' } });
  let tries = 0;
  failing = () => {
    tries += 1;
    throw new Rejection('NO', 'not today');
  };
  await node.advance('10s');
  expect(tries).toBe(1);
  failing = () => {
    tries += 1;
    throw new GreenroomError('UNAVAILABLE', 'not now');
  };
  await node.advance('10m');
  expect(tries).toBeGreaterThan(10);
  failing = undefined;
  await node.advance('1m');
  expect((await rung()).map((each) => each[0])).toEqual(['y']);
  expect(await node.gateway.deadLetters({ after: undefined, limit: 10 })).toEqual([]);
});

test('a try that could only not be answered at the time is no failed try', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { every: '1h' } });
  const tries = { unavailable: 0, broken: 0 };
  failing = () => {
    tries.unavailable += 1;
    throw new GreenroomError('UNAVAILABLE', 'not now');
  };
  await node.advance(3_600_000 + 70_000);
  // After 0, 1, 2, 4, 8, 16, 32 and 64 s.
  expect(tries.unavailable).toBe(8);
  expect(await bell.list()).toMatchObject([{ failures: 0, retryAt: virtualStartMs + 3_600_000 + 124_000 }]);
  failing = () => {
    tries.broken += 1;
    throw new Error('broken');
  };
  await node.advance('54s');
  expect(tries.broken).toBe(1);
  await node.advance('16s');
  expect(tries.broken).toBe(5);
  expect(await node.gateway.deadLetters({ after: undefined, limit: 10 })).toHaveLength(1);
});

test('deleting an actor ends its reminders, also of one that has no events', async () => {
  const bell = await start();
  await bell.set({ name: 'x', when: { after: '1m' } });
  await node.gateway.delete('Bell', 'b' as ActorId);
  await node.advance('1h');
  expect(await rung()).toEqual([]);
  await bell.set({ name: 'z', when: { after: '1m' } });
  await node.advance('1m');
  expect(await rung()).toEqual([expect.stringContaining('z@')]);
});

test('wrong names and times are refused, and there are at most 1,000 of them', async () => {
  const bell = await start();
  const refused = (when: unknown, name = 'x') =>
    expect(bell.set({ name, when: when as never })).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  await refused({});
  await refused({ after: '1h', every: '1h' });
  await refused({ after: 'soon' });
  await refused({ every: 5 });
  await refused({ cron: 'every day' });
  await refused({ cron: '0 0 * * *', timeZone: 'Mars/Olympus' });
  await refused({ cron: '0 0 30 2 *' });
  await refused({ after: '1h', missed: 'never' });
  await refused({ after: '1h' }, '');
  for (let i = 0; i < 1_000; i++) await bell.set({ name: `n${i}`, when: { after: '1h' } });
  await expect(bell.set({ name: 'one more', when: { after: '1h' } })).rejects.toMatchObject({ code: 'OVERLOADED' });
  await bell.set({ name: 'n5', when: { after: '2h' } });
});

test('two thousand that are due in the same second all fire once', async () => {
  await start();
  const bells = Array.from({ length: 2_000 }, (_, i) => node.actor(Bell, `b${i}`));
  await Promise.all(bells.map((bell) => bell.set({ name: 'x', when: { at: virtualStartMs + 60_000 } })));
  await node.advance('30s');
  expect(node.activeCount).toBe(0);
  await node.advance('31s');
  const counts = await Promise.all(bells.map(async (_, i) => (await node.state(Bell, `b${i}`))?.rung.length));
  expect(new Set(counts)).toEqual(new Set([1]));
});
