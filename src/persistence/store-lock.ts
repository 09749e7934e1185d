/**
 * Finding out whether a store is in use, without touching it. LevelDB locks the file `LOCK`, but only while it opens
 * the database, which rewrites files. So a throwaway database is opened in the system's temporary directory whose
 * `LOCK` is a symbolic link to the store's: LevelDB follows the link and takes the very lock, and the store's files
 * stay as they are. While it is held they can be verified without anyone changing them.
 *
 * Such locks are per process: closing any handle of a locked file gives the lock up. So a process must not probe a
 * store it has open itself; a list of those, shared by all copies of this module in the process, prevents it. (For the
 * same reason, whoever copies the files of an open store within the process must leave `LOCK` out.)
 */
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { JournalError } from './journal.ts';

/** Gives a lock back. Idempotent. */
export type Release = () => Promise<void>;

const openStores = sharedSet(Symbol.for('greenroom.openStores'));

/**
 * Enters a directory in the process's list of open stores.
 *
 * @throws JournalError `STORE_LOCKED` if it is in it
 */
export function claimInProcess(directory: string): () => void {
  const path = realpathSync(directory);
  if (openStores.has(path)) throw storeLocked(directory);
  openStores.add(path);
  return () => openStores.delete(path);
}

/**
 * Takes the lock of the database in `database`, if its `LOCK` exists (else nobody can hold it).
 *
 * @param directory the store's directory, for the message
 * @throws JournalError `STORE_LOCKED`
 */
export async function lockWithoutOpening(directory: string, database: string): Promise<Release> {
  const lock = join(database, 'LOCK');
  if (!existsSync(lock)) return async () => {};
  accessSync(lock, constants.R_OK | constants.W_OK);
  const probe = await mkdtemp(join(tmpdir(), 'greenroom-lock-'));
  const remove = () => rm(probe, { recursive: true, force: true });
  try {
    await symlink(realpathSync(lock), join(probe, 'LOCK'));
  } catch {
    // No symbolic links here (some Windows set-ups): opening the database itself will tell.
    await remove();
    return async () => {};
  }
  const level = new Level(probe);
  try {
    await level.open();
  } catch (error) {
    await remove();
    if (isLocked(error)) throw storeLocked(directory, error);
    throw error;
  }
  return async () => {
    await level.close();
    await remove();
  };
}

/** Whether this is what opening a locked database throws. */
export function isLocked(error: unknown): boolean {
  return ((error as Error).cause as { code?: string } | undefined)?.code === 'LEVEL_LOCKED';
}

export function storeLocked(directory: string, cause?: unknown): JournalError {
  return new JournalError(
    'STORE_LOCKED',
    `${directory} is in use by another process. Stop the node that runs on it, or give this one its own --data directory.`,
    cause,
  );
}

function sharedSet(key: symbol): Set<string> {
  const holder = globalThis as unknown as Record<symbol, Set<string> | undefined>;
  holder[key] ??= new Set();
  return holder[key];
}
