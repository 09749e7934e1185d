/**
 * A disk in memory: what a {@link MemoryJournal} has synced, and what survives its crash. It can be held (nothing is
 * synced until the holder says so), be full, break, and lose or spoil what lies on it: all that a simulator or a test
 * needs to be as unkind as a real disk. It has no timers and no randomness of its own.
 */
import { assert } from '../core/assert.ts';
import type { Position, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import type { HardState, StoreIdentity } from './journal.ts';
import type { LogRow } from './log-row.ts';

/** What a batch does to the disk; all of a batch's changes happen, or none. */
export type MemoryChange =
  | { readonly type: 'append'; readonly shard: ShardId; readonly row: LogRow }
  | { readonly type: 'truncate'; readonly shard: ShardId; readonly position: Position }
  | { readonly type: 'forget'; readonly shard: ShardId }
  | { readonly type: 'hollow'; readonly shard: ShardId; readonly rows: readonly HollowRecord[] }
  | { readonly type: 'repair'; readonly shard: ShardId; readonly rows: readonly LogRow[] }
  | { readonly type: 'hardState'; readonly shard: ShardId; readonly state: HardState }
  | { readonly type: 'control'; readonly name: string; readonly value: Buffer };

/** How a row can be spoilt: gone, unreadable, or with a bad body. */
export type MemoryDamage = 'missing' | 'head' | 'body';

export class MemoryDisk {
  /** Written when the disk is formatted. */
  identity: StoreIdentity | undefined;
  boot = 0;
  readonly logs = new Map<ShardId, LogRow[]>();
  readonly hardStates = new Map<ShardId, HardState>();
  readonly controls = new Map<string, Buffer>();
  /** What the last checkpoint knew as committed. */
  readonly committed = new Map<ShardId, Position>();
  /** How many batches are on it. */
  batches = 0;
  /** Bytes it still takes; a batch that needs more fails. */
  freeBytes: number | undefined;

  #held = false;
  #pace: ((sync: () => void) => void) | undefined;
  #failure: Error | undefined;
  #nextFailure: { readonly error: Error; readonly isKept: boolean } | undefined;
  #lostBatches = 0;
  #waiting: (() => void) | undefined;
  readonly #damage = new Map<string, MemoryDamage>();

  /** From now on nothing is synced by itself: each {@link step} syncs one batch. */
  hold(): void {
    this.#held = true;
  }

  /** Syncs the batch that waits. @returns false if none does */
  step(): boolean {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
    return waiting !== undefined;
  }

  /** Ends {@link hold}, and syncs what waits. */
  release(): void {
    this.#held = false;
    this.step();
  }

  /** From now on `pace` is handed every batch's sync, and runs it when it sees fit: how slow a disk is. */
  paceBy(pace: ((sync: () => void) => void) | undefined): void {
    this.#pace = pace;
  }

  /** A batch is being synced and waits for {@link step}. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Every later batch fails with this error; undefined: the disk works again (for the next journal on it). */
  failWrites(error: Error | undefined): void {
    this.#failure = error;
  }

  /** The next batch is told to have failed; `isKept`: it is on disk nevertheless, as after an fsync that lied. */
  failNextWrite(error: Error, isKept: boolean): void {
    this.#nextFailure = { error, isKept };
  }

  /** What is on it now, as another disk: a backup. Without what is wrong with this one. */
  image(): MemoryDisk {
    const image = new MemoryDisk();
    image.identity = this.identity;
    image.boot = this.boot;
    image.batches = this.batches;
    for (const [shard, rows] of this.logs) image.logs.set(shard, [...rows]);
    for (const [shard, state] of this.hardStates) image.hardStates.set(shard, state);
    for (const [name, value] of this.controls) image.controls.set(name, value);
    for (const [shard, position] of this.committed) image.committed.set(shard, position);
    return image;
  }

  /** Spoils one row. It is told when the row is read. */
  damage(shard: ShardId, position: Position, how: MemoryDamage): void {
    assert(this.logs.get(shard)?.[position - 1], `a row that is spoilt is on disk, got ${shard}/${position}`);
    this.#damage.set(`${shard}/${position}`, how);
  }

  /** Takes the newest record of a shard away without a trace in the log, as a lost batch would: opening refuses. */
  loseNewest(shard: ShardId): void {
    this.logs.get(shard)?.pop();
    this.#lostBatches += 1;
  }

  /** Synced batches that are not there any more. */
  get lostBatches(): number {
    return this.#lostBatches;
  }

  /** Rows are spoilt. */
  get isSpoilt(): boolean {
    return this.#damage.size > 0;
  }

  damageAt(shard: ShardId, position: Position): MemoryDamage | undefined {
    return this.#damage.size === 0 ? undefined : this.#damage.get(`${shard}/${position}`);
  }

  /** @internal Calls `sync` soon, or in the very call in which the holder says so. */
  whenAllowed(sync: () => void, defer: (task: () => void) => void): void {
    assert(this.#waiting === undefined, 'one batch is in flight');
    if (this.#held) this.#waiting = sync;
    else if (this.#pace) this.#pace(sync);
    else defer(sync);
  }

  /** @internal Forgets what waited: the process that waited for it is gone. */
  forgetWaiting(): void {
    this.#waiting = undefined;
  }

  /** @internal @returns the error if the batch is told to have failed; then nothing of it is on disk, unless the disk lies */
  write(changes: readonly MemoryChange[], bytes: number): Error | undefined {
    if (this.#failure) return this.#failure;
    const failure = this.#nextFailure;
    this.#nextFailure = undefined;
    if (failure && !failure.isKept) return failure.error;
    if (this.freeBytes !== undefined) {
      if (bytes > this.freeBytes) return new Error('ENOSPC: no space left on device, write');
      this.freeBytes -= bytes;
    }
    for (const change of changes) this.#apply(change);
    this.batches += 1;
    return failure?.error;
  }

  #apply(change: MemoryChange): void {
    switch (change.type) {
      case 'append': {
        const rows = this.#rows(change.shard);
        rows.push(change.row);
        this.#heal(change.shard, rows.length);
        return;
      }
      case 'truncate': {
        const rows = this.#rows(change.shard);
        for (let position = change.position + 1; position <= rows.length; position++)
          this.#heal(change.shard, position);
        rows.length = change.position;
        return;
      }
      case 'forget':
        for (let position = this.#rows(change.shard).length; position > 0; position--)
          this.#heal(change.shard, position);
        this.logs.delete(change.shard);
        this.committed.delete(change.shard);
        return;
      case 'hollow':
      case 'repair':
        for (const row of change.rows) {
          const { position } = 'bytes' in row ? row.head : row;
          this.#rows(change.shard)[position - 1] = row;
          this.#heal(change.shard, position);
        }
        return;
      case 'hardState':
        this.hardStates.set(change.shard, change.state);
        return;
      case 'control':
        this.controls.set(change.name, change.value);
        return;
    }
  }

  #rows(shard: ShardId): LogRow[] {
    const known = this.logs.get(shard);
    if (known) return known;
    const rows: LogRow[] = [];
    this.logs.set(shard, rows);
    return rows;
  }

  #heal(shard: ShardId, position: Position): void {
    if (this.#damage.size > 0) this.#damage.delete(`${shard}/${position}`);
  }
}
