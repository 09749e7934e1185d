/**
 * Opening a store: from a path to a database of which it is known that nothing synced is missing.
 *
 * The order matters. Who the store is, whether someone else has it open, the watermark and the files are checked
 * before LevelDB may change anything; a table in which nothing but bodies of records is damaged is let through. What only LevelDB can show is checked after; if that fails, the files are put
 * back as they were found. So a refused store is always left as it was.
 */
import { mkdir } from 'node:fs/promises';
import { Level } from 'level';
import { encodeBatchRow } from './batch-ledger.ts';
import { checkFiles } from './check-files.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { damagedBodies } from './damaged-block.ts';
import { JournalError, type StoreIdentity } from './journal.ts';
import { batchKey, checkpointKey, metaKey } from './keys.ts';
import { damaged, type LoadedStore, loadStore } from './load-store.ts';
import type { Database } from './log-scan.ts';
import type { LogDamage } from './log-walk.ts';
import { encodeIdentity } from './state-rows.ts';
import { StoreDirectory, unreachable } from './store-directory.ts';
import { claimInProcess, isLocked, lockWithoutOpening, storeLocked } from './store-lock.ts';
import { Watermark } from './watermark.ts';

/** How LevelDB is set up; measured with bench/journal.ts. */
export const databaseOptions = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  /** Measured: 172 instead of 239 bytes on disk for a record of 196, for a sixth of the appends at 2,048 in flight. */
  compression: true,
  /** Fewer, larger tables at level 0. Up to two such buffers are in memory, and in the logs that opening replays. */
  writeBufferSize: 64 * 1024 * 1024,
  cacheSize: 64 * 1024 * 1024,
  maxFileSize: 8 * 1024 * 1024,
  maxOpenFiles: 1000,
} as const;

export interface StoreOptions {
  readonly directory: string;
  /** Who the store becomes if the directory is absent or empty. Without it, such a directory is `STORE_UNREACHABLE`. */
  readonly format?: StoreIdentity | undefined;
  /** Who an existing store must be. */
  readonly expected?: Partial<StoreIdentity> | undefined;
  /** Bytes LevelDB gathers in memory before it writes a table; default 64 MiB. Small ones are for tests. */
  readonly writeBufferSize?: number | undefined;
}

export interface OpenedStore {
  readonly database: Database;
  readonly loaded: LoadedStore;
  readonly watermark: Watermark;
  /** Closes the database and gives the store free. */
  close(): Promise<void>;
}

/** Who the store in a directory is; undefined if there is none yet. @throws JournalError */
export async function readStoreIdentity(path: string): Promise<StoreIdentity | undefined> {
  const directory = new StoreDirectory(path);
  return (await directory.state()) === 'store' ? directory.readMarker() : undefined;
}

/** @throws JournalError, with any of the codes that begin with `STORE_` but `STORE_FAILED` */
export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  const directory = new StoreDirectory(options.directory);
  if ((await directory.state()) !== 'store') return makeAndOpen(directory, options);
  const identity = await directory.readMarker();
  checkExpected(options, identity);
  const unclaim = claimInProcess(directory.path);
  try {
    return await openExisting(directory, identity, options, unclaim);
  } catch (error) {
    unclaim();
    throw unreachable(directory.path, error);
  }
}

async function makeAndOpen(directory: StoreDirectory, options: StoreOptions): Promise<OpenedStore> {
  const { path } = directory;
  const { format } = options;
  if (!format)
    throw new JournalError('STORE_UNREACHABLE', `there is no store in ${path}. Check the path that --data gives.`);
  checkExpected(options, format);
  await mkdir(path, { recursive: true }).catch((error) => {
    throw unreachable(path, error);
  });
  const unclaim = claimInProcess(path);
  try {
    await (await lockWithoutOpening(path, directory.database))();
    await directory.format(format, () => fill(directory, format));
    return await openExisting(directory, format, options, unclaim);
  } catch (error) {
    unclaim();
    throw unreachable(path, error);
  }
}

async function fill(directory: StoreDirectory, identity: StoreIdentity): Promise<void> {
  const database = await openDatabase(directory.path, directory.database, true);
  try {
    const empty = { count: 0, sum: 0 };
    const batch = database.batch();
    batch.put(metaKey('store'), encodeIdentity(identity));
    batch.put(checkpointKey, encodeCheckpoint({ floor: 1, shards: [] }));
    batch.put(batchKey(1), encodeBatchRow(1, { log: empty, states: empty }));
    await batch.write({ sync: true });
  } finally {
    await database.close();
  }
  Watermark.create(directory.watermark, identity.storeId);
}

async function openExisting(
  directory: StoreDirectory,
  identity: StoreIdentity,
  { writeBufferSize }: StoreOptions,
  unclaim: () => void,
): Promise<OpenedStore> {
  const { path } = directory;
  const unlock = await lockWithoutOpening(path, directory.database);
  let lowest: number;
  const inTables: LogDamage[] = [];
  try {
    await directory.settle();
    lowest = Watermark.read(directory.watermark, identity.storeId);
    for (const damage of await checkFiles(directory.database, { everything: true })) {
      const bodies = damagedBodies(damage.rows, identity.shardCount);
      if (!bodies) throw damaged(path, `${damage.file}: ${damage.problem}`);
      inTables.push(...bodies);
    }
    await directory.keepFound();
  } finally {
    await unlock();
  }
  let database: Database | undefined;
  try {
    database = await openDatabase(path, directory.database, false, writeBufferSize);
    const loaded = await loadStore(database, path, lowest);
    checkSame(path, identity, loaded.identity);
    await directory.forgetFound();
    const watermark = Watermark.open(directory.watermark, identity.storeId);
    return {
      database,
      loaded: withDamages(loaded, inTables),
      watermark,
      close: () => closeStore(database!, watermark, unclaim),
    };
  } catch (error) {
    await database?.close();
    // Whoever has it locked has accepted it: it is not ours to put back.
    if (!(error instanceof JournalError && error.code === 'STORE_LOCKED')) await directory.restoreFound();
    throw readFailed(path, error);
  }
}

/** Both may have met the same record. */
function withDamages(loaded: LoadedStore, more: readonly LogDamage[]): LoadedStore {
  const isKnown = ({ shard, position }: LogDamage) =>
    loaded.damages.some((each) => each.shard === shard && each.position === position);
  return { ...loaded, damages: [...loaded.damages, ...more.filter((each) => !isKnown(each))] };
}

async function closeStore(database: Database, watermark: Watermark, unclaim: () => void): Promise<void> {
  watermark.close();
  await database.close();
  unclaim();
}

/**
 * @param path the store's directory, for messages
 * @throws JournalError
 */
export async function openDatabase(
  path: string,
  database: string,
  create: boolean,
  writeBufferSize: number = databaseOptions.writeBufferSize,
): Promise<Database> {
  const level = new Level<Buffer, Buffer>(database, {
    ...databaseOptions,
    writeBufferSize,
    createIfMissing: create,
    errorIfExists: create,
  });
  try {
    await level.open();
    return level;
  } catch (error) {
    if (isLocked(error)) throw storeLocked(path, error);
    throw readFailed(path, (error as Error).cause ?? error);
  }
}

/** LevelDB's own findings, in our codes. */
function readFailed(path: string, error: unknown): JournalError {
  if ((error as { code?: string }).code === 'LEVEL_CORRUPTION') return damaged(path, (error as Error).message, error);
  return unreachable(path, error);
}

const identityFields = ['clusterId', 'node', 'storeId', 'shardCount', 'replicas'] as const;

function checkExpected({ directory, expected }: StoreOptions, identity: StoreIdentity): void {
  for (const field of identityFields) {
    const wanted = expected?.[field];
    if (wanted === undefined || wanted === identity[field]) continue;
    throw new JournalError(
      'STORE_MISMATCH',
      `${directory} belongs to ${field} '${identity[field]}', but this node was started with '${wanted}'. ` +
        'Give it the --data directory that is its own, or the settings the store was founded with; nothing was changed.',
    );
  }
}

function checkSame(path: string, marker: StoreIdentity, row: StoreIdentity): void {
  const field = identityFields.find((name) => marker[name] !== row[name]);
  if (field === undefined) return;
  throw new JournalError(
    'STORE_MISMATCH',
    `${path} holds the database of another store (${field} is '${row[field]}' in it, '${marker[field]}' in store.json). ` +
      'Put back the directory as a whole; nothing was changed.',
  );
}
