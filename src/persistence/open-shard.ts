/**
 * One shard of an open store: its tail and commit, and what of its log is not in the database yet, or not covered by
 * the index rows on disk. Everything here can be rebuilt from the log.
 *
 * What is known of an actor lies in layers, the newer over the older:
 *
 *     recent   records since the last freeze
 *     frozen   records before it, whose index rows are being written, or wait until they are committed
 *     disk     the index rows, up to `base`, the checkpoint's tail
 */
import type { Position, ShardId } from '../core/ids.ts';
import { ActorOverlay } from './actor-index.ts';
import { findHollow, type HollowBlock, type HollowRecord, hollowUpTo } from './hollow.ts';
import { emptyTail, type LogTail } from './journal.ts';
import { hollowBlockStart, logKeyTemplate, setLogPosition } from './keys.ts';
import type { EncodedRecord } from './record.ts';
import { logRowHash, Tally, type TallyValue } from './tally.ts';

/** Entries whose index rows are to be written. */
export interface FrozenEntries {
  readonly tail: LogTail;
  /** The log rows after `base` as of the freeze. */
  readonly rows: TallyValue;
  readonly overlay: ActorOverlay;
  /** Its rows are being written: from then on it stays as it is until that is over. */
  isFlushing: boolean;
}

export class OpenShard {
  readonly shard: ShardId;
  readonly gen: number;
  tail: LogTail = emptyTail;
  committed: Position = 0;
  base: LogTail = emptyTail;
  recent = new ActorOverlay();
  frozen: FrozenEntries | undefined;
  /** How often the log was cut: a reader that spans turns looks whether it changed. */
  truncations = 0;

  readonly #key: Buffer;
  /** Log rows after `base`. */
  readonly #rows = new Tally();
  readonly #storeRows: Tally;
  /** Rows in batches that are not over, in order of position; the first is at `#unsyncedFrom`. */
  #unsynced: (EncodedRecord | HollowRecord)[] = [];
  #unsyncedTickets: number[] = [];
  #unsyncedFrom: Position = 1;
  readonly #unsyncedHollows = new Map<Position, { readonly block: HollowBlock; readonly ticket: number }>();

  /** @param storeRows what the whole store has after its bases */
  constructor(shard: ShardId, gen: number, storeRows: Tally) {
    this.shard = shard;
    this.gen = gen;
    this.#key = logKeyTemplate(shard, gen);
    this.#storeRows = storeRows;
  }

  /** A key that is good until the next call. */
  keyAt(position: Position): Buffer {
    return setLogPosition(this.#key, position);
  }

  /** Enters a row that is in the database, in order, at opening. */
  found(tail: LogTail): void {
    this.#count(tail);
    this.tail = tail;
    this.#unsyncedFrom = tail.position + 1;
  }

  /** The log begins at a checkpoint. */
  beginAt(base: LogTail, committed: Position): void {
    this.base = base;
    this.tail = base;
    this.committed = committed;
    this.#unsyncedFrom = base.position + 1;
  }

  /** Adds a row that goes into the batch with this ticket. */
  add(row: EncodedRecord | HollowRecord, tail: LogTail, ticket: number): void {
    if (this.#unsynced.length === 0) this.#unsyncedFrom = tail.position;
    this.#unsynced.push(row);
    this.#unsyncedTickets.push(ticket);
    this.#count(tail);
    this.tail = tail;
  }

  /** The row, if its batch is not over. */
  unsynced(position: Position): EncodedRecord | HollowRecord | undefined {
    const index = position - this.#unsyncedFrom;
    // Before the first is where most reads are, and an array looks for a negative index by its text, in all its prototypes.
    return index >= 0 && index < this.#unsynced.length ? this.#unsynced[index] : undefined;
  }

  /** Up to here the database has the rows. */
  get writtenTo(): Position {
    return this.#unsynced.length === 0 ? this.tail.position : this.#unsyncedFrom - 1;
  }

  /** What became hollow in a batch that is not over. */
  unsyncedHollow(position: Position): HollowRecord | undefined {
    if (this.#unsyncedHollows.size === 0) return undefined;
    return findHollow(this.#unsyncedHollows.get(hollowBlockStart(position))?.block, position);
  }

  unsyncedBlock(start: Position): HollowBlock | undefined {
    return this.#unsyncedHollows.get(start)?.block;
  }

  setUnsyncedBlock(block: HollowBlock, ticket: number): void {
    this.#unsyncedHollows.set(block.start, { block, ticket });
    for (const { position } of block.entries) {
      const index = position - this.#unsyncedFrom;
      const row = this.#unsynced[index];
      if (row && 'bytes' in row) this.#unsynced[index] = block.entries.find((entry) => entry.position === position)!;
    }
  }

  /** The batch with this ticket, and all before it, are in the database. @returns whether nothing is left that is not */
  written(ticket: number): boolean {
    const tickets = this.#unsyncedTickets;
    let count = 0;
    while (count < tickets.length && tickets[count]! <= ticket) count += 1;
    if (count === tickets.length) {
      this.#unsynced = [];
      this.#unsyncedTickets = [];
    } else if (count > 0) {
      this.#unsynced.splice(0, count);
      tickets.splice(0, count);
    }
    this.#unsyncedFrom += count;
    for (const [start, hollow] of this.#unsyncedHollows)
      if (hollow.ticket <= ticket) this.#unsyncedHollows.delete(start);
    return this.#unsynced.length === 0 && this.#unsyncedHollows.size === 0;
  }

  /** Cuts the log. @param removed what lay after the new tail */
  cut(tail: LogTail, removed: readonly { readonly position: Position; readonly chain: number }[]): void {
    for (const { position, chain } of removed) {
      const hash = logRowHash(this.shard, position, chain);
      this.#rows.remove(hash);
      this.#storeRows.remove(hash);
    }
    const kept = Math.max(0, tail.position + 1 - this.#unsyncedFrom);
    this.#unsynced.length = Math.min(this.#unsynced.length, kept);
    this.#unsyncedTickets.length = this.#unsynced.length;
    for (const [start, { block, ticket }] of this.#unsyncedHollows)
      this.#unsyncedHollows.set(start, { block: hollowUpTo(block, tail.position), ticket });
    this.tail = tail;
    this.truncations += 1;
  }

  /**
   * The log ends, and another of the same shard begins. Readers in the middle of this one find it empty; what of its
   * frozen layer is being written is written to its end.
   */
  begunAnew(): OpenShard {
    this.#storeRows.removeAll(this.#rows.value);
    this.#unsynced = [];
    this.#unsyncedTickets = [];
    this.#unsyncedHollows.clear();
    this.#unsyncedFrom = 1;
    this.tail = emptyTail;
    this.committed = 0;
    this.truncations += 1;
    return new OpenShard(this.shard, this.gen + 1, this.#storeRows);
  }

  /** Begins a new layer; what there is waits to be written. */
  freeze(): FrozenEntries {
    const frozen = { tail: this.tail, rows: this.#rows.value, overlay: this.recent, isFlushing: false };
    this.frozen = frozen;
    this.recent = new ActorOverlay();
    return frozen;
  }

  /** Joins the frozen layer and the recent one again: what is frozen cannot be written now. */
  thaw(): void {
    if (!this.frozen) return;
    const { overlay } = this.frozen;
    overlay.cover(this.recent);
    this.recent = overlay;
    this.frozen = undefined;
  }

  /** The checkpoint that covers the frozen layer is in a batch. */
  rebase(): void {
    const { tail, rows } = this.frozen!;
    this.base = tail;
    this.#rows.removeAll(rows);
    this.#storeRows.removeAll(rows);
  }

  #count(tail: LogTail): void {
    const hash = logRowHash(this.shard, tail.position, tail.chain);
    this.#rows.add(hash);
    this.#storeRows.add(hash);
  }
}
