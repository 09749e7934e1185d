/**
 * Opening a stopped node's store for looking into it, and leaving it as it is: opening counts the start, moves what was
 * in the write-ahead log into tables and writes a checkpoint, so a copy is opened instead. It costs next to nothing, as
 * its tables are links (linked-copy.ts), and what is changed in it is gone with it.
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { JournalError } from './journal.ts';
import { LevelJournal } from './level-journal.ts';
import { copyDatabase } from './linked-copy.ts';
import { StoreDirectory, unreachable } from './store-directory.ts';
import { claimInProcess, lockWithoutOpening } from './store-lock.ts';

export interface OpenedCopy {
  readonly journal: LevelJournal;
  /** Closes the journal and removes the copy. */
  close(): Promise<void>;
}

/**
 * @param path the store's directory; no node may run on it while it is copied
 * @throws JournalError as opening the store itself
 */
export async function openCopy(path: string): Promise<OpenedCopy> {
  const directory = new StoreDirectory(resolve(path));
  if ((await directory.state()) !== 'store')
    throw new JournalError('STORE_UNREACHABLE', `there is no store in ${path}. Check the path that --data gives.`);
  await directory.readMarker();
  const copy = await copyStore(directory);
  const remove = () => rm(copy, { recursive: true, force: true });
  const journal = new LevelJournal({ directory: copy, keepForgotten: true });
  try {
    await journal.open();
  } catch (error) {
    await remove();
    throw error instanceof JournalError
      ? new JournalError(error.code, error.message.replaceAll(copy, directory.path), error)
      : error;
  }
  return {
    journal,
    close: async () => {
      await journal.close();
      await remove();
    },
  };
}

async function copyStore(directory: StoreDirectory): Promise<string> {
  const unclaim = claimInProcess(directory.path);
  let copy: string | undefined;
  try {
    const unlock = await lockWithoutOpening(directory.path, directory.database);
    try {
      copy = await makeBeside(directory.path);
      await mkdir(join(copy, 'db'));
      await copyDatabase(directory.database, join(copy, 'db'));
      for (const name of ['store.json', 'watermark']) await copyFile(join(directory.path, name), join(copy, name));
      return copy;
    } finally {
      await unlock();
    }
  } catch (error) {
    if (copy !== undefined) await rm(copy, { recursive: true, force: true });
    throw unreachable(directory.path, error);
  } finally {
    unclaim();
  }
}

/** Beside the store, where links are possible, or else in the temporary directory. */
async function makeBeside(path: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(path), `${basename(path)}.copy-`));
  } catch {
    return mkdtemp(join(tmpdir(), 'greenroom-copy-'));
  }
}
