/**
 * A store's directory: what lies in it, how it is made, and how it is told from something else.
 *
 *     store.json   who the store is, readable by people; written last when it is made, and never again
 *     watermark    the newest batch known to be synced (see watermark.ts)
 *     db/          the LevelDB database
 *     formatting   only while the store is being made: nothing in it was ever promised
 *     opening/     only while the database is being opened: links to its files as they were found
 *
 * `store.json` and the database both say who the store is. A directory with one and without the other has lost
 * something; an empty one is a new disk.
 */
import { existsSync } from 'node:fs';
import { access, constants, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from './crc32.ts';
import { JournalError, type StoreIdentity } from './journal.ts';
import { linkFiles } from './linked-copy.ts';

/** What this version writes, and the newest it reads. */
export const storeFormat = 1;

const ownNames = new Set(['store.json', 'store.json.new', 'watermark', 'db', 'formatting', 'opening', 'refused']);

/** What a directory holds. */
export type StoreState = 'empty' | 'unfinished' | 'store';

export class StoreDirectory {
  readonly path: string;
  readonly database: string;
  readonly watermark: string;
  readonly #marker: string;
  readonly #formatting: string;
  readonly #opening: string;
  readonly #refused: string;

  constructor(path: string) {
    this.path = path;
    this.database = join(path, 'db');
    this.watermark = join(path, 'watermark');
    this.#marker = join(path, 'store.json');
    this.#formatting = join(path, 'formatting');
    this.#opening = join(path, 'opening');
    this.#refused = join(path, 'refused');
  }

  /**
   * Says what the directory holds; changes nothing.
   *
   * @throws JournalError `STORE_UNREACHABLE`, `STORE_FOREIGN`, or `STORE_DAMAGED` if a store's marker is gone
   */
  async state(): Promise<StoreState> {
    let names: string[];
    try {
      if (!(await stat(this.path)).isDirectory())
        throw new JournalError('STORE_UNREACHABLE', `${this.path} is not a directory. Give --data a directory.`);
      names = await readdir(this.path);
      await access(this.path, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'empty';
      throw unreachable(this.path, error);
    }
    if (names.includes('store.json')) return 'store';
    const foreign = names.find((name) => !ownNames.has(name));
    if (foreign !== undefined)
      throw new JournalError(
        'STORE_FOREIGN',
        `${this.path} holds '${foreign}', which is not a store's; it was left as it is. Give --data an empty directory.`,
      );
    if (names.includes('formatting')) return 'unfinished';
    if (names.length === 0) return 'empty';
    throw new JournalError(
      'STORE_DAMAGED',
      `${this.path} holds a database but not its store.json, so it is not known whose it is; nothing was changed. ` +
        'Restore the file, or move the directory away and let the node be filled from its peers.',
    );
  }

  /** Who the store says it is. @throws JournalError `STORE_DAMAGED`, `STORE_NEWER_FORMAT` */
  async readMarker(): Promise<StoreIdentity> {
    const text = await readFile(this.#marker, 'utf8').catch((error) => {
      throw unreachable(this.path, error);
    });
    let marker: { format?: unknown; identity?: StoreIdentity; crc?: unknown };
    try {
      marker = JSON.parse(text);
    } catch (error) {
      throw this.#markerDamaged(error);
    }
    if (typeof marker?.format !== 'number' || !marker.identity) throw this.#markerDamaged();
    // A newer format may compute its crc otherwise: the number alone decides.
    if (marker.format > storeFormat && marker.crc !== markerCrc(storeFormat, marker.identity))
      throw new JournalError(
        'STORE_NEWER_FORMAT',
        `${this.path} was written in format ${marker.format}; this version knows up to ${storeFormat}. ` +
          'Start it with the version of Greenroom that wrote it, or a later one; nothing was changed.',
      );
    if (marker.crc !== markerCrc(marker.format, marker.identity)) throw this.#markerDamaged();
    return marker.identity;
  }

  /**
   * Makes a store: `fill` makes the database and the watermark, the marker is written last.
   *
   * A crash at any point leaves `formatting`, and the next attempt begins anew.
   *
   * @throws JournalError `STORE_UNREACHABLE`
   */
  async format(identity: StoreIdentity, fill: () => Promise<void>): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true });
      await writeFile(this.#formatting, 'this store is being made\n');
      await syncDirectory(this.path);
      for (const name of ownNames)
        if (name !== 'formatting') await rm(join(this.path, name), { recursive: true, force: true });
      await fill();
      await syncDirectory(this.database);
      const marker = { format: storeFormat, identity, crc: markerCrc(storeFormat, identity) };
      const file = await open(`${this.#marker}.new`, 'w');
      try {
        await file.writeFile(`${JSON.stringify(marker, undefined, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${this.#marker}.new`, this.#marker);
      await syncDirectory(this.path);
      await rm(this.#formatting);
      await syncDirectory(this.path);
      await syncDirectory(dirname(this.path));
    } catch (error) {
      throw error instanceof JournalError ? error : unreachable(this.path, error);
    }
  }

  /**
   * Keeps the database's files as they are, before LevelDB opens it (see linked-copy.ts). Where the file system has no
   * links, nothing is kept.
   */
  async keepFound(): Promise<void> {
    await this.settle();
    await mkdir(this.#opening);
    try {
      await linkFiles(this.database, this.#opening);
    } catch {
      await rm(this.#opening, { recursive: true, force: true });
    }
  }

  /** The store was refused after its database was opened: puts back what was found. The database must be closed. */
  async restoreFound(): Promise<void> {
    if (!existsSync(this.#opening)) return;
    await rename(this.database, this.#refused);
    await rename(this.#opening, this.database);
    await rm(this.#refused, { recursive: true, force: true });
  }

  /** The store is accepted. */
  async forgetFound(): Promise<void> {
    await rm(this.#opening, { recursive: true, force: true });
  }

  /**
   * Ends what a crash interrupted, once nobody else can have the store open: a store whose marker is there is whole,
   * and a database whose opening was cut off is whole too, under one name or the other.
   */
  async settle(): Promise<void> {
    if (!existsSync(this.database) && existsSync(this.#opening)) await rename(this.#opening, this.database);
    for (const leftover of [this.#formatting, this.#opening, this.#refused])
      await rm(leftover, { recursive: true, force: true });
  }

  #markerDamaged(cause?: unknown): JournalError {
    return new JournalError(
      'STORE_DAMAGED',
      `${this.#marker} is damaged, so it is not known whose store this is; nothing was changed. ` +
        'Restore the file, or move the directory away and let the node be filled from its peers.',
      cause,
    );
  }
}

/** @returns a `STORE_UNREACHABLE`, unless the error is a journal's already */
export function unreachable(path: string, error: unknown): JournalError {
  if (error instanceof JournalError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const advice =
    code === 'ENOSPC'
      ? 'Its disk is full: free some space.'
      : 'Check that the directory and its disk are there and belong to the user that runs the node.';
  return new JournalError('STORE_UNREACHABLE', `${path} cannot be used: ${message}. ${advice}`, error);
}

/** Makes what was created, renamed or removed in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    // Windows and some network file systems cannot sync a directory.
    if (!['EPERM', 'EINVAL', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await directory.close();
  }
}

function markerCrc(format: number, identity: StoreIdentity): number {
  const { clusterId, node, storeId, shardCount, replicas } = identity;
  return crc32(Buffer.from(JSON.stringify([format, clusterId, node, storeId, shardCount, replicas])));
}
