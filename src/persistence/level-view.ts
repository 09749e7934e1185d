/** A view of the journal on LevelDB: a snapshot of the database, which costs nothing but the rows it keeps from being dropped. */
import type { ShardId } from '../core/ids.ts';
import type { LogTail } from './journal.ts';
import { type JournalView, type ViewRow, viewRow } from './journal-view.ts';
import type { LogReader } from './log-reader.ts';
import { type Database, type DatabaseSnapshot, scanLog } from './log-scan.ts';
import type { OpenShard } from './open-shard.ts';

const rowsPerChunk = 1000;

export class LevelView implements JournalView {
  readonly tails: readonly LogTail[];
  readonly #database: Database;
  readonly #snapshot: DatabaseSnapshot;
  readonly #gens: readonly number[];

  /** As of this call. @throws JournalError `STORE_DAMAGED` if the record at a shard's end is */
  constructor(database: Database, reader: LogReader, shards: readonly OpenShard[]) {
    this.#database = database;
    this.#gens = shards.map(({ gen }) => gen);
    // What is committed by others and not yet in this database cannot be seen in it.
    this.tails = shards.map((open) => reader.tailAt(open, Math.min(open.committed, open.writtenTo)));
    this.#snapshot = database.snapshot();
  }

  async *rows(shard: ShardId): AsyncIterable<readonly ViewRow[]> {
    const to = this.tails[shard]!.position;
    const range = {
      shardCount: this.tails.length,
      shard,
      gen: this.#gens[shard]!,
      from: 1,
      to,
      rowsPerChunk,
      snapshot: this.#snapshot,
    };
    for await (const rows of scanLog(this.#database, range))
      yield rows.map(({ position, result, bytes }) => viewRow(shard, position, result, bytes));
  }

  close(): Promise<void> {
    return this.#snapshot.close();
  }
}
