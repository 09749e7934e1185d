/** Stores for the tests of damage: how they are made, and the truth that must be read back from them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ActorId, ActorTypeName, ShardId } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { IndexPhase } from '../../src/persistence/index-flush.ts';
import type {
  ActorIndexEntry,
  HardState,
  Journal,
  LogTail,
  ReadResult,
  StoreIdentity,
} from '../../src/persistence/journal.ts';
import { LevelJournal, type LevelJournalOptions } from '../../src/persistence/level-journal.ts';
import { idIn, suiteShardCount, Writer } from '../../src/testing/journal-suite.ts';

export const identity: StoreIdentity = {
  clusterId: 'cluster',
  node: 'a',
  storeId: 'store-1',
  shardCount: suiteShardCount,
  replicas: 1,
};

export const tinyLimits = {
  indexRecordsMax: 50,
  indexBytesMax: 100_000,
  indexRowsPerBatch: 8,
  ledgerDeletesPerBatch: 20,
};

/** Everything a journal answers. */
export interface Truth {
  readonly tails: readonly LogTail[];
  readonly rows: readonly (readonly ReadResult[])[];
  readonly hardStates: readonly (HardState | undefined)[];
  readonly controls: Readonly<Record<string, string | undefined>>;
  readonly actors: Readonly<Record<string, ActorIndexEntry | undefined>>;
  readonly listed: readonly string[];
}

export const counter = 'Counter' as ActorTypeName;
export const controlNames = ['term', 'vote', 'log/1'];
const actorNames = Array.from({ length: 12 }, (_, i) => `actor-${i}`);

export async function openAt(directory: string, options: Partial<LevelJournalOptions> = {}): Promise<LevelJournal> {
  const journal = new LevelJournal({
    directory,
    format: identity,
    writeBufferSize: 65_536,
    limits: tinyLimits,
    ...options,
  });
  await journal.open();
  return journal;
}

export function actorsOfTruth(): [ShardId, ActorId][] {
  return shards().flatMap((shard) => actorNames.map((name): [ShardId, ActorId] => [shard, idIn(shard, name)]));
}

export function shards(): ShardId[] {
  return Array.from({ length: suiteShardCount }, (_, shard) => shard);
}

/** Reads everything synchronously; rows that are damaged come out as such. */
export async function truthOf(journal: Journal): Promise<Truth> {
  const actors: Record<string, ActorIndexEntry | undefined> = {};
  for (const [shard, id] of actorsOfTruth()) actors[`${shard}/${id}`] = journal.actor(shard, counter, id);
  return {
    tails: shards().map((shard) => journal.tail(shard)),
    rows: shards().map((shard) =>
      Array.from({ length: journal.tail(shard).position + 2 }, (_, position) => journal.read(shard, position)),
    ),
    hardStates: shards().map((shard) => journal.hardState(shard)),
    controls: Object.fromEntries(controlNames.map((name) => [name, journal.control(name)?.toString('hex')])),
    actors,
    listed: (await journal.listActors(counter, undefined, 1000)).map(({ id }) => id),
  };
}

/** Fails unless what is read equals the truth or is said to be damaged. @returns how many rows are damaged */
export function assertNothingWrong(found: Truth, truth: Truth): number {
  let damaged = 0;
  assert.deepEqual(found.tails, truth.tails);
  assert.deepEqual(found.hardStates, truth.hardStates);
  assert.deepEqual(found.controls, truth.controls);
  assert.deepEqual(found.actors, truth.actors);
  assert.deepEqual(found.listed, truth.listed);
  for (const [shard, rows] of found.rows.entries()) {
    for (const [position, row] of rows.entries()) {
      const expected = truth.rows[shard]![position]!;
      if (row.type === 'damaged') {
        damaged += 1;
        if (row.head) assert.deepEqual(row.head, expected.type === 'record' ? expected.head : undefined);
      } else {
        assert.deepEqual(row, expected);
      }
    }
  }
  return damaged;
}

/** Appends random records, with all that can happen to them; commits most. */
export async function write(journal: LevelJournal, seed: number, count: number, bodyBytes: number): Promise<void> {
  const random = seededRandom(seed);
  const writer = new Writer(journal);
  const below = (max: number): number => Math.floor(random.next() * max);
  for (let i = 0; i < count; i++) {
    const shard = below(suiteShardCount);
    const dice = random.next();
    const body = Buffer.from(Array.from({ length: below(bodyBytes) }, () => below(256)));
    if (dice < 0.1) writer.append(shard, actorNames[below(actorNames.length)]!, { kind: 'snapshot', events: 0, body });
    else if (dice < 0.13)
      writer.append(shard, actorNames[below(actorNames.length)]!, { kind: 'deleted', events: 0, body });
    else if (dice < 0.15) writer.appendEpochStart(shard, journal.tail(shard).epoch + 1);
    else writer.append(shard, actorNames[below(actorNames.length)]!, { body, wakeAt: (i % 3) * i });
    if (dice > 0.99) journal.setHardState(shard, { promisedEpoch: i + 1, promisedTo: `store-${i}` }, ignore);
    if (dice > 0.985) journal.setControl(controlNames[below(3)]!, Buffer.from(`value ${i}`), ignore);
    if (i % 37 === 0) await journal.flush();
    if (i % 100 === 99) {
      for (const at of shards()) journal.commit(at, Math.max(journal.committed(at), journal.tail(at).position - 3));
      journal.truncate(shard, Math.max(journal.committed(shard), journal.tail(shard).position - 2), ignore);
      writer.forget(shard);
      hollowSome(journal, shard, below(journal.committed(shard) + 1));
    }
  }
  for (const at of shards()) journal.commit(at, journal.tail(at).position);
  await journal.flush();
  await untilIndexLeaves(journal, 'flushing');
}

/** Bringing the index to disk goes on beside everything else, a batch at a time: a copy must not be made meanwhile. */
export async function untilIndexLeaves(journal: LevelJournal, phase: IndexPhase): Promise<void> {
  while (journal.indexPhase === phase) await new Promise((resolve) => setImmediate(resolve));
}

const ignore = { durable() {}, failed() {} };

function hollowSome(journal: LevelJournal, shard: ShardId, from: number): void {
  const positions: number[] = [];
  for (let position = from; position < from + 25 && position <= journal.committed(shard); position++) {
    const row = journal.read(shard, position);
    if (row.type !== 'record' || row.head.kind !== 'command' || row.head.type === '') continue;
    const entry = journal.actor(shard, row.head.type, row.head.id as ActorId)!;
    if (entry.snapshotPosition > position && entry.snapshotPosition <= journal.committed(shard))
      positions.push(position);
  }
  journal.hollow(shard, positions, ignore);
}

/** A store and the truth about it. */
export interface StoredTruth {
  readonly directory: string;
  readonly truth: Truth;
}

/** Kinds of stores: where their data lies. */
export const storeKinds = {
  'in the write-ahead log only': async (directory: string): Promise<StoredTruth> => {
    const source = `${directory}-source`;
    const journal = await openAt(source, { writeBufferSize: 1 << 26, limits: {} });
    await write(journal, 1, 400, 200);
    const truth = await truthOf(journal);
    await copySettled(source, directory);
    await journal.close();
    return { directory, truth };
  },
  'in tables, after many starts': async (directory: string): Promise<StoredTruth> => {
    for (let start = 0; start < 6; start++) {
      const journal = await openAt(directory, { limits: {} });
      await write(journal, 10 + start, 150, 600);
      await journal.close();
    }
    const last = await openAt(directory);
    const truth = await truthOf(last);
    await last.close();
    return { directory, truth };
  },
  'in tables and the write-ahead log, after a kill': async (directory: string): Promise<StoredTruth> => {
    const source = `${directory}-source`;
    const journal = await openAt(source);
    await write(journal, 20, 1500, 800);
    const truth = await truthOf(journal);
    await copySettled(source, directory);
    await journal.close();
    return { directory, truth };
  },
};

/** Copies the directory of an open store as it is in one moment: nothing is being written, neither here nor by LevelDB's thread. */
export async function copySettled(source: string, copy: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    await settled(source);
    const before = await sizesIn(source);
    try {
      await cp(source, copy, { recursive: true });
      if ((await sizesIn(source)) === before) return;
    } catch (error) {
      // LevelDB's thread had only been waiting for the processor, and removed a file meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await rm(copy, { recursive: true, force: true });
    assert.ok(tries < 100, `${source} is never at rest`);
  }
}

/** The store's files have not changed for some turns. */
export async function settled(directory: string): Promise<void> {
  let before = '';
  for (let same = 0; same < 100; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const sizes = await sizesIn(directory);
    same = sizes === before ? same + 1 : 0;
    before = sizes;
  }
}

async function sizesIn(directory: string): Promise<string> {
  const database = join(directory, 'db');
  const names = (await readdir(database)).sort();
  return names.map((name) => `${name} ${statSync(join(database, name), { throwIfNoEntry: false })?.size}`).join();
}

/** A directory for one test, and its removal. */
export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'greenroom-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Names and contents of all files below a directory, as one hash. */
export async function hashOf(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of (await readdir(directory, { recursive: true, withFileTypes: true })).sort((a, b) =>
    join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1,
  )) {
    const path = join(entry.parentPath, entry.name);
    hash.update(`${path.slice(directory.length)}\n`);
    if (entry.isFile()) hash.update(await readFile(path));
  }
  return hash.digest('hex');
}

/** A truth as it looks when it has been written as JSON, bytes as hexadecimal. */
export function asJson(truth: Truth): unknown {
  return JSON.parse(
    JSON.stringify(truth, (_key, value: unknown) => {
      const isBytes = typeof value === 'object' && value !== null && (value as { type?: unknown }).type === 'Buffer';
      return isBytes ? Buffer.from((value as { data: number[] }).data).toString('hex') : value;
    }),
  );
}
