/**
 * What the transport on WebSockets does by itself: messages of 100 bytes to another process and back, so many in
 * flight. What PERFORMANCE calls "ws echo" is the same without links, hellos and limits.
 *
 *     npx jiti bench/transport.ts [--bytes 100] [--seconds 2] [--runs 3] [--one-process]
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NodeName, StoreId } from '../src/core/ids.ts';
import { seededRandom } from '../src/core/random.ts';
import type { TransportHandlers } from '../src/transport/transport.ts';
import { WebSocketTransport } from '../src/transport/websocket-transport.ts';

const argv = process.argv.slice(2);
const option = (name: string, standard: number): number =>
  argv.includes(`--${name}`) ? Number(argv[argv.indexOf(`--${name}`) + 1]) : standard;
const messageBytes = option('bytes', 100);
const runMs = option('seconds', 2) * 1_000;
const runs = option('runs', 3);
const inFlights = [1, 16, 256, 4_096];

function makeTransport(name: string): WebSocketTransport {
  return new WebSocketTransport({
    clusterId: 'bench',
    identity: { storeId: name as StoreId, node: name as NodeName, boot: 1 },
    protocol: { min: 1, max: 1 },
    host: '127.0.0.1',
    port: 0,
    secret: 'bench',
    random: seededRandom(1),
  });
}

const ignore: TransportHandlers = {
  linkUp() {},
  linkDown() {},
  peerArrived() {},
  peerLeft() {},
  message() {},
  dialFailed() {},
};

/** Sends back what comes, to whoever sent it. */
async function startEcho(peerAddress: string): Promise<WebSocketTransport> {
  const echo = makeTransport('echo');
  await echo.start({ ...ignore, message: (from, channel, bytes) => echo.send(from.storeId, channel, bytes) });
  echo.setPeers([{ storeId: 'bench' as StoreId, address: peerAddress }]);
  return echo;
}

async function startEchoProcess(peerAddress: string): Promise<{ address: string; stop(): void }> {
  // The same loader again: what runs this file is in front of its name.
  const jiti = createRequire(import.meta.url)
    .resolve('jiti/package.json')
    .replace('package.json', 'lib/jiti-cli.mjs');
  const argv = [jiti, fileURLToPath(import.meta.url), '--echo', peerAddress];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const address = await new Promise<string>((resolve) => child.once('message', (text) => resolve(String(text))));
  return { address, stop: () => child.disconnect() };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

async function main(): Promise<void> {
  const bench = makeTransport('bench');
  let onMessage = (): void => {};
  let isUp = (): void => {};
  const bothWays = new Promise<void>((resolve) => {
    let ways = 0;
    isUp = () => {
      ways += 1;
      if (ways === 2) resolve();
    };
  });
  await bench.start({ ...ignore, linkUp: isUp, peerArrived: isUp, message: () => onMessage() });
  let stop: () => void;
  let address: string;
  if (argv.includes('--one-process')) {
    const echo = await startEcho(bench.address);
    ({ address } = echo);
    stop = () => void echo.close();
  } else {
    ({ address, stop } = await startEchoProcess(bench.address));
  }
  const to = 'echo' as StoreId;
  bench.setPeers([{ storeId: to, address }]);
  await bothWays;
  const payload = Buffer.alloc(messageBytes, 7);
  const measure = (inFlight: number): Promise<number> =>
    new Promise((resolve) => {
      const startMs = performance.now();
      let count = 0;
      let left = inFlight;
      onMessage = () => {
        count += 1;
        // The clock is read rarely: it would be part of what is measured.
        const isOver = (count & 255) === 0 || inFlight === 1 ? performance.now() - startMs > runMs : left < inFlight;
        if (!isOver && left === inFlight) {
          bench.send(to, 'data', payload);
          return;
        }
        left -= 1;
        if (left === 0) resolve((count / (performance.now() - startMs)) * 1_000);
      };
      for (let i = 0; i < inFlight; i++) bench.send(to, 'data', payload);
    });
  for (const inFlight of inFlights) {
    const rates: number[] = [];
    await measure(inFlight);
    for (let i = 0; i < runs; i++) rates.push(await measure(inFlight));
    console.log(
      `${String(inFlight).padStart(5)} in flight: ${Math.round(median(rates)).toLocaleString('en')} echoes/s`,
    );
  }
  stop();
  await bench.close();
}

if (argv[0] === '--echo') {
  const echo = await startEcho(argv[1]!);
  process.send!(echo.address);
  process.on('disconnect', () => void echo.close());
} else {
  await main();
}
