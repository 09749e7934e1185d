/**
 * Reading a shard's log in order, in chunks: every position from one to another comes out once, as a record, hollow
 * or damaged, whatever rows are there. A gap in the rows is what hollow rows fill, or else damage.
 */
import type { Level } from 'level';
import type { Position, ShardId } from '../core/ids.ts';
import { decodeHollowBlock, findHollow, type HollowBlock, hollowResult } from './hollow.ts';
import type { ReadResult } from './journal.ts';
import { hollowBlockStart, hollowKey, logKey, parseLogKey } from './keys.ts';
import { missingRow, readRow } from './log-row.ts';

export type Database = Level<Buffer, Buffer>;
/** The database as it was at one moment. */
export type DatabaseSnapshot = ReturnType<Database['snapshot']>;

/** A position and what lies there. */
export interface ScannedRow {
  readonly position: Position;
  readonly result: ReadResult;
  /** The row itself; absent for hollow records and missing rows. */
  readonly bytes?: Buffer;
}

export interface ScanRange {
  readonly shardCount: number;
  readonly shard: ShardId;
  readonly gen: number;
  readonly from: Position;
  /** Inclusive; undefined: to the last row there is. */
  readonly to: Position | undefined;
  readonly rowsPerChunk: number;
  /** Reads the database as it was then; without it, as it is when the first chunk is asked for. */
  readonly snapshot?: DatabaseSnapshot;
}

const chunkBytesMax = 1024 * 1024;

/** The rows of a range in order, in chunks. */
export async function* scanLog(database: Database, range: ScanRange): AsyncGenerator<readonly ScannedRow[]> {
  const { shardCount, shard, gen, to, snapshot } = range;
  const asOf = snapshot ? { snapshot } : {};
  const end = to ?? 2 ** 48 - 1;
  if (range.from > end) return;
  const iterator = database.iterator({
    gte: logKey(shard, gen, range.from),
    lt: to === undefined ? logKey(shard, gen + 1, 0) : logKey(shard, gen, to + 1),
    highWaterMarkBytes: chunkBytesMax,
    ...asOf,
  });
  try {
    const start = hollowBlockStart(range.from);
    let block: HollowBlock | undefined;
    if (start < range.from) {
      const bytes = await database.get(hollowKey(shard, gen, start), asOf);
      block = bytes && decodeHollowBlock(bytes, start);
    }
    let expected = range.from;
    let rows: ScannedRow[] = [];
    const fillUpTo = (position: Position): void => {
      for (; expected < position; expected++) {
        const hollow = findHollow(block, expected);
        rows.push({ position: expected, result: hollow ? hollowResult(hollow) : missingRow });
      }
    };
    for (;;) {
      const entries = await iterator.nextv(range.rowsPerChunk);
      if (entries.length === 0) break;
      for (const [key, value] of entries) {
        const place = parseLogKey(key);
        if (!place || place.position > end) continue;
        fillUpTo(place.position);
        if (place.hollow) {
          block = decodeHollowBlock(value, place.position);
        } else {
          const { position } = place;
          rows.push({ position, result: readRow(value, shardCount, shard, position), bytes: value });
          expected = position + 1;
        }
        if (rows.length >= range.rowsPerChunk) {
          yield rows;
          rows = [];
        }
      }
    }
    // Hollow positions at the end have no row after them that would reveal them.
    const last = block?.entries.at(-1)?.position ?? 0;
    fillUpTo((to ?? Math.max(last, expected - 1)) + 1);
    if (rows.length > 0) yield rows;
  } finally {
    await iterator.close();
  }
}
