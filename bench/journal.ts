/**
 * What the journal on LevelDB does by itself, without actors or a network.
 *
 *     npx jiti bench/journal.ts [append] [read] [open] [disk] [--in-flight 2048] [--records 400000] [--actors 1000000] [--data <dir>]
 *
 * Rates depend on the disk: the fsync latency is printed first, and belongs beside every durable figure.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actorHash } from '../src/core/hash.ts';
import type { ActorId, ActorTypeName } from '../src/core/ids.ts';
import { randomName, seededRandom } from '../src/core/random.ts';
import { encodeCommandBody } from '../src/persistence/codec.ts';
import type { LogTail, StoreIdentity } from '../src/persistence/journal.ts';
import { LevelJournal } from '../src/persistence/level-journal.ts';
import { type EncodedRecord, encodeRecord } from '../src/persistence/record.ts';

const identity: StoreIdentity = { clusterId: 'bench', node: 'a', storeId: 'bench', shardCount: 256, replicas: 1 };
const type = 'Counter' as ActorTypeName;
const argv = process.argv.slice(2);
const what = new Set(argv.filter((word) => /^[a-z]+$/.test(word)));
const wants = (name: string): boolean => what.size === 0 || what.has(name);
const option = (name: string, standard: number): number => Number(argv[argv.indexOf(`--${name}`) + 1] ?? standard);
const recordCount = argv.includes('--records') ? option('records', 0) : 400_000;
const actorCount = argv.includes('--actors') ? option('actors', 0) : 1_000_000;
const inFlights = argv.includes('--in-flight') ? [option('in-flight', 0)] : [1, 16, 256, 2048];
const parent = mkdtempSync(
  join(argv.includes('--data') ? argv[argv.indexOf('--data') + 1]! : tmpdir(), 'greenroom-bench-'),
);

interface Actor {
  readonly id: ActorId;
  readonly hash: number;
  readonly shard: number;
  sequence: number;
  newest: number;
}

const random = seededRandom(1);
/** Text that compresses about as ids and words do. */
const notes = Array.from({ length: 256 }, () => randomName(random, 70));

function makeActors(count: number): Actor[] {
  return Array.from({ length: count }, (_, i) => {
    const id = `actor-${i}` as ActorId;
    const hash = actorHash(type, id);
    return { id, hash, shard: hash % identity.shardCount, sequence: 0, newest: 0 };
  });
}

/** A command with one event of about 100 bytes. */
function nextRecord(actor: Actor, tail: LogTail, n: number): EncodedRecord {
  const body = encodeCommandBody({
    commandId: `c${n.toString(36)}-${Math.floor(random.next() * 2 ** 32).toString(36)}` as never,
    fingerprint: 0,
    events: [{ type: 'Added', version: 1, data: { amount: n, note: notes[n & 255] } }],
    reply: n,
    tells: [],
    tellsAcknowledged: 0,
    delivery: undefined,
  });
  actor.sequence += 1;
  const record = encodeRecord(
    {
      kind: 'command',
      type,
      id: actor.id,
      actorHash: actor.hash,
      firstSequence: actor.sequence,
      eventCount: 1,
      ordinal: actor.sequence,
      previous: actor.newest > 0 ? [actor.newest] : [],
      body,
    },
    { position: tail.position + 1, epoch: 1, time: Math.max(tail.time, Date.now()), previousChain: tail.chain },
  );
  actor.newest = record.head.position;
  return record;
}

async function open(name: string): Promise<LevelJournal> {
  const journal = new LevelJournal({ directory: join(parent, name), format: identity });
  await journal.open();
  return journal;
}

interface Prepared {
  readonly shard: number;
  readonly record: EncodedRecord;
}

/** Encodes records before the clock runs: what is measured is the journal. */
function prepare(journal: LevelJournal, actors: readonly Actor[], count: number, isInOrder: boolean): Prepared[] {
  const tails = Array.from({ length: identity.shardCount }, (_, shard) => journal.tail(shard));
  return Array.from({ length: count }, (_, n) => {
    const actor = actors[isInOrder ? n % actors.length : Math.floor(random.next() * actors.length)]!;
    const record = nextRecord(actor, tails[actor.shard]!, n);
    tails[actor.shard] = record.head;
    return { shard: actor.shard, record };
  });
}

/** Keeps `inFlight` appends going until all are durable, committing each then. @returns milliseconds */
function run(journal: LevelJournal, records: readonly Prepared[], inFlight: number): Promise<number> {
  const startMs = performance.now();
  let begun = 0;
  let done = 0;
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const one = records[begun];
      if (!one) return;
      begun += 1;
      const { shard, record } = one;
      const durable = (): void => {
        journal.commit(shard, record.head.position);
        done += 1;
        if (done === records.length) resolve(performance.now() - startMs);
        else next();
      };
      journal.append(shard, record, { durable, failed: reject });
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}

function commitAll(journal: LevelJournal): void {
  for (let shard = 0; shard < identity.shardCount; shard++) journal.commit(shard, journal.tail(shard).position);
}

function diskBytes(directory: string): number {
  return readdirSync(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function rate(count: number, ms: number): string {
  return `${((count / ms) * 1000).toFixed(0).padStart(9)}/s`;
}

function measureFsync(): number {
  const file = openSync(join(parent, 'fsync'), 'w');
  const startMs = performance.now();
  for (let i = 0; i < 200; i++) {
    writeSync(file, Buffer.alloc(256));
    fdatasyncSync(file);
  }
  closeSync(file);
  return (performance.now() - startMs) / 200;
}

/** The longest turn of the event loop while `work` runs. */
async function watchLoop<T>(work: () => Promise<T>): Promise<[T, number]> {
  let longestMs = 0;
  let lastMs = performance.now();
  let isOver = false;
  const tick = (): void => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  const result = await work();
  isOver = true;
  return [result, longestMs];
}

async function benchAppend(): Promise<void> {
  for (const inFlight of inFlights) {
    const actors = makeActors(10_000);
    const journal = await open(`append-${inFlight}`);
    const count = Math.min(recordCount, inFlight === 1 ? 10_000 : inFlight === 16 ? 80_000 : recordCount);
    await run(journal, prepare(journal, actors, Math.min(20_000, count), false), inFlight);
    const records = prepare(journal, actors, count, false);
    const before = process.cpuUsage();
    const [ms, longestMs] = await watchLoop(() => run(journal, records, inFlight));
    const usage = process.cpuUsage(before);
    const microseconds = ((usage.user + usage.system) / count).toFixed(1);
    console.log(
      `append, ${String(inFlight).padStart(4)} in flight ${rate(count, ms)}   ${microseconds} µs of processor each, longest turn ${longestMs.toFixed(1)} ms`,
    );
    await journal.close();
    rmSync(join(parent, `append-${inFlight}`), { recursive: true });
  }
}

async function benchRead(): Promise<void> {
  const actors = makeActors(100_000);
  const journal = await open('read');
  await run(journal, prepare(journal, actors, 200_000, false), 2048);
  commitAll(journal);
  await journal.close();
  const again = await open('read');
  let found = 0;
  let startMs = performance.now();
  for (let i = 0; i < 100_000; i++) {
    const shard = Math.floor(random.next() * identity.shardCount);
    if (again.read(shard, 1 + Math.floor(random.next() * again.tail(shard).position)).type === 'record') found += 1;
  }
  console.log(`read                   ${rate(found, performance.now() - startMs)}`);
  found = 0;
  startMs = performance.now();
  for (let i = 0; i < 100_000; i++) {
    const actor = actors[Math.floor(random.next() * actors.length)]!;
    if (again.actor(actor.shard, type, actor.id)) found += 1;
  }
  console.log(`actor                  ${rate(100_000, performance.now() - startMs)}   (${found} found)`);
  startMs = performance.now();
  let rows = 0;
  for (let shard = 0; shard < 64; shard++) {
    for (let from = 1; from <= again.tail(shard).position; ) {
      const results = await again.readRange(shard, from, 1 << 20);
      rows += results.length;
      from += results.length;
    }
  }
  console.log(`readRange              ${rate(rows, performance.now() - startMs)}`);
  startMs = performance.now();
  let after: string | undefined;
  for (let page = 0; page < 20; page++) {
    const list = await again.listActors(type, after, 100);
    after = list.at(-1)?.id;
  }
  console.log(`listActors, pages of 100 ${((performance.now() - startMs) / 20).toFixed(1)} ms a page`);
  await again.close();
  rmSync(join(parent, 'read'), { recursive: true });
}

async function benchOpen(): Promise<void> {
  const actors = makeActors(actorCount);
  const journal = await open('open');
  const records = prepare(journal, actors, actorCount, true);
  const [fillMs, longestMs] = await watchLoop(() => run(journal, records, 2048));
  console.log(`fill, an actor each    ${rate(actorCount, fillMs)}   longest turn ${longestMs.toFixed(1)} ms`);
  commitAll(journal);
  await run(journal, prepare(journal, actors, 50_000, false), 2048);
  const database = join(parent, 'open', 'db');
  // What a killed process leaves: the log after the checkpoint is still to be read.
  const killed = join(parent, 'killed');
  await copyStore(join(parent, 'open'), killed);
  commitAll(journal);
  await journal.close();
  console.log(`disk                   ${(diskBytes(database) / (actorCount + 50_000)).toFixed(0)} bytes a record`);
  for (const [name, title] of [
    ['killed', 'open after a kill'],
    ['open', 'open after a close'],
    ['open', 'open once more'],
  ] as const) {
    const again = new LevelJournal({ directory: join(parent, name), format: identity });
    const [report, blockedMs] = await watchLoop(() => again.open());
    console.log(
      `${title.padEnd(22)} ${report.tookMs.toFixed(0).padStart(6)} ms   ${report.recordsReplayed} records read, longest turn ${blockedMs.toFixed(1)} ms`,
    );
    await again.close();
  }
}

async function copyStore(from: string, to: string): Promise<void> {
  const { cp } = await import('node:fs/promises');
  await cp(from, to, { recursive: true });
}

async function benchDisk(): Promise<void> {
  const actors = makeActors(100_000);
  const journal = await open('disk');
  const records = prepare(journal, actors, recordCount, false);
  const encodedBytes = records.reduce((sum, { record }) => sum + record.bytes.length, 0) / recordCount;
  await run(journal, records, 2048);
  await journal.close();
  // Opening moves what is in LevelDB's log into tables.
  const again = await open('disk');
  await again.close();
  console.log(
    `disk, one event each   ${(diskBytes(join(parent, 'disk', 'db')) / recordCount).toFixed(0)} bytes a record, of ${encodedBytes.toFixed(0)} encoded`,
  );
}

console.log(`fsync                  ${measureFsync().toFixed(3)} ms`);
try {
  if (wants('append')) await benchAppend();
  if (wants('read')) await benchRead();
  if (wants('open')) await benchOpen();
  if (wants('disk')) await benchDisk();
} finally {
  rmSync(parent, { recursive: true, force: true });
}
