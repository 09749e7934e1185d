/**
 * The watermark: a small file beside the database that holds the number of the newest batch known to be synced. LevelDB
 * opens happily without the end of its write-ahead log if a bit flipped there; a store whose newest batch is below
 * its watermark has lost something it promised to keep.
 *
 * It is overwritten in place after a batch is synced and before anyone is told, and is not synced itself: it is a
 * lower bound, that survives the process and usually the machine. It can never be ahead of the database.
 *
 *     0  u32  crc-32 of the rest
 *     4  u8   format (1), then three zeros
 *     8  u48  number of the newest synced batch
 *    14  16 bytes  crc-32 and name of the store: the first 12 bytes of its id, padded with zeros
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { crc32 } from './crc32.ts';
import { JournalError } from './journal.ts';
import { readU48, recordFormat, writeU48 } from './record.ts';

const fileBytes = 30;

export class Watermark {
  readonly #file: number;
  readonly #bytes: Buffer;

  private constructor(file: number, storeId: string) {
    this.#file = file;
    this.#bytes = headFor(storeId);
  }

  /** Makes the file of a new store, durably but for its directory's entry. */
  static create(path: string, storeId: string): void {
    const file = openSync(path, 'w');
    try {
      writeSync(file, numbered(headFor(storeId), 0), 0, fileBytes, 0);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /**
   * The number of the newest batch known to be synced.
   *
   * @throws JournalError `STORE_DAMAGED` if the file is missing, damaged or another store's
   */
  static read(path: string, storeId: string): number {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw damaged(path, 'is missing');
    }
    if (bytes.length !== fileBytes || bytes.readUInt32BE(0) !== crc32(bytes, 4))
      throw damaged(path, 'does not match its checksum');
    if (!bytes.subarray(14).equals(headFor(storeId).subarray(14))) throw damaged(path, 'belongs to another store');
    return readU48(bytes, 8);
  }

  /** Opens the file for {@link raise}. */
  static open(path: string, storeId: string): Watermark {
    return new Watermark(openSync(path, 'r+'), storeId);
  }

  /** Batch `n` is synced. Synchronous: a write of one sector to the page cache takes a few microseconds. */
  raise(n: number): void {
    writeSync(this.#file, numbered(this.#bytes, n), 0, fileBytes, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}

function headFor(storeId: string): Buffer {
  const bytes = Buffer.alloc(fileBytes);
  const name = Buffer.from(storeId);
  bytes[4] = recordFormat;
  bytes.writeUInt32BE(crc32(name), 14);
  name.copy(bytes, 18, 0, 12);
  return bytes;
}

function numbered(bytes: Buffer, n: number): Buffer {
  writeU48(bytes, n, 8);
  bytes.writeUInt32BE(crc32(bytes, 4), 0);
  return bytes;
}

function damaged(path: string, what: string): JournalError {
  return new JournalError(
    'STORE_DAMAGED',
    `${path} ${what}, so it is not known whether everything synced is still there; nothing was changed. ` +
      'Restore the directory, or move it away and let the node be filled from its peers.',
  );
}
