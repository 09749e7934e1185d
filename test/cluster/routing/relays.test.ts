/** Commands for an owner that their node cannot reach, and another can. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { Queries } from '../../../src/cluster/routing/queries.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { commandOf, shard } from './fixture.ts';
import { RelayScene } from './relay-scene.ts';
import { searchOfWhatIsRelayed } from './told.ts';

let scene: RelayScene;
let self: StoreId;
let relay: StoreId;
let heard: unknown[];

function stage(members: number): void {
  scene = new RelayScene(members);
  [self, relay] = scene.others as [StoreId, StoreId];
  heard = [];
}

function send(...inputs: readonly number[]): void {
  for (const input of inputs)
    scene.router(self).send({
      ...commandOf(input, { replied: (reply) => heard.push(reply), failed: ({ code }) => heard.push(code) }),
      deadlineMs: scene.clock.monotonicMs() + 10_000,
    });
}

const arrivedInputs = (): readonly unknown[] => scene.arrived.map(({ input }) => input);

beforeEach(() => stage(3));

afterEach(() => {
  for (const each of [scene.owner, ...scene.others]) scene.router(each).close('the story is over');
});

test('go through another after a moment, in order, and their answers come back', () => {
  scene.cut(self, scene.owner);
  send(1, 2, 3);
  scene.run(400);
  expect(arrivedInputs(), 'the way is mostly back before long').toEqual([]);
  scene.run(400);
  expect(arrivedInputs()).toEqual([1, 2, 3]);
  expect(scene.router(relay).relayed).toBe(3);
  for (let count = 0; count < 3; count++) scene.answerNext();
  scene.run(10);
  expect(heard).toEqual([1, 2, 3]);
  expect(scene.router(relay).length, 'held by the relay').toBe(0);
});

test('say what was known before their first attempt: it may be under way still when they are sent again', () => {
  scene.cut(self, scene.owner);
  send(1);
  scene.run(800);
  expect(scene.arrived[0]!.since).toBe(7);
  expect(searchOfWhatIsRelayed()).toEqual([7]);
  expect(searchOfWhatIsRelayed('relayed command not searched')).toEqual([-1]);
});

test('go straight again, at once and in order, when the way is back; the answer to the first attempt is not waited for', () => {
  scene.cut(self, scene.owner);
  send(1, 2);
  scene.run(800);
  const [first] = scene.arrived.splice(0);
  scene.heal(self, scene.owner);
  send(3);
  scene.run(10);
  expect(arrivedInputs()).toEqual([1, 2, 3]);
  expect(scene.arrived[0]!.commandId).toBe(first!.commandId);
  expect(scene.arrived[0]!.since).toBe(7);
  for (let count = 0; count < 3; count++) scene.answerNext();
  scene.run(10);
  first!.caller.replied('late', { commandId: first!.commandId, replayed: true, recorded: true, woke: undefined });
  scene.run(10);
  expect(heard).toEqual([1, 2, 3]);
});

test('come back from a relay that loses its own way, and go through the next', () => {
  stage(4);
  const last = scene.others[2]!;
  scene.cut(self, scene.owner);
  send(1, 2);
  scene.run(1_000);
  const used = [relay, last].find((each) => scene.router(each).relayed > 0)!;
  const spare = used === relay ? last : relay;
  scene.arrived.length = 0;
  scene.cut(used, scene.owner);
  send(3);
  scene.run(500);
  expect(arrivedInputs()).toEqual([1, 2, 3]);
  expect(scene.router(spare).relayed).toBe(3);
  expect(scene.router(used).length).toBe(0);
});

test('keep their order also when the owner turns them away at their relay, one after the other', () => {
  scene.cut(self, scene.owner);
  send(1, 2);
  scene.run(800);
  const [first, second] = scene.arrived.splice(0);
  first!.caller.moved!('refused', first!);
  send(3);
  scene.run(0);
  second!.caller.moved!('refused', second!);
  scene.run(200);
  expect(arrivedInputs()).toEqual([1, 2, 3]);
});

test('never pass more than one relay: who has no direct way itself says so', () => {
  stage(4);
  const last = scene.others[2]!;
  for (const each of [self, relay]) scene.cut(each, scene.owner);
  scene.cut(self, last);
  send(1);
  scene.run(3_000);
  expect(arrivedInputs()).toEqual([]);
  scene.run(8_000);
  expect(heard).toEqual(['UNAVAILABLE']);
  expect(scene.router(relay).relayed).toBe(0);
});

test('wait for an owner that nobody reaches, and for one that is down', () => {
  for (const each of scene.others) scene.cut(each, scene.owner);
  send(1);
  scene.run(11_000);
  expect(heard).toEqual(['UNAVAILABLE']);
});

test('that kill one owner after the other are given up also if they went through a relay', () => {
  scene.cut(self, scene.owner);
  send(1);
  for (const boot of [2, 3]) {
    scene.run(1_000);
    expect(arrivedInputs(), `before life ${boot}`).toEqual([1]);
    scene.arrived.length = 0;
    scene.cut(relay, scene.owner);
    scene.run(200);
    scene.restartOwner(boot);
    scene.heal(relay, scene.owner);
  }
  scene.run(1_000);
  expect(heard).toEqual(['OUTCOME_UNKNOWN']);
  expect(arrivedInputs()).toEqual([]);
});

test('run on the relay once it owns the shard itself', () => {
  scene.cut(self, scene.owner);
  send(1);
  scene.run(800);
  scene.arrived.length = 0;
  scene.router(scene.owner).noLongerHere(shard, 7);
  scene.router(relay).becomeHere(shard, scene.map.shards[shard]!.active.epoch + 1, 9);
  scene.run(10);
  expect(arrivedInputs()).toEqual([1]);
  scene.answerNext();
  scene.run(10);
  expect(heard).toEqual([1]);
});

test('questions go through another, too, and say so where that has no way either', async () => {
  const asked: unknown[] = [];
  const all = new Map<StoreId, Queries>();
  for (const storeId of scene.map.members.keys()) {
    const send = (to: StoreId, bytes: Buffer): boolean => {
      if (!scene.isUp(storeId, to)) return false;
      const message = decodeCommandMessage(bytes) as Parameters<Queries['received']>[1];
      queueMicrotask(() => all.get(to)!.received(storeId, message));
      return true;
    };
    const isUp = (peer: StoreId) => scene.isUp(storeId, peer);
    const { relays } = scene.router(storeId);
    const answer = async (name: string, input: unknown) => {
      asked.push([storeId, name, input]);
      return 'an answer';
    };
    all.set(storeId, new Queries({ boot: 1, clock: scene.clock, send, isUp, relays, answer }));
  }
  const ask = () => all.get(self)!.ask(scene.owner, 'inspect', ['Counter', 'one'], 1_000);
  scene.cut(self, scene.owner);
  expect(await ask()).toBe('an answer');
  expect(asked).toEqual([[scene.owner, 'inspect', ['Counter', 'one']]]);
  scene.cut(relay, scene.owner);
  await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE', reroute: 'refused' });
  scene.cut(self, relay);
  await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE', reroute: 'refused' });
});
