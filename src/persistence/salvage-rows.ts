/**
 * What is left of a damaged database: read from its files without LevelDB, which may abort the process on a damaged key,
 * drops damaged rows of its write-ahead log without a word, and opens nothing without a sound manifest.
 *
 * LevelDB numbers every change. Of each key the one with the highest number counts that lies in a place which matches its
 * checksum; a row of a damaged place counts only where there is no other. Whether the rows of a log belong together their
 * own chain says, later; here rows are only gathered, in a database of their own, for they may be more than memory holds.
 *
 * Source: leveldb 1.20, db/dbformat.h (keys), db/write_batch.cc (batches).
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyLetters } from './keys.ts';
import { soundRecords } from './leveldb-log-format.ts';
import { fileNumber, logFileNumber, readManifest, userKey, VarintReader } from './leveldb-manifest.ts';
import { tableRows } from './leveldb-table.ts';
import type { Database } from './log-scan.ts';

/** Rows of logs, what says where they began, and what the cluster keeps. Everything else is derived, or of the old store. */
const wanted: ReadonlySet<number> = new Set([keyLetters.log, keyLetters.checkpoint, keyLetters.control]);
/** Before a key: the number of the change that made its row. */
const numbers = 0x73;
const deletion = 0;
const batchHeadBytes = 12;
const trailerBytes = 8;
/** Of a row whose number cannot be believed. */
const unknownNumber = 0;

interface Change {
  readonly key: Buffer;
  /** undefined: the key was deleted. */
  readonly value: Buffer | undefined;
  readonly number: number;
}

/**
 * Gathers what is left of the database in a directory.
 *
 * @param rows empty; gets the newest sound row of each key, under that key
 */
export async function gatherRows(directory: string, rows: Database): Promise<void> {
  const gathering = new Gathering(rows);
  for (const name of await filesOf(directory)) {
    const bytes = await readFile(join(directory, name)).catch(() => undefined);
    if (!bytes) continue;
    for (const change of logFileNumber(name) === undefined ? changesOfTable(bytes) : changesOfLog(bytes))
      gathering.take(change);
    await gathering.write();
  }
}

/** The live ones; if it is not known which these are, all. */
async function filesOf(directory: string): Promise<readonly string[]> {
  const manifest = await readManifest(directory);
  const names = (await readdir(directory)).filter((name) => /^\d+\.(ldb|sst|log)$/.test(name)).sort();
  if ('problem' in manifest) return names;
  const live = new Set(manifest.tables.map(({ number }) => number));
  return names.filter((name) => {
    const log = logFileNumber(name);
    return log === undefined ? live.has(fileNumber(name)!) : log >= manifest.logNumber;
  });
}

class Gathering {
  readonly #rows: Database;
  /** Not written yet, by key in hexadecimal. */
  #pending = new Map<string, Change>();

  constructor(rows: Database) {
    this.#rows = rows;
  }

  take(change: Change): void {
    if (!wanted.has(change.key[0] ?? 0)) return;
    const name = change.key.toString('hex');
    const known = this.#pending.get(name)?.number ?? this.#numberOf(change.key);
    if (known === undefined || change.number > known) this.#pending.set(name, change);
  }

  #numberOf(key: Buffer): number | undefined {
    const bytes = this.#rows.getSync(numberKey(key));
    return bytes && Number(bytes.readBigUInt64BE());
  }

  async write(): Promise<void> {
    const batch = this.#rows.batch();
    for (const { key, value, number } of this.#pending.values()) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(number));
      batch.put(numberKey(key), bytes);
      if (value) batch.put(key, value);
      else batch.del(key);
    }
    this.#pending = new Map();
    await batch.write();
  }
}

function numberKey(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([numbers]), key]);
}

function* changesOfTable(bytes: Buffer): Generator<Change> {
  for (const { key, value, isSound } of tableRows(bytes)) {
    if (key.length <= trailerBytes) continue;
    const kind = key[key.length - trailerBytes]!;
    const number = numberAt(key, key.length - trailerBytes + 1, 7);
    if (isSound) yield { key: userKey(key), value: kind === deletion ? undefined : value, number };
    else if (kind !== deletion) yield { key: userKey(key), value, number: unknownNumber };
  }
}

function* changesOfLog(bytes: Buffer): Generator<Change> {
  for (const batch of soundRecords(bytes)) {
    if (batch.length < batchHeadBytes) continue;
    let number = numberAt(batch, 0, 8);
    const reader = new VarintReader(batch, batchHeadBytes);
    for (; !reader.atEnd; number++) {
      const kind = reader.number();
      const key = reader.bytes();
      const value = kind === deletion ? undefined : reader.bytes();
      if (!reader.failed) yield { key, value, number };
    }
  }
}

/** Little-endian; LevelDB's numbers have 56 bits, and no store comes near the 53 that fit. */
function numberAt(bytes: Buffer, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index--) value = value * 256 + bytes[at + index]!;
  return value;
}
