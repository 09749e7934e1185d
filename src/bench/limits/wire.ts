/** What sockets do by themselves, to a process beside this one. */
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { endChild, forkModule, nextMessage, siblingModule } from '../child-module.ts';
import { generateLoad } from '../load/generator.ts';
import { perSecond } from '../load/load-result.ts';
import type { LimitName, LimitProbe } from './limit.ts';

const messageBytes = 100;
/** Bytes that may wait in the socket before the sender pauses. */
const bufferedBytesMax = 1024 * 1024;

/** Messages one way, from here to a process that counts them. */
function websocketRate(name: LimitName, messagesPerFrame: number): LimitProbe {
  return {
    name,
    about: `WebSocket, messages of ${messageBytes} B one way between processes, ${messagesPerFrame === 1 ? 'one a frame' : `${messagesPerFrame} a frame`}`,
    async measure({ durationMs }) {
      const receiver = forkModule(siblingModule('./websocket-receiver', import.meta.url));
      try {
        const { port } = await nextMessage<{ port: number }>(receiver, 30_000);
        return await sendFor(receiver, port, messagesPerFrame, durationMs);
      } finally {
        await endChild(receiver);
      }
    },
  };
}

async function sendFor(
  receiver: ChildProcess,
  port: number,
  messagesPerFrame: number,
  durationMs: number,
): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const frame = Buffer.alloc(messageBytes * messagesPerFrame, 7);
  const startMs = performance.now();
  let frames = 0;
  while (performance.now() < startMs + durationMs) {
    while (socket.bufferedAmount < bufferedBytesMax && frames % 64 !== 63) {
      socket.send(frame);
      frames += 1;
    }
    socket.send(frame);
    frames += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const received = nextMessage<{ frames: number }>(receiver, 30_000);
  receiver.send({ until: frames });
  await received;
  const tookMs = performance.now() - startMs;
  socket.terminate();
  return (frames * messagesPerFrame * 1_000) / tookMs;
}

export const websocketFrame = websocketRate('websocketFrame', 1);
export const websocketBatch = websocketRate('websocketBatch', 64);

/** The same generator as for actors, against a server of `node:http` that parses nothing and answers at once. */
function httpEcho(name: LimitName, connections: number): LimitProbe {
  return {
    name,
    about: `node:http, a bare server that answers each POST, ${connections} connections`,
    async measure({ durationMs }) {
      const server = createServer((request, response) => {
        request.resume();
        request.on('end', () => {
          response.setHeader('Content-Type', 'application/json');
          response.end('1');
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const result = await generateLoad({
          module: siblingModule('../load/http-operations', import.meta.url).href,
          options: { ports: [port], requests: [{ method: 'POST', path: '/c{key}/add', body: '1' }] },
          keys: { count: 10_000, distribution: 'uniform' },
          load: { type: 'closed', inFlight: connections, warmUpMs: durationMs / 2, durationMs },
        });
        return perSecond(result);
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

export const httpEcho64 = httpEcho('httpEcho64', 64);
export const httpEcho256 = httpEcho('httpEcho256', 256);
