/** The pulse thread on real sockets, threads and processes. Time is real here, so the bounds are wide. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { FailureDetector } from '../../src/cluster/membership/failure-detector.ts';
import { type PulseThread, type PulseThreadOptions, startPulseThread } from '../../src/cluster/pulse-thread.ts';
import type { StoreId } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';

const host = '127.0.0.1';
const clusterId = 'pulse-test';
const jiti = fileURLToPath(new URL('../../node_modules/jiti/lib/jiti-cli.mjs', import.meta.url));
const program = fileURLToPath(new URL('../processes/pulsing-process.ts', import.meta.url));
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === 'IPv6'));
const store = (name: string) => name as StoreId;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Heard {
  readonly peer: StoreId;
  readonly boot: number;
  readonly lagMs: number;
}

async function started(storeId: string, options: Partial<PulseThreadOptions> = {}) {
  const heard: Heard[] = [];
  const ownLagsMs: number[] = [];
  const thread = await startPulseThread({
    ...{ host, port: 0, clusterId, storeId: store(storeId), boot: 1 },
    onPulse: (peer, boot, lagMs) => heard.push({ peer, boot, lagMs }),
    onOwnLag: (lagMs) => ownLagsMs.push(lagMs),
    ...options,
  });
  cleanUps.push(() => thread.close());
  return { thread, heard, ownLagsMs };
}

/** A process that pulses, and is told what to do. */
class PulsingProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly lines: { port?: number; ownLagMs?: number; peer?: string; lagMs?: number }[] = [];

  constructor(storeId: string, boot = 1, secret = '') {
    this.child = spawn(process.execPath, [jiti, program, storeId, String(boot), secret], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.exited = once(this.child, 'exit');
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.lines.push(JSON.parse(line)));
    cleanUps.push(async () => {
      this.child.kill('SIGKILL');
      await this.exited;
    });
  }

  tell(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** Makes the two pulse to each other. */
  async meets(thread: PulseThread, ownStoreId: string, storeId: string): Promise<number> {
    this.tell(`peer ${ownStoreId}=${host}:${thread.port}`);
    await until(() => this.lines.some(({ port }) => port !== undefined));
    const port = this.lines.find((line) => line.port !== undefined)!.port!;
    thread.setPeers([{ storeId: store(storeId), address: `${host}:${port}` }]);
    return port;
  }
}

async function until(isSo: () => boolean, withinMs = 20_000): Promise<number> {
  const startMs = performance.now();
  while (!isSo()) {
    if (performance.now() - startMs > withinMs) throw new Error(`not so within ${withinMs} ms`);
    await sleep(20);
  }
  return performance.now() - startMs;
}

/** What a detector thinks that hears pulses only where it says so: frames are said to come all the time until `quiet`. */
async function watched(storeId: string) {
  const detector = new FailureDetector();
  const { thread } = await started('a', {
    onPulse: (peer, boot, lagMs) => detector.pulse(peer, boot, lagMs, performance.now()),
    onOwnLag: (lagMs) => detector.ownLag(lagMs, performance.now()),
  });
  const frames = setInterval(() => detector.heard(store(storeId), performance.now()), 500);
  cleanUps.push(() => clearInterval(frames));
  return {
    thread,
    detector,
    quiet: () => clearInterval(frames),
    standing: () => detector.standing(store(storeId), performance.now()),
  };
}

describe('two threads', () => {
  test('hear each other’s life and lag twice a second', async () => {
    const [a, b] = [await started('a'), await started('b', { boot: 7 })];
    a.thread.setPeers([{ storeId: store('b'), address: `${host}:${b.thread.port}` }]);
    b.thread.setPeers([{ storeId: store('a'), address: `${host}:${a.thread.port}` }]);
    await until(() => a.heard.length >= 4 && b.heard.length >= 4, 5_000);
    expect(new Set(a.heard.map(({ peer, boot }) => `${peer} ${boot}`))).toEqual(new Set(['b 7']));
    expect(new Set(b.heard.map(({ peer, boot }) => `${peer} ${boot}`))).toEqual(new Set(['a 1']));
  });

  test.runIf(hasIpv6)('find each other by name, and over IPv4 from an IPv6 socket', async () => {
    const [a, b] = [await started('a', { host: '::' }), await started('b')];
    a.thread.setPeers([{ storeId: store('b'), address: `localhost:${b.thread.port}` }]);
    b.thread.setPeers([{ storeId: store('a'), address: `${host}:${a.thread.port}` }]);
    await until(() => a.heard.length >= 2 && b.heard.length >= 2, 5_000);
    a.thread.setPeers([{ storeId: store('b'), address: `${host}:${b.thread.port}` }]);
    const before = b.heard.length;
    await until(() => b.heard.length >= before + 2, 5_000);
    expect(a.heard[0]).toMatchObject({ peer: 'b' });
  });

  test('with different secrets hear nothing of each other; with the same they do', async () => {
    const [a, b, c] = [
      await started('a', { secret: 'right' }),
      await started('b', { secret: 'wrong' }),
      await started('c', { secret: 'right' }),
    ];
    const everyone = Object.entries({ a, b, c }).map(([name, { thread }]) => ({
      storeId: store(name),
      address: `${host}:${thread.port}`,
    }));
    for (const { thread } of [a, b, c]) thread.setPeers(everyone);
    await until(() => a.heard.length >= 3 && c.heard.length >= 3, 5_000);
    expect(new Set([...a.heard, ...c.heard].map(({ peer }) => peer))).toEqual(new Set(['a', 'c']));
    expect(b.heard.every(({ peer }) => peer === 'b')).toBe(true);
  });

  test('of different clusters hear nothing of each other', async () => {
    const [a, b] = [await started('a'), await started('b', { clusterId: 'another' })];
    a.thread.setPeers([{ storeId: store('b'), address: `${host}:${b.thread.port}` }]);
    b.thread.setPeers([{ storeId: store('a'), address: `${host}:${a.thread.port}` }]);
    await sleep(1_500);
    expect([...a.heard, ...b.heard]).toEqual([]);
  });

  test('a port that is taken: said once, and the node works without pulses', async () => {
    const taken = await bound();
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => warnings.push(message) };
    const { thread, ownLagsMs } = await started('a', { port: taken.address().port, log });
    expect(thread.isPulsing).toBe(false);
    thread.setPeers([{ storeId: store('b'), address: `${host}:1` }]);
    expect(warnings).toEqual(['no pulses over UDP: dead nodes are found by their silence alone']);
    standStill(600);
    await until(() => ownLagsMs.length > 0, 2_000);
    expect(ownLagsMs[0]).toBeGreaterThan(300);
  });
});

describe('foreign packets', () => {
  test('get no answer and change nothing: noise, forged, replayed, outdated, of strangers', async () => {
    const { thread, heard } = await started('a', { secret: 'right' });
    const socket = await bound();
    const answers: Buffer[] = [];
    socket.on('message', (bytes) => answers.push(bytes));
    const send = (bytes: Buffer) => socket.send(bytes, thread.port, host);
    // The peer is said to live elsewhere, so that whatever comes back to this socket is an answer.
    thread.setPeers([{ storeId: store('b'), address: `${host}:9` }]);

    for (let i = 0; i < 200; i++) send(randomBytes(i));
    for (let i = 0; i < 20; i++) send(randomBytes(112));
    const good = packet({ sequence: 5 });
    for (let at = 0; at < good.length; at++) {
      const damaged = Buffer.from(good);
      damaged[at]! ^= 1 << (at % 8);
      send(damaged);
      if (at % 20 === 0) await sleep(110);
    }
    for (const wrong of [{ secret: 'wrong' }, { clusterId: 'another' }, { storeId: 'stranger' }]) send(packet(wrong));
    send(good.subarray(0, 111));
    await sleep(300);
    expect(heard).toEqual([]);
    expect(answers).toEqual([]);

    send(good);
    await until(() => heard.length === 1, 2_000);
    await until(() => answers.length === 1, 2_000);
    expect(answers[0]).toHaveLength(good.length);
    await sleep(300);
    for (const old of [good, packet({ sequence: 4 }), packet({ sequence: 99, boot: 2 })]) send(old);
    await sleep(300);
    expect(heard).toEqual([{ peer: 'b', boot: 3, lagMs: 0 }]);
    expect(answers).toHaveLength(1);
  });

  test('an answer is not answered, and a flood of good pulses gets four answers a second', async () => {
    const { thread } = await started('a', { secret: 'right' });
    const socket = await bound();
    let answers = 0;
    socket.on('message', () => answers++);
    thread.setPeers([{ storeId: store('b'), address: `${host}:9` }]);
    socket.send(packet({ sequence: 1, kind: 1 }), thread.port, host);
    await sleep(300);
    expect(answers).toBe(0);
    for (let sequence = 2; sequence < 102; sequence++) {
      socket.send(packet({ sequence }), thread.port, host);
      await sleep(10);
    }
    await sleep(200);
    expect(answers).toBeGreaterThan(1);
    expect(answers).toBeLessThanOrEqual(10);
  });
});

describe('a process', () => {
  test('that is killed ceases to pulse: dead once its frames are missing, too', async () => {
    const watch = await watched('b');
    const process = new PulsingProcess('b', 4);
    await process.meets(watch.thread, 'a', 'b');
    await until(() => watch.detector.boot(store('b')) === 4);
    await sleep(2_000);
    process.child.kill('SIGKILL');
    watch.quiet();
    const tookMs = await until(() => watch.standing().type === 'dead', 10_000);
    expect(watch.standing()).toEqual({ type: 'dead', why: 'silent' });
    expect(tookMs).toBeLessThan(4_000);
  });

  test('that is stopped is dead, and is back as soon as it goes on; it does not call the pause its own lag', async () => {
    const watch = await watched('b');
    const process = new PulsingProcess('b');
    await process.meets(watch.thread, 'a', 'b');
    await until(() => watch.detector.boot(store('b')) === 1);
    await sleep(1_000);
    process.child.kill('SIGSTOP');
    watch.quiet();
    await until(() => watch.standing().type === 'dead', 10_000);
    await sleep(5_500);
    expect(watch.standing().type).toBe('dead');
    process.child.kill('SIGCONT');
    await until(() => watch.standing().type !== 'dead', 3_000);
    expect(watch.standing()).toEqual({ type: 'alive' });
  });

  test('whose main loop stands still for 7 s is busy, with its lag, and never suspect', async () => {
    const watch = await watched('b');
    const process = new PulsingProcess('b');
    await process.meets(watch.thread, 'a', 'b');
    await until(() => watch.detector.boot(store('b')) === 1);
    await sleep(1_000);
    process.tell('block 7000');
    watch.quiet();
    const seen = new Set<string>();
    await until(() => seen.add(watch.standing().type) && watch.standing().type === 'busy', 7_500);
    expect([...seen]).toEqual(['alive', 'busy']);
    const standing = watch.standing();
    expect(standing.type === 'busy' && standing.lagMs).toBeGreaterThan(5_000);
    await until(() => process.lines.some(({ ownLagMs = 0 }) => ownLagMs > 6_000), 5_000);
    await until(() => watch.standing().type === 'alive', 2_000);
    expect(process.lines.filter(({ peer }) => peer === 'a').length).toBeGreaterThan(0);
  });

  test('that closes its thread ends by itself, and one that does not close it as well', async () => {
    for (const last of ['close', 'peer a=127.0.0.1:9']) {
      const process = new PulsingProcess('b');
      process.tell('peer a=127.0.0.1:9');
      await until(() => process.lines.length > 0);
      process.tell(last);
      process.child.stdin!.end();
      expect(await process.exited).toEqual([0, null]);
    }
  });
});

/** As documented in `pulse-worker.ts`: written again here, so that a change of the wire is noticed. */
function packet({ storeId = 'b', boot = 3, sequence = 1, kind = 0, secret = 'right', clusterId: cluster = clusterId }) {
  const bytes = Buffer.alloc(112);
  bytes.write('GP\u0001', 'latin1');
  bytes[3] = kind;
  createHash('sha256').update(cluster).digest().copy(bytes, 4, 0, 8);
  bytes.writeUIntBE(boot, 12, 6);
  bytes.writeUIntBE(sequence, 18, 6);
  bytes[28] = bytes.write(storeId, 29);
  const key = createHmac('sha256', secret).update('greenroom pulse 1').digest();
  createHmac('sha256', key).update(bytes.subarray(0, 96)).digest().copy(bytes, 96, 0, 16);
  return bytes;
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  cleanUps.push(() => socket.close());
  socket.bind(0, host);
  await once(socket, 'listening');
  return socket;
}

/** Blocks the main loop of the test itself. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
