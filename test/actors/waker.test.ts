import { expect, test } from 'vitest';
import type { Activation } from '../../src/actors/activation.ts';
import type { Caller, Envelope } from '../../src/actors/envelope.ts';
import { wakesInFlightMax } from '../../src/actors/limits.ts';
import type { ShardLog } from '../../src/actors/shard-log.ts';
import { Waker } from '../../src/actors/waker.ts';
import { GreenroomError } from '../../src/core/errors.ts';
import type { ActorId, ActorTypeName } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import type { ListedWake, WakeMark } from '../../src/persistence/journal.ts';
import { compareWakes } from '../../src/persistence/wake-order.ts';
import { VirtualClock, virtualStartMs } from '../../src/testing/virtual-clock.ts';

const envelope = undefined as unknown as Envelope;

/** One shard whose index is a list, and a host that notes whom it is to wake. */
function world() {
  const clock = new VirtualClock();
  let index: ListedWake[] = [];
  const woken: string[] = [];
  const callers: Caller[] = [];
  let holdReads = false;
  const held: (() => void)[] = [];
  let answers = true;
  const makeLog = (): ShardLog =>
    ({
      shard: 0,
      wakes: async (after: WakeMark, limit: number) => {
        const page = index
          .filter((wake) => compareWakes(wake, after) > 0)
          .sort(compareWakes)
          .slice(0, limit);
        if (holdReads) await new Promise<void>((resolve) => held.push(resolve));
        return page;
      },
    }) as unknown as ShardLog;
  let log: ShardLog | undefined = makeLog();
  const waker = new Waker({
    shardCount: 1,
    clock,
    diagnostics: silentLog,
    shardLog: () => log,
    isActive: () => false,
    wake: ({ id, wakeAt }, caller) => {
      woken.push(`${id}@${wakeAt < 10 ? wakeAt : wakeAt - virtualStartMs}`);
      if (!answers) callers.push(caller);
      else {
        index = index.filter((wake) => wake.id !== id);
        caller.replied(undefined, envelope);
      }
    },
  });
  return {
    clock,
    waker,
    woken,
    callers,
    held,
    /** A record of the actor says so. */
    record(id: string, inMs: number) {
      const wakeAt = virtualStartMs + inMs;
      index = index.filter((wake) => wake.id !== id);
      index.push({ wakeAt, type: 'A' as ActorTypeName, id: id as ActorId });
      waker.recorded({ recordedWakeAt: wakeAt, log, memory: { reminders: { size: 1 } } } as unknown as Activation);
    },
    list: (id: string, wakeAt: number) => index.push({ wakeAt, type: 'A' as ActorTypeName, id: id as ActorId }),
    holdReads: (yes: boolean) => {
      holdReads = yes;
    },
    answer: (yes: boolean) => {
      answers = yes;
    },
    own: (yes: boolean) => {
      log = yes ? makeLog() : undefined;
    },
    async pass(ms: number) {
      for (let left = ms; left >= 0; left -= 100) {
        for (let i = 0; i < 6; i++) await new Promise(setImmediate);
        clock.advance(Math.min(left, 100));
        for (let i = 0; i < 6; i++) await new Promise(setImmediate);
      }
    },
  };
}

test('whoever is in the index when a shard is taken over is woken in the order of time, unsent tells first', async () => {
  const { waker, woken, list, pass, own } = world();
  list('late', virtualStartMs + 5_000);
  list('due', virtualStartMs - 5_000);
  list('unsent', 1);
  own(false);
  waker.start();
  await pass(2_000);
  expect(woken).toEqual([]);
  own(true);
  await pass(1_100);
  expect(woken).toEqual(['unsent@1', 'due@-5000']);
  await pass(3_000);
  expect(woken).toEqual(['unsent@1', 'due@-5000', 'late@5000']);
});

test('a time that a record names later than others were handed over, and before them, is not passed over', async () => {
  const { waker, woken, record, pass, clock } = world();
  waker.start();
  record('a', 500);
  await pass(1_000);
  clock.shiftWall(-800);
  record('b', 300);
  await pass(1_000);
  expect(woken).toEqual(['a@500', 'b@300']);
});

test('a time that a record names while the index is being read is not passed over', async () => {
  const { waker, woken, record, pass, holdReads, held, clock } = world();
  waker.start();
  await pass(100);
  record('a', 500);
  record('b', 600);
  holdReads(true);
  clock.advance(700);
  await pass(0);
  record('c', 550);
  holdReads(false);
  for (const release of held.splice(0)) release();
  await pass(500);
  expect(woken.sort()).toEqual(['a@500', 'b@600', 'c@550']);
});

test('who cannot be woken is tried again, after the time it asks for', async () => {
  const { waker, woken, record, pass, callers, answer } = world();
  waker.start();
  answer(false);
  record('a', 100);
  await pass(300);
  callers.shift()!.failed(new GreenroomError('UNAVAILABLE', 'not now', { retryAfterMs: 3_000 }), envelope);
  await pass(2_000);
  expect(woken).toEqual(['a@100']);
  answer(true);
  await pass(3_000);
  expect(woken).toEqual(['a@100', 'a@100']);
});

test('an actor is woken by one at a time, and so many at a time', async () => {
  const { waker, woken, record, pass, callers, answer } = world();
  waker.start();
  answer(false);
  for (let i = 0; i < wakesInFlightMax + 500; i++) record(`n${i}`, 100);
  await pass(500);
  expect(woken).toHaveLength(wakesInFlightMax);
  record('n0', 150);
  await pass(300);
  expect(woken).toHaveLength(wakesInFlightMax);
  answer(true);
  for (const caller of callers.splice(0)) caller.replied(undefined, envelope);
  await pass(500);
  expect(new Set(woken).size).toBe(wakesInFlightMax + 500 + 1);
});

test('a wake that fails once its shard is owned anew is handed over again by the new ownership', async () => {
  const { waker, woken, list, pass, own, answer, callers } = world();
  list('a', virtualStartMs - 5_000);
  answer(false);
  waker.start();
  await pass(1_000);
  own(false);
  await pass(2_000);
  own(true);
  await pass(2_000);
  expect(woken).toEqual(['a@-5000']);
  answer(true);
  callers[0]!.failed(new GreenroomError('UNAVAILABLE', 'the shard moved'), envelope);
  await pass(3_000);
  expect(woken).toEqual(['a@-5000', 'a@-5000']);
});
