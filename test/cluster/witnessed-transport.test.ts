/** A store that is an old copy of itself, told by what its peers have seen: it says nothing, and nobody listens to it. */
import { expect, test } from 'vitest';
import { answersWithinMs, keepEveryMs, someAnswerWithinMs } from '../../src/cluster/witnessed-transport.ts';
import { setBack, startsOnOldImage, working } from './starting.ts';

test('a store that lost nothing speaks as soon as everyone has answered', async () => {
  const scene = await working();
  await scene.work(['a'], 3_000);
  scene.kill('a');
  await scene.start('a');
  await scene.pass(200);
  expect(scene.started.get('a')).toBe('speaks');
});

test('an old copy says nothing, however often it is started', async () => {
  const scene = await working();
  await setBack(scene, 'a');
  scene.heard.length = 0;
  for (let i = 0; i < 8; i++) {
    await scene.start('a');
    await scene.pass(500);
    expect(scene.started.get('a')).toBe('STORE_OUTDATED');
    scene.kill('a');
  }
  expect(scene.heard).not.toContain('b hears a');
});

test('"old image trusted" is told, and shows', async () => {
  expect(await startsOnOldImage()).toBe('STORE_OUTDATED');
  expect(await startsOnOldImage('old image trusted')).toBe('speaks');
});

test('an old copy is recognised also by peers that have restarted since', async () => {
  const scene = await working();
  await setBack(scene, 'a');
  for (const name of ['b', 'c']) {
    scene.kill(name);
    await scene.start(name);
  }
  await scene.start('a');
  await scene.pass(someAnswerWithinMs);
  expect(scene.started.get('a')).toBe('STORE_OUTDATED');
});

test('one peer in reach is enough; the start waits a while for others, and not for ever', async () => {
  const scene = await working();
  scene.kill('b');
  scene.kill('a');
  await scene.start('a');
  await scene.pass(answersWithinMs - 200);
  expect(scene.started.get('a')).toBe('waits');
  await scene.pass(400);
  expect(scene.started.get('a')).toBe('speaks');
});

test('a node that is alone starts all the same, and a peer that comes later ends an old copy', async () => {
  const scene = await working();
  await setBack(scene, 'a');
  for (const name of ['b', 'c']) scene.kill(name);
  await scene.start('a');
  await scene.pass(someAnswerWithinMs + 100);
  expect(scene.started.get('a')).toBe('speaks');
  scene.heard.length = 0;
  await scene.start('b');
  await scene.pass(someAnswerWithinMs);
  expect(scene.started.get('a')).toBe('STORE_OUTDATED');
  expect(scene.heard).not.toContain('b hears a');
});

test('nodes that do nothing come to rest', async () => {
  const scene = await working();
  await scene.pass(3 * keepEveryMs);
  const before = [...scene.disks.values()].map(({ batches }) => batches);
  await scene.pass(10 * keepEveryMs);
  expect([...scene.disks.values()].map(({ batches }) => batches)).toEqual(before);
});

test('a start that never ended proves nothing, and a whole store that crashed in the middle of one is whole', async () => {
  const scene = await working();
  await scene.work(['a'], 3_000);
  scene.kill('a');
  for (let i = 0; i < 3; i++) {
    await scene.start('a');
    await scene.pass(1);
    scene.kill('a');
  }
  await scene.start('a');
  await scene.pass(500);
  expect(scene.started.get('a')).toBe('speaks');
  await scene.work(['a'], 3_000);
  scene.kill('a');
  await scene.start('a');
  await scene.pass(500);
  expect(scene.started.get('a')).toBe('speaks');
});
