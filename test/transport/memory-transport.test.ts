/** What only a network in memory does. What every transport does is in `transport-suite.ts`. */
import { expect, test } from 'vitest';
import type { NodeName, StoreId } from '../../src/core/ids.ts';
import { VirtualClock } from '../../src/testing/index.ts';
import { MemoryNetwork } from '../../src/transport/memory-transport.ts';

const delayMs = 10;
const detectMs = 1_000;

/** Two nodes with links to each other, and what `b` was told. */
async function pair() {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({
    nowMs: () => clock.monotonicMs(),
    schedule: (afterMs, task) => void clock.schedule(afterMs, task),
    policy: { delayMs: () => delayMs, dialMs: () => delayMs, detectMs: () => detectMs },
  });
  const told: string[] = [];
  const node = (name: string) =>
    network.transport({
      identity: { storeId: name as StoreId, node: name as NodeName, boot: 1 },
      address: name,
      clusterId: 'test',
      defer: (task) => task(),
    });
  const [a, b] = [node('a'), node('b')];
  const silent = { linkUp() {}, linkDown() {}, peerArrived() {}, peerLeft() {}, dialFailed() {} };
  await a.start({ ...silent, message() {}, linkDown: (_peer, why) => told.push(`link of a ${why}`) });
  await b.start({ ...silent, message: (_from, _channel, bytes) => told.push(bytes.toString()) });
  a.setPeers([{ storeId: b.storeId, address: 'b' }]);
  b.setPeers([{ storeId: a.storeId, address: 'a' }]);
  clock.advance(3 * delayMs);
  const send = (text: string) => a.send(b.storeId, 'data', Buffer.from(text));
  return { clock, network, a, b, told, send };
}

test('a short cut loses a tail, never something in the middle', async () => {
  const { clock, network, a, b, told, send } = await pair();
  send('1');
  clock.advance(delayMs);
  network.cut(a.storeId, b.storeId);
  send('2');
  clock.advance(delayMs);
  network.heal(a.storeId, b.storeId);
  send('3');
  clock.advance(delayMs);
  expect(told).toEqual(['1']);
  clock.advance(detectMs);
  expect(told).toEqual(['1', 'link of a stalled']);
  clock.advance(detectMs);
  expect(send('4')).toBe(true);
  clock.advance(delayMs);
  expect(told.at(-1)).toBe('4');
});

test('an end that closes a link into a cut is not heard: the other finds out by itself', async () => {
  const { clock, network, a, b, told, send } = await pair();
  network.cut(b.storeId, a.storeId);
  b.dismiss(a.storeId);
  clock.advance(delayMs);
  expect(told).toEqual([]);
  expect(send('into nothing')).toBe(true);
  clock.advance(detectMs);
  expect(told).toEqual(['link of a stalled']);
  network.heal(b.storeId, a.storeId);
  clock.advance(detectMs);
  expect(send('1')).toBe(true);
  b.dismiss(a.storeId);
  clock.advance(delayMs);
  expect(told).toEqual(['link of a stalled', 'link of a reset']);
});
