/**
 * The code of the pulse thread, as text: it is started with `new Worker(pulseWorkerSource, { eval: true })`, so it runs
 * the same from `dist`, from TypeScript sources and from a bundle, and no file has to be found. It is plain CommonJS and
 * imports nothing but Node; it has no backslash and no `${`, so it reads as it runs. `pulse-thread.ts` is its only user.
 *
 * ## What it does
 *
 * Ten times a second it looks whether the main loop has counted on (one shared 32-bit counter). Every fifth time it
 * sends each peer a pulse. It answers the pulses of its peers, and tells the main thread what arrived: the newest of
 * each peer, and the next such batch only once the main thread took the one before. So a main loop that stands still
 * gathers nothing.
 *
 * ## The packet: always 112 bytes
 *
 * | bytes | |
 * |---|---|
 * | 0–1 | `GP` |
 * | 2 | version: 1 |
 * | 3 | 0: a pulse, to be answered; 1: an answer |
 * | 4–11 | the first 8 bytes of SHA-256 of the clusterId |
 * | 12–17 | boot |
 * | 18–23 | sequence: grows with each packet of this life, to all peers together |
 * | 24–27 | the lag of the main loop in milliseconds |
 * | 28 | length of the storeId, 1 to 64 |
 * | 29–92 | the storeId in UTF-8, filled up with zeros |
 * | 93–95 | zeros |
 * | 96–111 | the first 16 bytes of HMAC-SHA256 of all before, by a key derived from the shared secret |
 *
 * Numbers are big-endian. Without a secret the key is derived from nothing: the code then finds damage, not forgers.
 *
 * ## What it does not do
 *
 * - Answer strangers. A packet counts only with the right size, mark, cluster and code, from a store among the peers,
 *   with a boot and sequence above the newest of that store: a recorded packet is worth nothing. An answer is as long
 *   as what it answers, is not answered itself, and goes out at most four times a second per peer.
 * - Drown. Per tick it verifies 64 packets, and 8 more per peer; the rest is dropped unread.
 * - Count time in which it stood still itself (SIGSTOP) as lag of the main loop.
 * - Speak of a lag below 200 ms: the two threads count the same ticks by two timers.
 */

/** What the thread is given to start with. */
export interface PulseWorkerData {
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly storeId: string;
  readonly boot: number;
  readonly secret: string;
  /** Two 32-bit counters: [0] the main loop counts up, [1] the number of the last batch that the main thread took. */
  readonly shared: SharedArrayBuffer;
  readonly tickMs: number;
  readonly ticksPerPulse: number;
}

/** What the main thread tells it. */
export type PulseWorkerInput = {
  readonly type: 'peers';
  readonly peers: readonly { readonly storeId: string; readonly host: string; readonly port: number }[];
};

/** What it tells the main thread. */
export type PulseWorkerOutput =
  | { readonly type: 'listening'; readonly port: number }
  /** The socket could not be opened, or broke. The thread has ended. */
  | { readonly type: 'failed'; readonly why: string }
  | {
      readonly type: 'pulses';
      /** To be put into `shared[1]` once it is taken. */
      readonly batch: number;
      readonly pulses: readonly { readonly storeId: string; readonly boot: number; readonly lagMs: number }[];
    };

export const pulseWorkerSource = `'use strict';
const { createHash, createHmac, timingSafeEqual } = require('node:crypto');
const { createSocket } = require('node:dgram');
const { lookup } = require('node:dns');
const { isIPv4, isIPv6 } = require('node:net');
const { performance } = require('node:perf_hooks');
const { parentPort, workerData } = require('node:worker_threads');

const packetBytes = 112;
const storeIdBytesMax = 64;
const codeAt = 96;
const answerEveryMs = 250;
const resolveEveryMs = 10_000;
/** Below this it is only the two timers that do not agree. */
const lagMinMs = 200;

const { tickMs, ticksPerPulse } = workerData;
const shared = new Int32Array(workerData.shared);
const key = createHmac('sha256', workerData.secret).update('greenroom pulse 1').digest();
const cluster = createHash('sha256').update(workerData.clusterId).digest().subarray(0, 8);
const family = isIPv6(workerData.host) ? 'udp6' : 'udp4';
const socket = createSocket({ type: family });

/** By storeId: { host, port, ip, isResolving, resolvedMs, boot, sequence, answeredMs }. */
let peers = new Map();
/** By storeId: what the main thread is to hear next. */
let arrived = new Map();
let batch = 0;
let sequence = 0;
let verified = 0;
let ticks = 0;
let tickedMs = performance.now();
let mainCount = Atomics.load(shared, 0);
let stoodStillMs = 0;

function packet(kind) {
  const bytes = Buffer.alloc(packetBytes);
  bytes.write('GP', 0, 'latin1');
  bytes[2] = 1;
  bytes[3] = kind;
  cluster.copy(bytes, 4);
  bytes.writeUIntBE(workerData.boot, 12, 6);
  bytes.writeUIntBE(++sequence, 18, 6);
  bytes.writeUInt32BE(lagMs(), 24);
  bytes[28] = bytes.write(workerData.storeId, 29, storeIdBytesMax, 'utf8');
  codeOf(bytes).copy(bytes, codeAt);
  return bytes;
}

function codeOf(bytes) {
  return createHmac('sha256', key).update(bytes.subarray(0, codeAt)).digest().subarray(0, packetBytes - codeAt);
}

function lagMs() {
  return stoodStillMs <= lagMinMs ? 0 : Math.min(0xffffffff, Math.round(stoodStillMs - tickMs));
}

/** A failed send is a lost packet, and packets may be lost. */
function send(bytes, port, ip) {
  socket.send(bytes, port, family === 'udp6' && isIPv4(ip) ? '::ffff:' + ip : ip, () => {});
}

function receive(bytes, from) {
  if (bytes.length !== packetBytes || bytes[0] !== 0x47 || bytes[1] !== 0x50 || bytes[2] !== 1 || bytes[3] > 1) return;
  if (cluster.compare(bytes, 4, 12) !== 0 || bytes[28] < 1 || bytes[28] > storeIdBytesMax) return;
  const storeId = bytes.toString('utf8', 29, 29 + bytes[28]);
  const peer = peers.get(storeId);
  if (!peer) return;
  const boot = bytes.readUIntBE(12, 6);
  const number = bytes.readUIntBE(18, 6);
  if (boot < peer.boot || (boot === peer.boot && number <= peer.sequence)) return;
  if (++verified > 64 + 8 * peers.size) return;
  if (!timingSafeEqual(codeOf(bytes), bytes.subarray(codeAt))) return;
  peer.boot = boot;
  peer.sequence = number;
  arrived.set(storeId, { storeId, boot, lagMs: bytes.readUInt32BE(24) });
  const nowMs = performance.now();
  peer.heardMs = nowMs;
  if (bytes[3] === 0 && nowMs - peer.answeredMs >= answerEveryMs) {
    peer.answeredMs = nowMs;
    send(packet(1), from.port, from.address);
  }
}

function tick() {
  const nowMs = performance.now();
  const count = Atomics.load(shared, 0);
  if (count !== mainCount) stoodStillMs = 0;
  // Whoever stopped the process stopped both threads: that is no lag of one of them.
  else stoodStillMs += Math.min(nowMs - tickedMs, 2 * tickMs);
  mainCount = count;
  tickedMs = nowMs;
  verified = 0;
  if (ticks++ % ticksPerPulse === 0) pulse(nowMs);
  if (arrived.size > 0 && Atomics.load(shared, 1) === batch) {
    batch = (batch + 1) | 0;
    parentPort.postMessage({ type: 'pulses', batch, pulses: [...arrived.values()] });
    arrived = new Map();
  }
}

function pulse(nowMs) {
  for (const peer of peers.values()) {
    resolve(peer, nowMs);
    if (peer.ip !== undefined) send(packet(0), peer.port, peer.ip);
  }
}

/** Names are looked up again while their peer is silent: it may have moved. One at a time per peer. */
function resolve(peer, nowMs) {
  const isDue = peer.ip === undefined || nowMs - peer.heardMs >= resolveEveryMs;
  if (peer.isLiteral || peer.isResolving || !isDue || nowMs - peer.resolvedMs < resolveEveryMs) return;
  peer.isResolving = true;
  peer.resolvedMs = nowMs;
  lookup(peer.host, { family: family === 'udp4' ? 4 : 0 }, (error, ip) => {
    peer.isResolving = false;
    if (!error) peer.ip = ip;
  });
}

function setPeers(list) {
  const before = peers;
  peers = new Map();
  for (const { storeId, host, port } of list) {
    const known = before.get(storeId);
    const isLiteral = isIPv4(host) || isIPv6(host);
    const isSame = known !== undefined && known.host === host && known.port === port;
    peers.set(storeId, isSame ? known : {
      host, port, isLiteral,
      ip: isLiteral ? host : undefined,
      isResolving: false,
      resolvedMs: -Infinity,
      heardMs: performance.now(),
      answeredMs: -Infinity,
      // It is the same store at another address: what it said before is no newer for that.
      boot: known ? known.boot : 0,
      sequence: known ? known.sequence : 0,
    });
  }
  for (const storeId of arrived.keys()) if (!peers.has(storeId)) arrived.delete(storeId);
}

function fail(error) {
  parentPort.postMessage({ type: 'failed', why: error.code || error.message });
  parentPort.close();
  clearInterval(timer);
  socket.close();
}

const timer = setInterval(tick, tickMs);
socket.once('error', fail);
socket.on('message', receive);
parentPort.on('message', ({ peers: list }) => setPeers(list));
socket.bind({ port: workerData.port, address: workerData.host, exclusive: true }, () => {
  parentPort.postMessage({ type: 'listening', port: socket.address().port });
});
`;
