/**
 * The ledger of batches: every batch written to the database, synced or not, puts a row with the next number. LevelDB
 * drops a damaged part of its write-ahead log silently, but a batch that is missing then leaves a gap in the
 * numbers, or ends below the watermark.
 *
 * A row also tells what the database holds as of its batch, so that at opening the rows found can be held against it:
 * the log's rows after the checkpoint's tails, and the hard state and control rows.
 *
 *     0  u32  crc-32 of the rest, xor the low 32 bits of n
 *     4  u8   format (1)
 *     5  u48  log rows after the checkpoint's tails: how many
 *    11  u48  … and the sum of their hashes (see tally.ts)
 *    17  u32  hard state and control rows: how many
 *    21  u48  … and the sum of their hashes
 *
 * Rows may be deleted once their batches lie in verified tables, and only then: a gap must be seen as long as the
 * batch it stands for could still be dropped. LevelDB does not tell when it has moved a write-ahead log into a table,
 * but it deletes the log then. So the ledger remembers which log was the newest when a batch was over; once only
 * newer ones exist, that batch is in a table. `floor`, kept in the checkpoint, is the lowest number that must be there.
 */
import { crc32 } from './crc32.ts';
import { readU48, recordFormat, writeU48 } from './record.ts';
import type { TallyValue } from './tally.ts';

const rowBytes = 27;
/** How many places in the write-ahead logs are remembered. */
const marksMax = 64;

/** What a batch says of the whole database. */
export interface BatchRow {
  readonly log: TallyValue;
  readonly states: TallyValue;
}

export function encodeBatchRow(n: number, row: BatchRow): Buffer {
  const bytes = Buffer.allocUnsafe(rowBytes);
  bytes[4] = recordFormat;
  writeU48(bytes, row.log.count, 5);
  writeU48(bytes, row.log.sum, 11);
  bytes.writeUInt32BE(row.states.count, 17);
  writeU48(bytes, row.states.sum, 21);
  bytes.writeUInt32BE((crc32(bytes, 4) ^ n) >>> 0, 0);
  return bytes;
}

/** @returns undefined if the row is damaged or another batch's */
export function decodeBatchRow(n: number, bytes: Buffer): BatchRow | undefined {
  if (bytes.length !== rowBytes || bytes[4] !== recordFormat) return undefined;
  if (bytes.readUInt32BE(0) !== (crc32(bytes, 4) ^ n) >>> 0) return undefined;
  return {
    log: { count: readU48(bytes, 5), sum: readU48(bytes, 11) },
    states: { count: bytes.readUInt32BE(17), sum: readU48(bytes, 21) },
  };
}

export class BatchLedger {
  /** The newest batch begun. */
  n: number;
  #over: number;
  #synced: number;
  #floor: number;
  #deletableBelow: number;
  #deletedBelow: number;
  #marks: { readonly n: number; readonly newestLog: number }[] = [];

  /**
   * @param n the newest batch found at opening: all up to it lie in tables, because opening moves them there
   * @param oldest the oldest batch whose row is still there
   */
  constructor(n: number, oldest: number) {
    this.n = n;
    this.#over = n;
    this.#synced = n;
    this.#floor = n + 1;
    this.#deletableBelow = oldest;
    this.#deletedBelow = oldest;
  }

  /** The newest batch that is synced. */
  get synced(): number {
    return this.#synced;
  }

  /** One more batch is over, in the order of their numbers. */
  over(isSynced: boolean): void {
    this.#over += 1;
    if (isSynced) this.#synced = this.#over;
  }

  /** The lowest number that must be there, to be put into the next checkpoint. */
  get floor(): number {
    return this.#floor;
  }

  /** Which write-ahead logs exist now. (A batch that is over by now lies in one of them, or in a table.) */
  sawLogs(numbers: readonly number[]): void {
    if (numbers.length === 0) return;
    const oldest = Math.min(...numbers);
    const newest = Math.max(...numbers);
    const passed = this.#marks.filter((mark) => mark.newestLog < oldest).at(-1);
    if (passed) {
      this.#floor = passed.n + 1;
      this.#marks = this.#marks.filter((mark) => mark.n > passed.n);
    }
    const before = this.#marks.at(-1);
    if (before?.newestLog === newest) this.#marks.pop();
    this.#marks.push({ n: this.#over, newestLog: newest });
    if (this.#marks.length > marksMax) this.#marks.splice(0, 1);
  }

  /** A checkpoint with this floor is in the database: what is below it may go. */
  floorIsKept(floor: number): void {
    this.#deletableBelow = Math.max(this.#deletableBelow, floor);
  }

  /** Up to `max` numbers whose rows are to be deleted now. */
  takeDeletable(max: number): { readonly from: number; readonly to: number } {
    const from = this.#deletedBelow;
    const to = Math.min(this.#deletableBelow, from + max);
    this.#deletedBelow = to;
    return { from, to };
  }
}
