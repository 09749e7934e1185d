/** Flips bits in the files of a store that is closed. */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../src/core/random.ts';

/** What LevelDB writes for people, and a lock: nothing is read from them. */
export const irrelevant = /^(LOG|LOG\.old|LOCK)$/;

/** Somewhere. @returns where */
export async function flipOneBit(directory: string, random: Random): Promise<string> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !irrelevant.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (;;) {
    const path = files[Math.floor(random.next() * files.length)]!;
    const { size } = await stat(path);
    if (size === 0) continue;
    const at = Math.floor(random.next() * size);
    const bit = Math.floor(random.next() * 8);
    await flip(path, at, bit);
    return `${path} byte ${at} of ${size} bit ${bit}`;
  }
}

export async function flip(path: string, at: number, bit = 0): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1 << bit;
  await file.write(byte, 0, 1, at);
  await file.close();
}
