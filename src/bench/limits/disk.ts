/** What the disk and LevelDB do by themselves. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Level } from 'level';
import { seededRandom } from '../../core/random.ts';
import { GroupCommit } from '../../persistence/group-commit.ts';
import { logKey } from '../../persistence/keys.ts';
import { levelJournalLimits } from '../../persistence/level-journal.ts';
import type { Database } from '../../persistence/log-scan.ts';
import { databaseOptions } from '../../persistence/open-store.ts';
import type { LimitProbe, ProbeContext } from './limit.ts';

const shardCount = 256;
/** About what a record of one event of 100 bytes takes. */
const rowBytes = 200;
const readRows = 50_000;

export const fdatasync: LimitProbe = {
  name: 'fdatasync',
  about: 'write of 256 B and fdatasync, one at a time',
  async measure({ directory, durationMs }) {
    const file = openSync(join(directory, 'file'), 'w');
    const bytes = Buffer.alloc(256, 7);
    try {
      const startMs = performance.now();
      let count = 0;
      let nowMs = startMs;
      for (; nowMs < startMs + durationMs; nowMs = performance.now()) {
        writeSync(file, bytes);
        fdatasyncSync(file);
        count += 1;
      }
      return (count * 1_000) / (nowMs - startMs);
    } finally {
      closeSync(file);
    }
  },
};

/** Rows as the journal writes them: one a record, ascending in each shard, in synced batches by group commit. */
function leveldbBatch(name: 'leveldbBatch256' | 'leveldbBatch4096', inFlight: number): LimitProbe {
  return {
    name,
    about: `LevelDB, one row of ${rowBytes} B a record, synced batches, ${inFlight.toLocaleString('en-US')} in flight`,
    measure: (context) =>
      withDatabase(context, (database) => {
        const rows = new RowWriter(database);
        return rows.run(inFlight, context.durationMs);
      }),
  };
}

export const leveldbBatch256 = leveldbBatch('leveldbBatch256', 256);
export const leveldbBatch4096 = leveldbBatch('leveldbBatch4096', 4_096);

export const pointRead: LimitProbe = {
  name: 'pointRead',
  about: `LevelDB, getSync of one of ${readRows.toLocaleString('en-US')} rows of ${rowBytes} B, in memory`,
  measure: (context) =>
    withDatabase(context, async (database) => {
      let batch = database.batch();
      for (let i = 0; i < readRows; i++) {
        batch.put(logKey(i % shardCount, 1, 1 + Math.floor(i / shardCount)), rowOf(i));
        if (i % 1_000 === 999) {
          await batch.write();
          batch = database.batch();
        }
      }
      await batch.write();
      const random = seededRandom(1);
      const startMs = performance.now();
      let nowMs = startMs;
      let count = 0;
      let found = 0;
      while (nowMs < startMs + context.durationMs) {
        for (let i = 0; i < 64; i++) {
          const row = Math.floor(random.next() * readRows);
          if (database.getSync(logKey(row % shardCount, 1, 1 + Math.floor(row / shardCount)))) found += 1;
        }
        count += 64;
        nowMs = performance.now();
      }
      if (found !== count) throw new Error(`${count - found} of ${count} rows were not found`);
      return (count * 1_000) / (nowMs - startMs);
    }),
};

class RowWriter {
  readonly #commits: GroupCommit;
  readonly #positions = new Array<number>(shardCount).fill(0);
  #written = 0;

  constructor(database: Database) {
    this.#commits = new GroupCommit(levelJournalLimits, {
      newRows: () => database.batch(),
      seal: () => true,
      written() {},
      failed: (error) => error,
      defer: setImmediate,
    });
  }

  /** @returns rows per second */
  run(inFlight: number, durationMs: number): Promise<number> {
    const startMs = performance.now();
    let open = 0;
    return new Promise((resolve, reject) => {
      const next = (): void => {
        const shard = this.#written % shardCount;
        const position = ++this.#positions[shard]!;
        open += 1;
        const batch = this.#commits.add(rowBytes, { durable, failed: reject });
        batch.rows.put(logKey(shard, 1, position), rowOf(this.#written));
        this.#written += 1;
      };
      const durable = (): void => {
        open -= 1;
        if (performance.now() < startMs + durationMs) next();
        else if (open === 0) resolve((this.#written * 1_000) / (performance.now() - startMs));
      };
      for (let i = 0; i < inFlight; i++) next();
    });
  }
}

/** Compresses about as records do: half of it differs from row to row. */
function rowOf(n: number): Buffer {
  const row = Buffer.alloc(rowBytes, 'event of a usual size');
  for (let at = 0; at < rowBytes / 2; at += 4) row.writeInt32BE(Math.imul(n + at, 0x9e3779b1), at);
  return row;
}

async function withDatabase<T>({ directory }: ProbeContext, use: (database: Database) => Promise<T>): Promise<T> {
  const database: Database = new Level(join(directory, 'db'), { ...databaseOptions });
  await database.open();
  try {
    return await use(database);
  } finally {
    await database.close();
  }
}
