/**
 * Clearing away the rows of logs that were begun anew: what lies under a lower `gen` than the shard's own is nobody's.
 * Nothing reads it, so it may go slowly, without an fsync, and be left in the middle: the next opening goes on.
 *
 * One shard after the other: a chunk of keys is read, then deleted; in the end LevelDB is asked to rewrite the tables
 * of that range, because without it the space would only come back as other rows are written there, which never happens. That
 * goes by what the range takes, so a life that ended after the last chunk is made good, too.
 */
import type { ShardId } from '../core/ids.ts';
import { keyLetters, shardPrefix } from './keys.ts';
import type { Database } from './log-scan.ts';

/** Rows deleted at a time. Higher: over sooner; a batch that waits for them waits longer. */
const rowsPerChunk = 512;
/** A range whose tables take less than this is left alone: LevelDB knows sizes to a block or two, and an empty one takes none. */
const compactBytesMin = 64 * 1024;

export interface ForgottenRowsDriver {
  database(): Database;
  /** Below this gen everything of the shard is to go. */
  gen(shard: ShardId): number;
  /** Resolves once no index rows are on their way to disk that were made before this call. */
  indexWritten(): Promise<void>;
  /** Nothing can be written any more. */
  failed(error: Error): void;
}

export class ForgottenRows {
  readonly #driver: ForgottenRowsDriver;
  readonly #waiting = new Set<ShardId>();
  #running: Promise<void> | undefined;
  #isStopped = false;

  constructor(driver: ForgottenRowsDriver) {
    this.#driver = driver;
  }

  /** The shard's log was begun anew, and that is durable. */
  add(shard: ShardId): void {
    if (this.#isStopped) return;
    this.#waiting.add(shard);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves once nothing is left to clear away, or it was stopped. */
  async gone(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Stops after the chunk it is at. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.gone();
  }

  async #run(): Promise<void> {
    for (const shard of this.#waiting) {
      this.#waiting.delete(shard);
      await this.#driver.indexWritten();
      const gen = this.#driver.gen(shard);
      // The log last: what an index row names is there as long as the row is.
      for (const letter of [keyLetters.wake, keyLetters.actor, keyLetters.log]) {
        if (this.#isStopped) return;
        await this.#clear(shardPrefix(letter, shard, 0), shardPrefix(letter, shard, gen));
      }
    }
  }

  async #clear(gte: Buffer, lt: Buffer): Promise<void> {
    const database = this.#driver.database();
    // A new range each time: an iterator would hold back what was deleted meanwhile.
    for (let from: { readonly gte: Buffer } | { readonly gt: Buffer } = { gte }; !this.#isStopped; ) {
      let keys: Buffer[];
      try {
        keys = await database.keys({ ...from, lt, limit: rowsPerChunk }).all();
      } catch {
        // What cannot be read is in nobody's way.
        return;
      }
      if (keys.length === 0) break;
      try {
        await database.batch(
          keys.map((key) => ({ type: 'del' as const, key })),
          { sync: false },
        );
      } catch (error) {
        this.#driver.failed(error as Error);
        return;
      }
      from = { gt: keys.at(-1)! };
    }
    if (!this.#isStopped) await compact(database, gte, lt);
  }
}

async function compact(database: Database, from: Buffer, to: Buffer): Promise<void> {
  // On every platform but browsers the database is a ClassicLevel, which can.
  const level = database as unknown as Partial<Classic>;
  try {
    if (((await level.approximateSize?.(from, to)) ?? 0) >= compactBytesMin) await level.compactRange?.(from, to);
  } catch {
    // The next opening tries again.
  }
}

interface Classic {
  approximateSize(from: Buffer, to: Buffer): Promise<number>;
  compactRange(from: Buffer, to: Buffer): Promise<void>;
}
