/** A folder in which a write returns once it is on disk: for programs that do not wait for that themselves. */
import { execFile } from 'node:child_process';
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Skipped } from './peer.ts';

const run = promisify(execFile);
const imageBytes = 4 * 1024 ** 3;
const busyTries = 20;

/**
 * An ext4 of its own in a file, mounted with `sync`: every write is flushed, to the disk that the file is on, before it returns.
 *
 * @param below a folder for both
 * @throws Skipped where only root could
 */
export async function inSyncedFolder<Result>(
  below: string,
  task: (folder: string) => Promise<Result>,
): Promise<Result> {
  if (process.getuid?.() !== 0) throw new Skipped('only root can mount a file system that syncs every write');
  const [image, folder] = [join(below, 'image.ext4'), join(below, 'synced')];
  await mkdir(folder, { recursive: true });
  await writeFile(image, '');
  await truncate(image, imageBytes);
  try {
    await run('mkfs.ext4', ['-q', '-F', image]);
    await run('mount', ['-o', 'loop,sync', image, folder]);
  } catch (error) {
    throw new Skipped(`a file system that syncs every write could not be made: ${error}`);
  }
  try {
    return await task(folder);
  } finally {
    await unmount(folder);
  }
}

/** A program that has just ended may hold its files for a moment. */
async function unmount(folder: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run('umount', [folder]);
      return;
    } catch (error) {
      if (tries === busyTries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}
