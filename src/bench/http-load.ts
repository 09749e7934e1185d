/**
 * The HTTP load generator: a worker thread with keep-alive sockets that writes ready-made requests and counts
 * answers. Deliberately thin, so that the server and not the generator is measured.
 */
import { connect } from 'node:net';
import { parentPort, Worker, workerData } from 'node:worker_threads';

export interface HttpLoad {
  readonly port: number;
  readonly connections: number;
  readonly total: number;
  readonly actorCount: number;
  /** `Counter`, its command and body: what every request sends. */
  readonly type: string;
  readonly command: string;
  readonly body: string;
}

export interface HttpLoadResult {
  readonly perSecond: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs the load in a worker. */
export function runHttpLoad(load: HttpLoad): Promise<HttpLoadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { httpLoad: load } });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)));
  });
}

const stride = 7_919;

async function generate(load: HttpLoad): Promise<HttpLoadResult> {
  let next = 0;
  let done = 0;
  let errors = 0;
  const tookMs = new Float64Array(load.total);
  const startMs = performance.now();
  const lane = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(load.port, '127.0.0.1');
      socket.setNoDelay(true);
      let buffered = '';
      let sentMs = 0;
      const send = () => {
        if (next >= load.total) {
          socket.end();
          resolve();
          return;
        }
        const id = (next++ * stride) % load.actorCount;
        sentMs = performance.now();
        socket.write(
          `POST /v1/actors/${load.type}/c${id}/${load.command} HTTP/1.1\r\nHost: 127.0.0.1:${load.port}\r\nContent-Type: application/json\r\nContent-Length: ${load.body.length}\r\n\r\n${load.body}`,
        );
      };
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        buffered += chunk.toString('latin1');
        const headEnd = buffered.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const length = /content-length: (\d+)/i.exec(buffered);
        const end = headEnd + 4 + (length ? Number(length[1]) : 0);
        if (buffered.length < end) return;
        if (!buffered.startsWith('HTTP/1.1 20')) errors += 1;
        tookMs[done++] = performance.now() - sentMs;
        buffered = buffered.slice(end);
        send();
      });
    });
  await Promise.all(Array.from({ length: load.connections }, lane));
  const seconds = (performance.now() - startMs) / 1_000;
  const sorted = tookMs.subarray(0, done).sort();
  return {
    perSecond: done / seconds,
    errors,
    p50Ms: sorted[Math.floor(done * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(done * 0.99)] ?? 0,
  };
}

const given = (workerData as { httpLoad?: HttpLoad } | null)?.httpLoad;
if (given && parentPort) {
  const port = parentPort;
  generate(given).then((result) => port.postMessage(result));
}
