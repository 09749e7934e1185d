/**
 * Which files a LevelDB database consists of: read from `CURRENT` and the manifest it names, without LevelDB. Other
 * files in the directory are leftovers that LevelDB removes when it opens, and nobody's damage.
 *
 * Source: leveldb 1.20, db/version_edit.cc and db/filename.cc.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readLevelLog } from './leveldb-log-format.ts';

/** A live table file. */
export interface LiveTable {
  readonly number: number;
  readonly level: number;
  readonly bytes: number;
  /** Its first and last key, without LevelDB's own suffix. */
  readonly firstKey: Buffer;
  readonly lastKey: Buffer;
}

export interface Manifest {
  readonly tables: readonly LiveTable[];
  /** Write-ahead logs from this number on are replayed at opening. */
  readonly logNumber: number;
  /** New files get numbers from this one on, whether such files exist or not. */
  readonly nextFileNumber: number;
}

/** What is wrong with a database's files. */
export interface FileDamage {
  /** Relative to the database's directory. */
  readonly file: string;
  readonly problem: string;
}

export function tableFileName(number: number): string {
  return `${String(number).padStart(6, '0')}.ldb`;
}

/** The number in a file's name; undefined if it has none. */
export function fileNumber(name: string): number | undefined {
  const match = /^(?:MANIFEST-(\d+)|(\d+)\.\w+)$/.exec(name);
  return match ? Number(match[1] ?? match[2]) : undefined;
}

/** The number in a write-ahead log's name; undefined for other files. */
export function logFileNumber(name: string): number | undefined {
  const match = /^(\d+)\.log$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** @returns the damage instead, if `CURRENT` or the manifest cannot be understood */
export async function readManifest(directory: string): Promise<Manifest | FileDamage> {
  const current = await readFileOrDamage(directory, 'CURRENT');
  if (!Buffer.isBuffer(current)) return current;
  const name = /^(MANIFEST-\d{6,})\n$/.exec(current.toString('latin1'))?.[1];
  if (!name) return { file: 'CURRENT', problem: 'it does not name a manifest' };
  const bytes = await readFileOrDamage(directory, name);
  if (!Buffer.isBuffer(bytes)) return bytes;
  const { records, damage } = readLevelLog(bytes);
  if (damage) return { file: name, problem: `${damage.problem}, at byte ${damage.offset}` };
  const tables = new Map<number, LiveTable>();
  let logNumber: number | undefined;
  let nextFileNumber: number | undefined;
  for (const record of records) {
    const edit = decodeEdit(record);
    if (!edit) return { file: name, problem: 'one of its entries cannot be read' };
    logNumber = edit.logNumber ?? logNumber;
    nextFileNumber = edit.nextFileNumber ?? nextFileNumber;
    // An entry that moves a file to another level removes it and adds it.
    for (const number of edit.removed) tables.delete(number);
    for (const table of edit.added) tables.set(table.number, table);
  }
  if (logNumber === undefined || nextFileNumber === undefined) return { file: name, problem: 'it is cut off' };
  return { tables: [...tables.values()], logNumber, nextFileNumber };
}

export async function readFileOrDamage(directory: string, file: string): Promise<Buffer | FileDamage> {
  try {
    return await readFile(join(directory, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { file, problem: 'it is missing' };
    throw error;
  }
}

interface Edit {
  logNumber: number | undefined;
  nextFileNumber: number | undefined;
  readonly removed: number[];
  readonly added: LiveTable[];
}

function decodeEdit(bytes: Buffer): Edit | undefined {
  const edit: Edit = { logNumber: undefined, nextFileNumber: undefined, removed: [], added: [] };
  const reader = new VarintReader(bytes);
  while (!reader.atEnd) {
    switch (reader.number()) {
      case 1:
        reader.bytes();
        break;
      case 2:
        edit.logNumber = reader.number();
        break;
      case 3:
        edit.nextFileNumber = reader.number();
        break;
      case 4:
      case 9:
        reader.number();
        break;
      case 5:
        reader.number();
        reader.bytes();
        break;
      case 6:
        reader.number();
        edit.removed.push(reader.number());
        break;
      case 7:
        edit.added.push({
          level: reader.number(),
          number: reader.number(),
          bytes: reader.number(),
          firstKey: userKey(reader.bytes()),
          lastKey: userKey(reader.bytes()),
        });
        break;
      default:
        return undefined;
    }
  }
  return reader.failed ? undefined : edit;
}

/** LevelDB adds eight bytes (sequence number and kind) to every key. */
export function userKey(internalKey: Buffer): Buffer {
  return internalKey.subarray(0, Math.max(0, internalKey.length - 8));
}

/** Reads LevelDB's variable-length numbers and length-prefixed strings; remembers if it ran past the end. */
export class VarintReader {
  readonly #bytes: Buffer;
  at: number;
  failed = false;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get atEnd(): boolean {
    return this.failed || this.at >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined || scale > 2 ** 63) {
        this.failed = true;
        return 0;
      }
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  bytes(): Buffer {
    const length = this.number();
    if (this.failed || this.at + length > this.#bytes.length) {
      this.failed = true;
      return Buffer.alloc(0);
    }
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}
