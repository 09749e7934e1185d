/**
 * A copy of a database's directory at almost no cost: links to its files. LevelDB, opening it, adds, removes and
 * renames files, and rewrites none (its logs are not reused): except that it may take a number for a new file that an
 * old one bears, which then is overwritten. That happens to leftovers of a crash, and to all files that a damaged
 * manifest forgot; so files with numbers that the manifest holds free are copied.
 */
import { copyFile, cp, link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileNumber, readManifest } from './leveldb-manifest.ts';

/**
 * Fills an existing directory with the files of a database, under the same names.
 *
 * @throws if the manifest cannot be read, or a file neither be linked nor copied
 */
export async function linkFiles(database: string, target: string): Promise<void> {
  const manifest = await readManifest(database);
  if ('problem' in manifest) throw new Error(`${manifest.file}: ${manifest.problem}`);
  for (const name of await readdir(database)) {
    const from = join(database, name);
    const to = join(target, name);
    const number = fileNumber(name);
    if (number !== undefined && number >= manifest.nextFileNumber) await copyFile(from, to);
    else await link(from, to);
  }
}

/** Fills an empty directory with a database that can be opened there: by links, or where there are none, by copies. */
export async function copyDatabase(database: string, target: string): Promise<void> {
  try {
    await linkFiles(database, target);
  } catch {
    for (const name of await readdir(target)) await rm(join(target, name));
    await cp(database, target, { recursive: true });
  }
  for (const name of ['LOCK', 'LOG', 'LOG.old']) await rm(join(target, name), { force: true });
}
