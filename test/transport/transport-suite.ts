/**
 * The conformance suite of transports: every clause of the contract in `src/transport/transport.ts` is a test here, and
 * every transport passes it. Nothing waits for a time to pass: a test waits until something is so, and the fixture makes
 * time pass in its own way, with a bound.
 *
 * A node under test notes all that it is told, in order, as texts: `up b/1`, `down b/1 reset`, `arrived a/1`,
 * `left a/1`, `failed b outdated`, and `data from a/1: hello`. So that nothing happened in between, or twice, is one
 * comparison.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import type { StoreId } from '../../src/core/ids.ts';
import {
  type HelloRefusal,
  linkBufferBytesMax,
  messageBytesMax,
  type Transport,
} from '../../src/transport/transport.ts';
import { type Life, NodeUnderTest } from './node-under-test.ts';

/** A network on which transports are made, and made to break. */
export interface TransportFixture {
  /** A transport that has not started. At `address` if one is given, as another has told it. */
  transport(life: Life): Transport;
  /** Cuts, without a goodbye, every link that leads to this transport. What is on its way is lost. */
  breakLinksTo(transport: Transport): void;
  /** Lets things happen until it is so. @throws Error if it is not after a bounded while */
  until(isSo: () => boolean): Promise<void>;
  close(): Promise<void>;
}

const store = (name: string): StoreId => name as StoreId;

export function describeTransport(name: string, makeFixture: () => TransportFixture): void {
  describe(name, () => {
    let fixture: TransportFixture | undefined;
    const nodes: NodeUnderTest[] = [];
    afterEach(async () => {
      for (const node of nodes.splice(0)) await node.transport.close();
      await fixture?.close();
      fixture = undefined;
    });

    const until = (isSo: () => boolean): Promise<void> => fixture!.until(isSo);

    function make(storeName: string, more: Partial<Life> = {}): NodeUnderTest {
      fixture ??= makeFixture();
      const life: Life = { name: storeName, boot: 1, clusterId: 'cluster', ...more };
      const node = new NodeUnderTest(life, fixture.transport(life));
      nodes.push(node);
      return node;
    }

    async function start(storeName: string, more: Partial<Life> = {}): Promise<NodeUnderTest> {
      const node = make(storeName, more);
      await node.start();
      return node;
    }

    /** A link that leads from `a` to `b`, and none back. */
    async function linked(): Promise<[NodeUnderTest, NodeUnderTest]> {
      const [a, b] = [await start('a'), await start('b')];
      a.names(b);
      await until(() => a.told.includes('up b/1') && b.told.includes('arrived a/1'));
      return [a, b];
    }

    describe('a link', () => {
      test('is made to a peer that is named, leads one way, and is told once on either side', async () => {
        const [a, b] = await linked();
        expect(a.transport.isUp(store('b'))).toBe(true);
        expect(b.transport.isUp(store('a'))).toBe(false);
        expect(b.send('a', 'back')).toBe(false);
        expect(a.send('b', 'there')).toBe(true);
        await until(() => b.messages().length === 1);
        expect(a.told).toEqual(['up b/1']);
        expect(b.told).toEqual(['arrived a/1', 'data from a/1: there']);
      });

      test('leads each way, once, between two that dial each other at the same time', async () => {
        const [a, b] = [await start('a'), await start('b')];
        a.names(b);
        b.names(a);
        await until(() => a.told.length >= 2 && b.told.length >= 2);
        expect(a.send('b', '1') && b.send('a', '2')).toBe(true);
        await until(() => a.messages().length === 1 && b.messages().length === 1);
        expect([...a.told].sort()).toEqual(['arrived b/1', 'data from b/1: 2', 'up b/1']);
        expect([...b.told].sort()).toEqual(['arrived a/1', 'data from a/1: 1', 'up a/1']);
      });

      test('stays when its peer is named again, and is closed when it is named no more', async () => {
        const [a, b] = await linked();
        a.names(b);
        a.names(b);
        expect(a.send('b', 'still')).toBe(true);
        await until(() => b.messages().length === 1);
        a.names();
        expect(a.transport.isUp(store('b'))).toBe(false);
        expect(a.send('b', 'x')).toBe(false);
        await until(() => a.told.length === 2 && b.told.length === 3);
        expect(a.told).toEqual(['up b/1', 'down b/1 closed here']);
        expect(b.told).toEqual(['arrived a/1', 'data from a/1: still', 'left a/1']);
      });

      test('that breaks is told once on either side, and made again', async () => {
        const [a, b] = await linked();
        for (let round = 1; round <= 3; round++) {
          fixture!.breakLinksTo(b.transport);
          await until(() => a.times('up b/1') > round && b.times('arrived a/1') > round);
        }
        const [broken, left] = [
          ['down b/1 reset', 'up b/1'],
          ['left a/1', 'arrived a/1'],
        ];
        expect(a.told).toEqual(['up b/1', ...broken!, ...broken!, ...broken!]);
        expect(b.told).toEqual(['arrived a/1', ...left!, ...left!, ...left!]);
      });

      test('that is reset is cut and made again', async () => {
        const [a, b] = await linked();
        a.transport.reset(store('b'));
        expect(a.send('b', 'lost')).toBe(false);
        await until(() => a.told.length === 3 && b.told.length === 3);
        expect(a.told).toEqual(['up b/1', 'down b/1 closed here', 'up b/1']);
        expect(b.told).toEqual(['arrived a/1', 'left a/1', 'arrived a/1']);
      });

      test('is cut by the one who was dialled, who then may refuse it', async () => {
        let isWanted = true;
        const [a, b] = [await start('a'), await start('b', { mayTalk: () => (isWanted ? undefined : 'removed') })];
        a.names(b);
        await until(() => a.told.length === 1 && b.told.length === 1);
        b.transport.dismiss(store('a'));
        await until(() => a.told.length === 3 && b.told.length === 3);
        expect(a.told).toEqual(['up b/1', 'down b/1 reset', 'up b/1']);
        expect(b.told).toEqual(['arrived a/1', 'left a/1', 'arrived a/1']);
        isWanted = false;
        b.transport.dismiss(store('a'));
        await until(() => a.times('failed b removed') > 0);
        b.transport.dismiss(store('z'));
        expect(b.told.slice(3)).toEqual(['left a/1']);
      });

      test('to nobody is no link', async () => {
        const a = await start('a');
        expect(a.transport.isUp(store('z'))).toBe(false);
        expect(a.send('z', 'x')).toBe(false);
        expect(a.transport.bufferedBytes(store('z'))).toBe(0);
        a.transport.reset(store('z'));
        const gone = await start('z');
        await gone.transport.close();
        a.names(gone);
        await until(() => a.times('failed z refused') >= 2);
        expect(new Set(a.told)).toEqual(new Set(['failed z refused']));
        expect(a.send('z', 'x')).toBe(false);
      });
    });

    describe('messages', () => {
      test('arrive in the order sent, on both channels', async () => {
        const [a, b] = await linked();
        const numbers = Array.from({ length: 1_000 }, (_, n) => `${n}`);
        for (const n of numbers) {
          expect(a.send('b', n, 'data')).toBe(true);
          expect(a.send('b', n, 'control')).toBe(true);
        }
        await until(() => b.messages().length === 2_000);
        for (const channel of ['data', 'control'] as const) {
          expect(b.messages(channel)).toEqual(numbers.map((n) => `${channel} from a/1: ${n}`));
        }
        expect(a.told).toEqual(['up b/1']);
      });

      test('come whole whatever their length, and are refused beyond the limit and empty', async () => {
        const [a, b] = await linked();
        for (const length of [0, messageBytesMax + 1]) {
          expect(() => a.transport.send(store('b'), 'data', Buffer.alloc(length))).toThrow(AssertionFailure);
        }
        const sizes = [1, 65_535, 65_536, 262_144, 1_000_000, messageBytesMax, 3];
        for (const [i, size] of sizes.entries()) {
          expect(a.transport.send(store('b'), 'data', Buffer.alloc(size, i + 1))).toBe(true);
        }
        await until(() => b.bytes.length === sizes.length);
        expect(b.bytes.map((bytes, i) => bytes.equals(Buffer.alloc(sizes[i]!, i + 1)))).toEqual(sizes.map(() => true));
      });

      test('are copied when they are sent, and belong to who receives them', async () => {
        const [a, b] = await linked();
        const buffer = Buffer.from('first');
        a.transport.send(store('b'), 'data', buffer);
        buffer.write('after');
        a.transport.send(store('b'), 'data', buffer);
        await until(() => b.bytes.length === 2);
        b.bytes[0]!.fill('x');
        expect(b.messages()).toEqual(['data from a/1: first', 'data from a/1: after']);
        expect(b.bytes[1]!.toString()).toBe('after');
        expect(buffer.toString()).toBe('after');
      });

      test('wait up to the limit of a link; then none is taken until there is room, and the other channel is free', async () => {
        const [a, b] = await linked();
        const chunk = Buffer.alloc(1024 * 1024, 'x');
        let taken = 0;
        while (taken < 100 && a.transport.send(store('b'), 'data', chunk)) taken += 1;
        const most = linkBufferBytesMax / chunk.length;
        // What a driver adds to each message may count, too.
        expect(taken).toBeGreaterThanOrEqual(most - 1);
        expect(taken).toBeLessThanOrEqual(most);
        const waiting = a.transport.bufferedBytes(store('b'));
        expect(waiting).toBeGreaterThanOrEqual(taken * chunk.length);
        expect(waiting).toBeLessThanOrEqual(linkBufferBytesMax);
        expect(a.send('b', 'heartbeat', 'control')).toBe(true);
        expect(a.transport.bufferedBytes(store('b'))).toBe(waiting);
        expect(a.transport.isUp(store('b'))).toBe(true);
        await until(() => b.bytes.length === taken + 1 && a.transport.bufferedBytes(store('b')) === 0);
        expect(a.transport.send(store('b'), 'data', chunk)).toBe(true);
        await until(() => b.bytes.length === taken + 2);
        expect(a.told).toEqual(['up b/1']);
      });

      test('that a breaking link loses are its last ones, and none comes after it left', async () => {
        const [a, b] = await linked();
        const sent: string[] = [];
        let broken = 0;
        // Broken from within a delivery: so much is on its way then, and so little has arrived.
        b.onMessage = () => {
          if (b.messages().length < 20 * (broken + 1) || broken === 5) return;
          broken += 1;
          fixture!.breakLinksTo(b.transport);
        };
        const padding = 'x'.repeat(20_000);
        let number = 0;
        await until(() => {
          // Links that ended before now: what is taken now goes over the next.
          const link = a.told.filter((each) => each.startsWith('down')).length;
          for (const channel of ['data', 'control'] as const) {
            for (let i = 0; i < 50 && a.transport.isUp(store('b')); i++) {
              number += 1;
              const text = `${link} ${number} ${padding}`;
              if (a.send('b', text, channel)) sent.push(`${channel} from a/1: ${text}`);
            }
          }
          return a.times('down b/1 reset') === 5 && a.transport.isUp(store('b'));
        });
        expect(a.send('b', '5 last')).toBe(true);
        await until(() => b.told.includes('data from a/1: 5 last'));
        for (const channel of ['data', 'control'] as const) {
          for (let link = 0; link < 5; link++) {
            const of = (all: readonly string[]) =>
              all.filter((each) => each.startsWith(`${channel} from a/1: ${link} `));
            const [received, given] = [of(b.messages()), of(sent)];
            expect(received).toEqual(given.slice(0, received.length));
          }
        }
        const links = b.messages('data').map((each) => Number(each.split(' ')[3]));
        expect(links).toEqual([...links].sort((x, y) => x - y));
        expect(sent.length).toBeGreaterThan(b.messages().length);
        expectArrivedFirst(b, 'a/1');
      });
    });

    describe('a peer', () => {
      test('that closes says goodbye, and its next life is another peer at the same place', async () => {
        const [a, b] = await linked();
        await b.transport.close();
        await until(() => a.times('failed b refused') >= 1);
        const again = await start('b', { boot: 2, address: b.transport.address });
        await until(() => a.told.includes('up b/2'));
        expect(a.send('b', 'hello')).toBe(true);
        await until(() => again.messages().length === 1);
        expect(a.told.filter((each) => !each.startsWith('failed'))).toEqual([
          'up b/1',
          'down b/1 closed by peer',
          'up b/2',
        ]);
        expect(again.told).toEqual(['arrived a/1', 'data from a/1: hello']);
        expect(b.told.at(-1)).toBe('left a/1');
      });

      test('in an older life is outdated once a newer one was heard of, also after that has gone', async () => {
        const a = await start('a');
        const [older, newer] = [await start('b'), await start('b', { boot: 2 })];
        older.names(a);
        await until(() => a.told.includes('arrived b/1'));
        newer.names(a);
        await until(() => a.told.includes('arrived b/2') && older.told.includes('failed a outdated'));
        newer.names();
        await until(() => a.told.includes('left b/2') && older.times('failed a outdated') >= 2);
        expect(a.told).toEqual(['arrived b/1', 'left b/1', 'arrived b/2', 'left b/2']);
        expect(older.told.slice(0, 3)).toEqual(['up a/1', 'down a/1 reset', 'failed a outdated']);
      });

      test('that was heard of in a newer life is no more reached in an older one', async () => {
        const [a, older] = await linked();
        const newer = await start('b', { boot: 2 });
        newer.names(a);
        await until(() => a.told.includes('arrived b/2') && a.told.includes('failed b outdated'));
        expect(a.told.filter((each) => /^(up|down)/.test(each))).toEqual(['up b/1', 'down b/1 reset']);
        expect(a.send('b', 'x')).toBe(false);
        a.names(newer);
        await until(() => a.told.includes('up b/2'));
        expect(a.send('b', 'x')).toBe(true);
        await until(() => newer.messages().length === 1);
        expect(older.messages()).toEqual([]);
      });
    });

    describe('a hello', () => {
      const refusals: readonly [string, Partial<Life>, Partial<Life>, HelloRefusal][] = [
        ['of another cluster', {}, { clusterId: 'other' }, 'wrong cluster'],
        ['that its cluster does not want', { mayTalk: () => 'removed' }, {}, 'removed'],
        ['of a protocol that is no more', { protocol: { min: 2, max: 3 } }, {}, 'no common protocol version'],
      ];
      test.each(refusals)('%s is refused, and told of to the dialler alone, each time', async (_, there, here, why) => {
        const [a, b] = [await start('a', here), await start('b', there)];
        a.names(b);
        await until(() => a.told.length >= 2);
        expect(new Set(a.told)).toEqual(new Set([`failed b ${why}`]));
        expect(a.send('b', 'x')).toBe(false);
        expect(b.told).toEqual([]);
      });

      test('for another store, or to itself, is refused', async () => {
        const [a, b] = [await start('a'), await start('b')];
        a.dials(
          { storeId: store('z'), address: b.transport.address },
          { storeId: store('y'), address: a.transport.address },
        );
        await until(() => a.told.includes('failed z wrong store') && a.told.includes('failed y self'));
        expect(a.told.filter((each) => !each.startsWith('failed'))).toEqual([]);
        expect(b.told).toEqual([]);
      });

      test('that was refused is accepted once its cluster wants it', async () => {
        let isWanted = false;
        const [a, b] = [await start('a'), await start('b', { mayTalk: () => (isWanted ? undefined : 'removed') })];
        a.names(b);
        await until(() => a.told.includes('failed b removed'));
        isWanted = true;
        await until(() => a.told.includes('up b/1') && b.told.length > 0);
        expect(b.told).toEqual(['arrived a/1']);
      });

      test('says who it is to whoever decides', async () => {
        const asked: unknown[] = [];
        const b = await start('b', { mayTalk: (hello) => void asked.push(hello) });
        const a = await start('a', { boot: 7 });
        a.names(b);
        await until(() => b.told.includes('arrived a/7'));
        expect(asked[0]).toEqual({ clusterId: 'cluster', node: 'a', storeId: 'a', boot: 7 });
      });
    });

    describe('close', () => {
      test('tells the end of every link before it resolves, and nothing after', async () => {
        const [a, b] = await linked();
        b.names(a);
        await until(() => b.told.includes('up a/1') && a.told.includes('arrived b/1'));
        a.send('b', 'one');
        b.send('a', 'on its way');
        const closing = Promise.all([a.transport.close(), a.transport.close()]);
        let isClosed = false;
        void closing.then(() => {
          isClosed = true;
        });
        await until(() => isClosed);
        const told = [...a.told];
        expect(told.filter((each) => /^(down|left)/.test(each)).sort()).toEqual(['down b/1 closed here', 'left b/1']);
        expect(a.send('b', 'x')).toBe(false);
        expect(a.transport.isUp(store('b'))).toBe(false);
        a.names(b);
        a.transport.reset(store('b'));
        await until(() => b.told.includes('left a/1') && b.times('failed a refused') >= 2);
        await a.transport.close();
        expect(a.told).toEqual(told);
        expect(b.told.filter((each) => /^down/.test(each))).toEqual(['down a/1 closed by peer']);
        expectArrivedFirst(b, 'a/1');
      });

      test('settles while it dials, before a start, and after one that failed', async () => {
        const [a, b] = [await start('a'), await start('b')];
        a.names(b);
        await until(settled(a.transport.close()));
        expect(a.told.filter((each) => each.startsWith('up'))).toEqual([]);
        const never = make('never');
        await until(settled(never.transport.close()));
        await expect(never.start()).rejects.toBeInstanceOf(AssertionFailure);
        const second = make('second', { address: b.transport.address });
        await expect(second.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
        await until(settled(second.transport.close()));
        expect([never.told, second.told]).toEqual([[], []]);
      });

      test('gives the address back', async () => {
        const a = await start('a');
        await until(settled(a.transport.close()));
        const b = await start('b', { address: a.transport.address });
        expect(b.transport.address).toBe(a.transport.address);
      });
    });

    test('handlers run in turns of their own, never inside a call', async () => {
      const [a, b] = await linked();
      const isUpAgain = (): boolean => a.transport.isUp(store('b')) && a.told.at(-1) === 'up b/1';
      const calls: readonly [() => unknown, () => boolean][] = [
        [() => a.send('b', 'x'), () => b.messages().length === 1],
        [() => a.transport.reset(store('b')), isUpAgain],
        [() => a.names(), () => b.told.at(-1) === 'left a/1'],
        [() => a.names(b), isUpAgain],
        [() => void a.transport.close(), () => a.told.at(-1) === 'down b/1 closed here'],
      ];
      for (const [call, isDone] of calls) {
        const before = [[...a.told], [...b.told]];
        call();
        expect([a.told, b.told]).toEqual(before);
        await until(isDone);
      }
    });
  });
}

/** Every message lies between an arrival of its sender and the end of that arrival, and the two alternate. */
function expectArrivedFirst(node: NodeUnderTest, sender: string): void {
  let isHere = false;
  for (const each of node.told) {
    if (each === `arrived ${sender}` || each === `left ${sender}`) {
      expect(each.startsWith('arrived')).toBe(!isHere);
      isHere = !isHere;
    } else if (each.includes(` from ${sender}: `)) expect(isHere).toBe(true);
  }
}

function settled(promise: Promise<unknown>): () => boolean {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  return () => isSettled;
}
