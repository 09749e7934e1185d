/**
 * Making a store of what verifies of a damaged one, because somebody accepts the loss of the rest.
 *
 * Of each shard's log it keeps the part from the first record on that verifies, each record chained to the one before, and
 * nothing after that: a record without what came before it would be an invention. A record whose body alone is damaged
 * stays, and costs its actor. Where a later change of a row is lost the row is what it was before, as in an old copy of the
 * store: a body that was deleted, or a record that nobody had acknowledged and another owner cut off, may be back.
 *
 * The store is a new one: who it was promised things that may be among what is lost. The damaged one is not changed: it is
 * moved aside, as a whole, once the new one is complete. A crash at any point leaves one of the two in its place, or both
 * beside it, which {@link finishSalvage} ends.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Level } from 'level';
import type { Position, ShardId } from '../core/ids.ts';
import { decodeCheckpoint } from './checkpoint.ts';
import { decodeEpochStartBody } from './codec.ts';
import { decodeHollowBlock } from './hollow.ts';
import { emptyTail, type Journal, type ReadResult, type StoreIdentity, unheard } from './journal.ts';
import { checkpointKey, keyLetters, letterRange, parseLogKey } from './keys.ts';
import { LevelJournal } from './level-journal.ts';
import { readRow } from './log-row.ts';
import { type Database, type ScannedRow, scanLog } from './log-scan.ts';
import { tailAfter } from './log-walk.ts';
import { gatherRows } from './salvage-rows.ts';
import { decodeControl } from './state-rows.ts';
import { StoreDirectory, syncDirectory, unreachable } from './store-directory.ts';
import { claimInProcess, lockWithoutOpening } from './store-lock.ts';

/** One shard's log, as far as it goes on. */
export interface SalvagedShard {
  readonly shard: ShardId;
  /** Everything up to here verifies and is kept. */
  readonly kept: Position;
  /** The newest position of which anything is known. What lies above `kept` is given up; more may have been. */
  readonly known: Position;
  /** Of those kept: records whose actors are quarantined. */
  readonly damagedBodies: number;
  /** Copies of the log when its last epoch that is kept began; 0 if that cannot be read. */
  readonly copies: number;
}

/** What was found in a damaged store, before anything is made of it. */
export interface Remains {
  readonly identity: StoreIdentity;
  /** The cluster's rows that verify, in their newest sound state. */
  readonly controls: ReadonlyMap<string, Buffer>;
  /** Those that hold anything, or should. */
  readonly shards: readonly SalvagedShard[];
}

export interface Salvaged extends Remains {
  /** Where the damaged store lies now. */
  readonly keptAt: string;
}

/** Who the new store is, and what is set in it before anyone sees it. @throws to leave everything as it is */
export type SalvagePlan = (remains: Remains) => {
  readonly clusterId: string;
  readonly storeId: string;
  readonly controls: ReadonlyMap<string, Buffer>;
};

const rowsPerChunk = 1000;
const pendingBytesMax = 16 * 1024 * 1024;

/**
 * @param path of the damaged store; no node may run on it
 * @throws JournalError if there is none, it is in use, or it is not known whose it is; whatever `plan` throws
 */
export async function salvageStore(path: string, plan: SalvagePlan): Promise<Salvaged> {
  const directory = new StoreDirectory(resolve(path));
  const place = placeOf(directory.path);
  const identity = await directory.readMarker();
  const unclaim = claimInProcess(directory.path);
  try {
    const unlock = await lockWithoutOpening(directory.path, directory.database);
    let remains: Remains;
    try {
      await directory.settle();
      await rm(place.unfinished, { recursive: true, force: true });
      await mkdir(place.unfinished);
      remains = await fill(directory, identity, place, plan);
    } finally {
      await unlock();
    }
    const keptAt = freeName(directory.path);
    await rename(join(place.unfinished, 'store'), place.whole);
    await syncDirectory(place.unfinished);
    await rename(directory.path, keptAt);
    await finishSalvage(directory.path);
    return { ...remains, keptAt };
  } catch (error) {
    if (existsSync(directory.path)) await rm(place.unfinished, { recursive: true, force: true });
    throw unreachable(directory.path, error);
  } finally {
    unclaim();
  }
}

/** Ends a salvage that was cut off after the damaged store was moved aside. Does nothing otherwise. */
export async function finishSalvage(path: string): Promise<void> {
  const target = resolve(path);
  const { unfinished, whole } = placeOf(target);
  if (existsSync(target) || !existsSync(whole)) return;
  await rename(whole, target);
  await rm(unfinished, { recursive: true, force: true });
  await syncDirectory(dirname(target));
}

interface Place {
  readonly unfinished: string;
  /** Bears this name only when it is complete. */
  readonly whole: string;
}

function placeOf(target: string): Place {
  const unfinished = join(dirname(target), `${basename(target)}.salvaging`);
  return { unfinished, whole: join(unfinished, 'whole') };
}

function freeName(target: string): string {
  for (let number = 1; ; number++) {
    const name = `${target}.damaged-${number}`;
    if (!existsSync(name)) return name;
  }
}

async function fill(
  directory: StoreDirectory,
  identity: StoreIdentity,
  { unfinished }: Place,
  plan: SalvagePlan,
): Promise<Remains> {
  const rows = new Level<Buffer, Buffer>(join(unfinished, 'rows'), { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await rows.open();
  try {
    await gatherRows(directory.database, rows);
    const logs = await logsIn(rows, identity);
    const shards: SalvagedShard[] = [];
    for (const log of logs) shards.push(await walk(rows, identity, log, async () => {}));
    const remains = { identity, controls: await controlsIn(rows), shards };
    const { clusterId, storeId, controls } = plan(remains);
    const { node, shardCount, replicas } = identity;
    const format = { clusterId, node, storeId, shardCount, replicas };
    const journal = new LevelJournal({ directory: join(unfinished, 'store'), format });
    await journal.open();
    try {
      for (const log of logs) {
        await walk(rows, identity, log, (row) => append(journal, log.shard, row));
        await journal.flush();
        journal.commit(log.shard, journal.tail(log.shard).position);
      }
      for (const [name, value] of controls) journal.setControl(name, value, unheard);
      await journal.flush();
    } finally {
      await journal.close();
    }
    return remains;
  } finally {
    await rows.close();
  }
}

interface FoundLog {
  readonly shard: ShardId;
  readonly gen: number;
  readonly known: Position;
}

/**
 * What the rows and the checkpoint say that there was. A log that was begun anew has no rows of its former generations, so
 * of several the one with most rows is the log, and the others are damaged keys.
 */
async function logsIn(rows: Database, { shardCount }: StoreIdentity): Promise<readonly FoundLog[]> {
  const found = new Map<string, FoundLog & { rows: number }>();
  const note = (shard: ShardId, gen: number, position: Position, isRow: boolean): void => {
    if (shard >= shardCount) return;
    const before = found.get(`${shard} ${gen}`) ?? { shard, gen, known: 0, rows: 0 };
    const [known, count] = [Math.max(before.known, position), before.rows + (isRow ? 1 : 0)];
    found.set(`${shard} ${gen}`, { shard, gen, known, rows: count });
  };
  const bytes = await rows.get(checkpointKey);
  for (const { shard, gen, tail } of (bytes && decodeCheckpoint(bytes))?.shards ?? [])
    note(shard, gen, tail.position, false);
  for await (const [key, value] of rows.iterator(letterRange(keyLetters.log))) {
    const place = parseLogKey(key);
    if (!place) continue;
    const { shard, gen, position, hollow } = place;
    const row = hollow ? undefined : readRow(value, shardCount, shard, position);
    const isItself = hollow ? decodeHollowBlock(value, position) !== undefined : row && 'head' in row && row.head;
    if (isItself) note(shard, gen, position, true);
  }
  const logs = new Map<ShardId, FoundLog & { rows: number }>();
  for (const log of found.values()) if (log.rows >= (logs.get(log.shard)?.rows ?? 0)) logs.set(log.shard, log);
  return [...logs.values()].sort((a, b) => a.shard - b.shard);
}

async function controlsIn(rows: Database): Promise<ReadonlyMap<string, Buffer>> {
  const controls = new Map<string, Buffer>();
  for await (const [key, value] of rows.iterator(letterRange(keyLetters.control))) {
    const content = decodeControl(value);
    if (content) controls.set(key.toString('latin1', 1), content);
  }
  return controls;
}

/** Hands on the rows of a log from its first one, as long as each continues the chain. */
async function walk(
  rows: Database,
  { shardCount }: StoreIdentity,
  { shard, gen, known }: FoundLog,
  take: (row: ScannedRow) => Promise<void>,
): Promise<SalvagedShard> {
  let tail = emptyTail;
  let [damagedBodies, copies] = [0, 0];
  const range = { shardCount, shard, gen, from: 1, to: undefined, rowsPerChunk };
  const end = () => ({ shard, kept: tail.position, known: Math.max(known, tail.position), damagedBodies, copies });
  for await (const chunk of scanLog(rows, range))
    for (const row of chunk) {
      const next = tailAfter(tail, row.result);
      if (typeof next === 'string' || next.epoch < tail.epoch) return end();
      tail = next;
      if (row.result.type === 'damaged') damagedBodies++;
      copies = copiesIn(row.result) ?? copies;
      await take(row);
    }
  return end();
}

/** How many stores held the log, if an epoch begins there. */
function copiesIn(result: ReadResult): number | undefined {
  if (result.type !== 'record' || result.head.kind !== 'epochStart') return undefined;
  try {
    return decodeEpochStartBody(result.body).replicas.length;
  } catch {
    return undefined;
  }
}

async function append(journal: Journal, shard: ShardId, { position, result, bytes }: ScannedRow): Promise<void> {
  if (result.type === 'hollow') {
    const { epoch, actorHash, bodyCrc, chain } = result;
    journal.appendHollow(shard, { position, epoch, actorHash, bodyCrc, chain }, unheard);
  } else if ('head' in result && result.head && bytes) journal.append(shard, { head: result.head, bytes }, unheard);
  if (journal.pendingBytes <= pendingBytesMax) return;
  await journal.flush();
  journal.commit(shard, position);
}
