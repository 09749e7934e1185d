/**
 * Verifying a whole store, offline: every block of every file, every batch, every record's crcs and chain, and the
 * index against the records. Nothing in the store is changed: what LevelDB must open for it is a copy of the
 * database's directory whose files are links to the store's (opening adds, removes and renames files, it rewrites none).
 *
 * All damage is reported, as precisely as it can be said whose it is: by file, and where possible by shard, position
 * and actor.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { ActorTypeName, Position, ShardId } from '../core/ids.ts';
import { decodeActorRow } from './actor-index.ts';
import { checkFiles, type FoundDamage } from './check-files.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';
import { damagedBodies } from './damaged-block.ts';
import { decodeHollowBlock, findHollow } from './hollow.ts';
import { emptyTail, JournalError, type LogTail, type ReadResult, type StoreIdentity } from './journal.ts';
import {
  actorKey,
  checkpointKey,
  hollowBlockStart,
  hollowKey,
  keyLetters,
  letterRange,
  logKey,
  parseActorKey,
  parseLogKey,
  parseWakeKey,
  wakeKey,
} from './keys.ts';
import { copyDatabase } from './linked-copy.ts';
import { loadStore } from './load-store.ts';
import { readRow } from './log-row.ts';
import { type Database, scanLog } from './log-scan.ts';
import { tailAfter } from './log-walk.ts';
import { openDatabase } from './open-store.ts';
import { lastSequence, type RecordHead } from './record.ts';
import { StoreDirectory, unreachable } from './store-directory.ts';
import { claimInProcess, lockWithoutOpening } from './store-lock.ts';
import { Watermark } from './watermark.ts';

/** One thing that does not verify, and whose it is, as far as that is known. */
export interface StoreDamage {
  readonly problem: string;
  /** Relative to the store's directory. */
  readonly file?: string;
  readonly shard?: ShardId;
  readonly position?: Position;
  readonly type?: string;
  readonly id?: string;
}

export interface VerifyReport {
  /** undefined if even that cannot be read. */
  readonly identity: StoreIdentity | undefined;
  readonly records: number;
  readonly hollow: number;
  /** Index rows; actors whose newest record is not in the index yet are not counted. */
  readonly actors: number;
  readonly damages: readonly StoreDamage[];
}

export interface VerifyProgress {
  readonly step: 'files' | 'records' | 'index';
  readonly done: number;
  /** Of the same unit: bytes of files, shards. undefined if not known. */
  readonly total: number | undefined;
}

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Told of each damage when it is found. */
  readonly onDamage?: (damage: StoreDamage) => void;
}

/** Rows of a log that was begun anew since are being cleared away: nothing is said of them. */
type IsForgotten = (row: { readonly shard: ShardId; readonly gen: number }) => boolean;

const rowsPerChunk = 1000;

/**
 * @param path the store's directory; no node may run on it
 * @throws JournalError `STORE_LOCKED`, `STORE_UNREACHABLE`, `STORE_FOREIGN` or `STORE_NEWER_FORMAT`: then there is nothing to verify
 */
export async function verifyStore(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const directory = new StoreDirectory(resolve(path));
  try {
    if ((await directory.state()) !== 'store')
      throw new JournalError('STORE_UNREACHABLE', `there is no store in ${path}`);
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'STORE_DAMAGED') throw error;
    return { identity: undefined, records: 0, hollow: 0, actors: 0, damages: [{ problem: error.message }] };
  }
  const unclaim = claimInProcess(directory.path);
  try {
    const unlock = await lockWithoutOpening(directory.path, directory.database);
    try {
      return await new Verification(directory, options).run();
    } finally {
      await unlock();
    }
  } catch (error) {
    throw unreachable(path, error);
  } finally {
    unclaim();
  }
}

class Verification {
  readonly #directory: StoreDirectory;
  readonly #options: VerifyOptions;
  readonly #damages: StoreDamage[] = [];
  #records = 0;
  #hollow = 0;
  #actors = 0;

  constructor(directory: StoreDirectory, options: VerifyOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  async run(): Promise<VerifyReport> {
    const identity = await this.#identity();
    let lowest = 0;
    if (identity) {
      try {
        lowest = Watermark.read(this.#directory.watermark, identity.storeId);
      } catch (error) {
        this.#found({ file: 'watermark', problem: messageOf(error) });
      }
    }
    const canBeOpened = await this.#files(identity);
    if (identity && canBeOpened) await this.#throughCopy(identity, lowest);
    else if (identity)
      this.#found({ problem: 'records and index were not read one by one: LevelDB may abort on a damaged table' });
    return { identity, records: this.#records, hollow: this.#hollow, actors: this.#actors, damages: this.#damages };
  }

  async #identity(): Promise<StoreIdentity | undefined> {
    try {
      return await this.#directory.readMarker();
    } catch (error) {
      if (error instanceof JournalError && error.code !== 'STORE_DAMAGED') throw error;
      this.#found({ file: 'store.json', problem: messageOf(error) });
      return undefined;
    }
  }

  /** @returns whether LevelDB can open what is there: it aborts the process where it meets a damaged key */
  async #files(identity: StoreIdentity | undefined): Promise<boolean> {
    let canBeOpened = true;
    const onProgress = (done: number, total: number): void =>
      this.#options.onProgress?.({ step: 'files', done, total });
    for (const damage of await checkFiles(this.#directory.database, { everything: true, onProgress })) {
      this.#found(describeFile(damage));
      if (damage.rows && !damagedBodies(damage.rows, identity?.shardCount ?? 0)) canBeOpened = false;
    }
    return canBeOpened;
  }

  async #throughCopy(identity: StoreIdentity, lowest: number): Promise<void> {
    const copy = await linkedCopy(this.#directory);
    let database: Database | undefined;
    try {
      database = await openDatabase(this.#directory.path, copy, false);
      try {
        await loadStore(database, this.#directory.path, lowest);
      } catch (error) {
        this.#found({ problem: messageOf(error) });
      }
      const bytes = await database.get(checkpointKey);
      await this.#rows(database, identity, bytes && decodeCheckpoint(bytes));
    } catch (error) {
      this.#found({ problem: messageOf(error) });
    } finally {
      await database?.close();
      await rm(copy, { recursive: true, force: true });
    }
  }

  async #rows(database: Database, identity: StoreIdentity, checkpoint: Checkpoint | undefined): Promise<void> {
    const { shardCount } = identity;
    const covered = new Map(checkpoint?.shards.map((entry) => [entry.shard, entry]));
    for (let shard = 0; shard < shardCount; shard++) {
      const { gen, tail } = covered.get(shard) ?? { gen: 0, tail: emptyTail };
      await this.#log(database, shardCount, shard, gen, tail);
      this.#options.onProgress?.({ step: 'records', done: shard + 1, total: shardCount });
    }
    const isForgotten = ({ shard, gen }: { readonly shard: ShardId; readonly gen: number }): boolean =>
      gen < (covered.get(shard)?.gen ?? 0);
    await this.#index(database, shardCount, isForgotten);
    await this.#wakes(database, isForgotten);
  }

  async #log(database: Database, shardCount: number, shard: ShardId, gen: number, covered: LogTail): Promise<void> {
    let before: LogTail | undefined = emptyTail;
    for await (const rows of scanLog(database, { shardCount, shard, gen, from: 1, to: undefined, rowsPerChunk })) {
      for (const { position, result } of rows) {
        const head = 'head' in result ? result.head : undefined;
        if (result.type === 'hollow') this.#hollow += 1;
        else this.#records += 1;
        const after: LogTail | string = before ? tailAfter(before, result) : believed(result);
        if (typeof after === 'string') this.#found({ shard, position, problem: after, ...whose(head) });
        else if (result.type === 'damaged') this.#found({ shard, position, problem: result.problem, ...whose(head) });
        before = typeof after === 'string' ? undefined : after;
        if (head && head.type !== '' && position <= covered.position) this.#isIndexed(database, shard, gen, head);
      }
    }
  }

  /** A record that the checkpoint covers has an index row that knows it or a newer one. */
  #isIndexed(database: Database, shard: ShardId, gen: number, head: RecordHead): void {
    const { type, id, position } = head;
    const bytes = database.getSync(actorKey(shard, gen, type, id));
    const entry = bytes && decodeActorRow(type, id, bytes);
    if (!entry) this.#found({ shard, position, type, id, problem: 'its actor has no sound index row' });
    else if (entry.newestPosition < position)
      this.#found({
        shard,
        position,
        type,
        id,
        problem: `the index knows its actor only up to ${entry.newestPosition}`,
      });
  }

  async #index(database: Database, shardCount: number, isForgotten: IsForgotten): Promise<void> {
    const iterator = database.iterator(letterRange(keyLetters.actor));
    try {
      for (;;) {
        const entries = await iterator.nextv(rowsPerChunk);
        if (entries.length === 0) break;
        for (const [key, value] of entries) this.#indexRow(database, shardCount, isForgotten, key, value);
        this.#options.onProgress?.({ step: 'index', done: this.#actors, total: undefined });
      }
    } finally {
      await iterator.close();
    }
  }

  #indexRow(database: Database, shardCount: number, isForgotten: IsForgotten, key: Buffer, value: Buffer): void {
    const place = parseActorKey(key);
    if (place && isForgotten(place)) return;
    this.#actors += 1;
    if (!place) {
      this.#found({ problem: `an index row has the unknown key ${key.toString('hex')}` });
      return;
    }
    const { shard, gen, type, id } = place;
    const entry = decodeActorRow(type, id, value);
    if (!entry) {
      this.#found({ shard, type, id, problem: 'its index row is damaged' });
      return;
    }
    const { wakeAt } = entry;
    if (wakeAt > 0 && database.getSync(wakeKey(shard, gen, { wakeAt, type: type as ActorTypeName, id })) === undefined)
      this.#found({ shard, type, id, problem: 'its index row says when to wake it, but no wake row does' });
    const position = entry.newestPosition;
    const bytes = database.getSync(logKey(shard, gen, position));
    // The row may lag behind the log: what it names may have become hollow since.
    if (!bytes && isHollow(database, shard, gen, position)) return;
    const newest = bytes && readRow(bytes, shardCount, shard, position);
    const head = newest && 'head' in newest ? newest.head : undefined;
    if (!head)
      this.#found({ shard, position, type, id, problem: 'the newest record its index row names is not there' });
    else if (head.type !== type || head.id !== id || lastSequence(head) !== entry.sequenceNumber)
      this.#found({ shard, position, type, id, problem: 'its index row names a record that is not its newest' });
  }

  /** Each wake row says what its actor's index row says. */
  async #wakes(database: Database, isForgotten: IsForgotten): Promise<void> {
    const iterator = database.keys(letterRange(keyLetters.wake));
    try {
      for (;;) {
        const keys = await iterator.nextv(rowsPerChunk);
        if (keys.length === 0) break;
        for (const key of keys) this.#wakeRow(database, isForgotten, key);
      }
    } finally {
      await iterator.close();
    }
  }

  #wakeRow(database: Database, isForgotten: IsForgotten, key: Buffer): void {
    const place = parseWakeKey(key);
    if (place && isForgotten(place)) return;
    if (!place) {
      this.#found({ problem: `a wake row has the unknown key ${key.toString('hex')}` });
      return;
    }
    const { shard, gen, type, id, wakeAt } = place;
    const bytes = database.getSync(actorKey(shard, gen, type, id));
    if ((bytes && decodeActorRow(type, id, bytes))?.wakeAt !== wakeAt)
      this.#found({ shard, type, id, problem: 'a wake row speaks of it, but its index row does not' });
  }

  #found(damage: StoreDamage): void {
    this.#damages.push(damage);
    this.#options.onDamage?.(damage);
  }
}

/** A directory beside the store, or else in the temporary one, with the database's files in it. */
async function linkedCopy(directory: StoreDirectory): Promise<string> {
  let copy: string;
  try {
    copy = await mkdtemp(join(dirname(directory.path), `${basename(directory.path)}.verify-`));
  } catch {
    copy = await mkdtemp(join(tmpdir(), 'greenroom-verify-'));
  }
  await copyDatabase(directory.database, copy);
  return copy;
}

function isHollow(database: Database, shard: ShardId, gen: number, position: Position): boolean {
  const start = hollowBlockStart(position);
  const bytes = database.getSync(hollowKey(shard, gen, start));
  return findHollow(bytes && decodeHollowBlock(bytes, start), position) !== undefined;
}

/** After a place that does not verify, the chain goes on from what the next row says. */
function believed(result: ReadResult): LogTail | string {
  if (result.type === 'hollow') return { ...result, time: 0 };
  if ('head' in result && result.head) return result.head;
  return result.type === 'damaged' ? result.problem : 'it is not there';
}

function whose(head: RecordHead | undefined): { type?: string; id?: string } {
  return head && head.type !== '' ? { type: head.type, id: head.id } : {};
}

function describeFile({ file, problem, rows }: FoundDamage): StoreDamage {
  const path = join('db', file);
  if (!rows?.upTo) return { file: path, problem };
  const from = rows.after && parseLogKey(rows.after);
  const to = parseLogKey(rows.upTo);
  if (from && to && from.shard === to.shard)
    return { file: path, shard: to.shard, problem: `${problem} (records ${from.position} to ${to.position})` };
  return { file: path, problem: `${problem} (rows ${nameOf(rows.after)} to ${nameOf(rows.upTo)})` };
}

/** A key for people: its letter and shard, where it has one. */
function nameOf(key: Buffer | undefined): string {
  if (!key || key.length === 0) return 'from the first';
  const letter = String.fromCharCode(key[0]!);
  return 'EHLh'.includes(letter) && key.length >= 3 ? `${letter} of shard ${key.readUInt16BE(1)}` : letter;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
