/**
 * Making a data directory out of a backup. Everything is verified before the first byte is written; the store is made
 * beside its place and gets its name last, so that a restore that was interrupted leaves no directory a node could
 * start on.
 *
 * The store is a new one, of a new cluster: members of the old one that still run would take it for a copy of theirs
 * and mix two histories.
 */
import { mkdir, readdir, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Journal, type StoreIdentity, unheard } from '../journal.ts';
import { LevelJournal } from '../level-journal.ts';
import { StoreDirectory, syncDirectory } from '../store-directory.ts';
import { readBackup, readManifest } from './backup-folder.ts';
import { BackupError, type BackupManifest, type BackupProgress } from './backup-format.ts';
import type { CheckedRow } from './shard-check.ts';

/** Appended bytes that may wait for the disk. */
const pendingBytesMax = 16 * 1024 * 1024;
/** A store of small records takes somewhat more than its backup, index and tables being made included. */
const bytesPerByte = 1.5;
const bytesAtLeast = 32 * 1024 * 1024;

export interface RestoreOptions {
  /** Names of the store and of its cluster: new ones. */
  readonly clusterId: string;
  readonly storeId: string;
  /** Whose store it becomes; default: the node that gave the backup. */
  readonly node?: string | undefined;
  readonly onProgress?: (step: 'verify' | 'write', progress: BackupProgress) => void;
}

export interface RestoreReport {
  readonly manifest: BackupManifest;
  readonly identity: StoreIdentity;
}

/**
 * @param folder of the backup
 * @param data the data directory to be: absent or empty
 * @throws BackupError if the backup does not verify or the directory cannot be made
 * @throws JournalError `STORE_FAILED` if the disk fails meanwhile
 */
export async function restoreBackup(folder: string, data: string, options: RestoreOptions): Promise<RestoreReport> {
  const manifest = await readManifest(folder);
  const target = resolve(data);
  await mustBeFree(target);
  await readBackup(folder, manifest, { onProgress: (progress) => options.onProgress?.('verify', progress) });
  const { shardCount, replicas } = manifest;
  const { clusterId, storeId, node = manifest.node } = options;
  const identity: StoreIdentity = { clusterId, node, storeId, shardCount, replicas };
  const unfinished = join(dirname(target), `${basename(target)}.restoring`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await removeLeftover(unfinished);
    await mustFit(target, manifest);
    await fill(unfinished, identity, folder, manifest, options);
    await rmdir(target).catch(() => {});
    await rename(unfinished, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (!/^E[A-Z]+$/.test(code ?? '')) throw error;
    throw new BackupError('BACKUP_UNREACHABLE', `${target} cannot be made: ${message}`, error);
  }
  return { manifest, identity };
}

async function mustBeFree(target: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new BackupError('BACKUP_UNREACHABLE', `${target} cannot be used: ${(error as Error).message}`, error);
  }
  if (names.length === 0) return;
  const what = names.includes('store.json') ? "a node's data" : `'${names[0]}'`;
  throw new BackupError('BACKUP_UNREACHABLE', `${target} is not empty (it holds ${what}); it was left as it is`);
}

/** What an interrupted restore left. @throws JournalError `STORE_FOREIGN` if it is something else */
async function removeLeftover(unfinished: string): Promise<void> {
  await new StoreDirectory(unfinished).state();
  await rm(unfinished, { recursive: true, force: true });
}

async function mustFit(target: string, manifest: BackupManifest): Promise<void> {
  const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const needed = Math.max(bytesAtLeast, bytes * bytesPerByte);
  const { bavail, bsize } = await statfs(dirname(target));
  if (bavail * bsize >= needed) return;
  const mib = (of: number): number => Math.ceil(of / 1_048_576);
  throw new BackupError(
    'BACKUP_UNREACHABLE',
    `${target} would need about ${mib(needed)} MiB, and ${mib(bavail * bsize)} MiB are free on its disk`,
  );
}

async function fill(
  directory: string,
  identity: StoreIdentity,
  folder: string,
  manifest: BackupManifest,
  options: RestoreOptions,
): Promise<void> {
  const journal = new LevelJournal({ directory, format: identity });
  await journal.open();
  try {
    await readBackup(folder, manifest, {
      onRows: (shard, rows) => append(journal, shard, rows),
      onProgress: (progress) => options.onProgress?.('write', progress),
    });
    await journal.flush();
    for (const { shard, position, chain } of manifest.shards) {
      if (journal.tail(shard).chain !== chain)
        throw new BackupError('BACKUP_DAMAGED', `${folder} changed while it was restored: shard ${shard}`);
      journal.commit(shard, position);
    }
  } finally {
    await journal.close();
  }
}

async function append(journal: Journal, shard: number, rows: readonly CheckedRow[]): Promise<void> {
  for (const row of rows) {
    if (row.type === 'record') journal.append(shard, row.record, unheard);
    else journal.appendHollow(shard, row.hollow, unheard);
  }
  if (journal.pendingBytes > pendingBytesMax) {
    await journal.flush();
    journal.commit(shard, journal.tail(shard).position);
  }
}
