/**
 * Pulses: a thread of its own tells the peers twice a second, over UDP, that this process lives and how far its main loop
 * lags, and listens to theirs. So a node whose main loop stands still (a long turn, the garbage collector) is told from
 * one that is gone, and a process that was stopped or killed goes silent on both paths at once.
 *
 * It is only a hint to the failure detector. Where UDP is blocked, or the port is taken, everything works by frames alone.
 * The packets and what becomes of foreign ones: `pulse-worker.ts`.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../core/assert.ts';
import type { StoreId } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { PeerAddress } from '../transport/transport.ts';
import {
  type PulseWorkerData,
  type PulseWorkerInput,
  type PulseWorkerOutput,
  pulseWorkerSource,
} from './pulse-worker.ts';

/** How often a peer gets a pulse. */
export const pulseEveryMs = 500;
/** How often the main loop counts, and the thread looks. */
const tickMs = 100;
/** A shorter lag of the own loop is not told. */
const ownLagMinMs = 250;
const storeIdBytesMax = 64;

export interface PulseThreadOptions {
  /** What the cluster's WebSocket listens on: pulses use the same port number over UDP. 0: any free one. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  /** At most 64 bytes. */
  readonly storeId: StoreId;
  readonly boot: number;
  /** Shared by all nodes. Without one, whoever knows the clusterId can forge pulses. */
  readonly secret?: string;
  readonly log?: Log;
  /** A pulse of a peer came, up to two ticks ago. Only of those named by `setPeers`, and never an older one again. */
  onPulse(peer: StoreId, boot: number, lagMs: number): void;
  /** This main loop was late by `lagMs` until now; told by the main loop itself, so always after the fact. */
  onOwnLag(lagMs: number): void;
}

export interface PulseThread {
  /** False if the port was taken, or the thread broke: then there are no pulses, and `onOwnLag` still works. */
  readonly isPulsing: boolean;
  /** The UDP port; 0 if there is none. */
  readonly port: number;
  /** These get pulses, and only theirs are believed. An address that is not `host:port` is left out. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** Idempotent. Nothing is told any more once it was called. */
  close(): Promise<void>;
}

/** Resolves once pulses go out, or it is clear that none will. Does not keep the process alive. */
export async function startPulseThread(options: PulseThreadOptions): Promise<PulseThread> {
  const thread = new WorkerPulseThread(options);
  await thread.started;
  return thread;
}

class WorkerPulseThread implements PulseThread {
  readonly started: Promise<void>;
  readonly #options: PulseThreadOptions;
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  readonly #beat: NodeJS.Timeout;
  readonly #worker: Worker;
  #peers: ReadonlySet<string> = new Set();
  #port = 0;
  #isClosed = false;
  #hasFailed = false;
  #beatMs = performance.now();

  constructor(options: PulseThreadOptions) {
    const { host, port, clusterId, storeId, boot, secret = '' } = options;
    assert(Buffer.byteLength(storeId) <= storeIdBytesMax, `a storeId has at most ${storeIdBytesMax} bytes`);
    assert(Number.isSafeInteger(boot) && boot >= 0 && boot < 2 ** 48, `a boot is a 48-bit number, got ${boot}`);
    this.#options = options;
    const shared = this.#shared.buffer;
    const data: PulseWorkerData = {
      ...{ host, port, clusterId, storeId, boot, secret, shared, tickMs },
      ticksPerPulse: pulseEveryMs / tickMs,
    };
    this.#beat = setInterval(() => this.#countUp(), tickMs);
    this.#beat.unref();
    this.#worker = new Worker(pulseWorkerSource, {
      eval: true,
      name: 'greenroom-pulse',
      workerData: data,
      // Loaders and flags of the main thread are not for this one.
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    this.started = new Promise((resolve) => {
      this.#worker.on('message', (output: PulseWorkerOutput) => {
        this.#take(output);
        resolve();
      });
      this.#worker.on('error', (error) => {
        this.#fail(error.message);
        resolve();
      });
      this.#worker.once('exit', () => resolve());
    });
    this.started.then(() => this.#worker.unref());
  }

  get isPulsing(): boolean {
    return this.#port > 0;
  }

  get port(): number {
    return this.#port;
  }

  setPeers(peers: readonly PeerAddress[]): void {
    const input: PulseWorkerInput = { type: 'peers', peers: peers.flatMap(hostAndPort) };
    this.#peers = new Set(input.peers.map(({ storeId }) => storeId));
    if (this.isPulsing) this.#worker.postMessage(input);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#port = 0;
    clearInterval(this.#beat);
    await this.#worker.terminate();
  }

  /** Runs before the loop reads what came meanwhile: peers are not accused of a silence that was this node's own. */
  #countUp(): void {
    Atomics.add(this.#shared, 0, 1);
    const nowMs = performance.now();
    const lagMs = nowMs - this.#beatMs - tickMs;
    this.#beatMs = nowMs;
    if (lagMs >= ownLagMinMs) this.#options.onOwnLag(lagMs);
  }

  #take(output: PulseWorkerOutput): void {
    if (this.#isClosed) return;
    switch (output.type) {
      case 'listening':
        this.#port = output.port;
        return;
      case 'failed':
        this.#fail(output.why);
        return;
      case 'pulses':
        Atomics.store(this.#shared, 1, output.batch);
        for (const { storeId, boot, lagMs } of output.pulses) {
          // A batch may have been under way while its peer was left out.
          if (this.#peers.has(storeId)) this.#options.onPulse(storeId as StoreId, boot, lagMs);
        }
    }
  }

  #fail(why: string): void {
    this.#port = 0;
    if (this.#hasFailed || this.#isClosed) return;
    this.#hasFailed = true;
    const { host, port, log = silentLog } = this.#options;
    log.warn('no pulses over UDP: dead nodes are found by their silence alone', { host, port, why });
  }
}

/** Of `host:port` or `[host]:port`. */
function hostAndPort({ storeId, address }: PeerAddress): PulseWorkerInput['peers'] {
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined || Number(port) < 1 || Number(port) > 65_535) return [];
  return [{ storeId, host, port: Number(port) }];
}
