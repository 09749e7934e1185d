/** The conformance suite over both transports: real sockets on loopback, and the network in memory. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { seededRandom } from '../../src/core/random.ts';
import { VirtualClock } from '../../src/testing/index.ts';
import { MemoryNetwork, type MemoryTransport } from '../../src/transport/memory-transport.ts';
import { WebSocketTransport } from '../../src/transport/websocket-transport.ts';
import { identityOf, type Life } from './node-under-test.ts';
import { describeTransport, type TransportFixture } from './transport-suite.ts';

const protocol = { min: 1, max: 1 };
const realTimeMaxMs = 20_000;
const virtualTimeMaxMs = 60_000;

function overSockets(): TransportFixture {
  const accepted = new Set<Socket>();
  const accept = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    accepted.add(socket);
    socket.once('close', () => accepted.delete(socket));
  };
  subscribe('net.server.socket', accept);
  return {
    transport: ({ address, ...life }) =>
      new WebSocketTransport({
        ...rulesOf(life),
        host: '127.0.0.1',
        port: address === undefined ? 0 : portOf(address),
        random: seededRandom(1),
      }),
    breakLinksTo({ address }) {
      for (const socket of accepted) if (socket.localPort === portOf(address)) socket.resetAndDestroy();
    },
    async until(isSo) {
      const endMs = performance.now() + realTimeMaxMs;
      while (!isSo()) {
        if (performance.now() > endMs) throw new Error(`waited ${realTimeMaxMs} ms in vain for ${isSo}`);
        await nextTurn();
      }
    },
    async close() {
      unsubscribe('net.server.socket', accept);
    },
  };
}

function inMemory(): TransportFixture {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const network = new MemoryNetwork({
    nowMs: () => clock.monotonicMs(),
    schedule: (afterMs, task) => void clock.schedule(afterMs, task),
    policy: {
      delayMs: () => 1 + 5 * random.next(),
      dialMs: () => 1 + 5 * random.next(),
      detectMs: () => 50,
    },
  });
  const made: MemoryTransport[] = [];
  return {
    transport({ address = `somewhere:${made.length}`, ...life }) {
      const transport = network.transport({ ...rulesOf(life), address, defer: (task) => void setImmediate(task) });
      made.push(transport);
      return transport;
    },
    breakLinksTo(transport) {
      const to = (transport as MemoryTransport).storeId;
      for (const { storeId: from } of made) network.break(from, to);
    },
    async until(isSo) {
      for (let elapsedMs = 0; ; elapsedMs++) {
        await nextTurn();
        if (isSo()) return;
        if (elapsedMs > virtualTimeMaxMs) throw new Error(`waited ${virtualTimeMaxMs} virtual ms in vain for ${isSo}`);
        clock.advance(1);
      }
    },
    async close() {},
  };
}

function rulesOf({ clusterId, mayTalk, ...life }: Omit<Life, 'address'>) {
  const mayTalkIfAny = mayTalk ? { mayTalk } : {};
  return { clusterId, identity: identityOf(life as Life), protocol: life.protocol ?? protocol, ...mayTalkIfAny };
}

function portOf(address: string): number {
  return Number(address.split(':').at(-1));
}

describeTransport('the transport on WebSockets', overSockets);
describeTransport('the transport in memory', inMemory);
