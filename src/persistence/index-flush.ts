/**
 * Bringing the index of actors to disk, a little at a time and never on anyone's way: what the log would have to be
 * read for at the next opening stays bounded, and so does what lies in memory.
 *
 *     idle → frozen     the log has grown by a limit since the last time: what is in memory becomes a layer of its own
 *     frozen → flushing once all of that layer is committed (index rows cover only what is); or, if the log has grown
 *                       by the limit once more, without the shards that are not committed: they wait for the next time
 *     flushing → idle   its rows have ridden along with other batches, a slice in each, the checkpoint with the last
 *
 * Index rows need no atomicity among themselves: what the checkpoint does not cover is read from the log again, and
 * lies over them. They need no fsync either: what is lost of them is lost together with the checkpoint.
 *
 * An actor's row and its wake row go into the same batch, which also takes away the wake row that its row of before
 * speaks of: so the two never disagree on disk, whatever is lost.
 */
import type { ActorId, ActorTypeName, Position } from '../core/ids.ts';
import { decodeActorRow, encodeActorRow, withSnapshotFrom } from './actor-index.ts';
import { type Checkpoint, encodeCheckpoint } from './checkpoint.ts';
import type { BatchRows } from './group-commit.ts';
import type { ActorIndexEntry } from './journal.ts';
import { actorKey, checkpointKey, wakeKey } from './keys.ts';
import type { OpenShard } from './open-shard.ts';

export interface IndexLimits {
  /** Records after which the index is brought to disk. Higher: fewer index rows are written, opening takes longer. */
  readonly indexRecordsMax: number;
  /** … or bytes of records. */
  readonly indexBytesMax: number;
  /** Index rows in a batch with few additions. Higher: the flush is over sooner, but appends of that batch wait longer. */
  readonly indexRowsPerBatch: number;
}

export type IndexPhase = 'idle' | 'frozen' | 'flushing';

export interface IndexFlushDriver {
  shards(): Iterable<OpenShard>;
  /** Rows of the database; undefined where there is none. */
  readRows(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]>;
  /** Looks which of the database's own logs exist, for the batch ledger. */
  lookAtLogs(): Promise<void>;
  /** What a checkpoint keeps of the batch ledger. */
  floor(): number;
  /** The checkpoint is in the database. */
  checkpointed(floor: number): void;
  /** Has a batch written soon. */
  requestBatch(): void;
  failed(error: Error): void;
}

interface Slice {
  /** Without a value: a row that goes away. */
  readonly rows: readonly (readonly [key: Buffer, value: Buffer | undefined])[];
  readonly isLast: boolean;
}

/** Slices that are made ahead of the batches they go into. */
const slicesAheadMax = 16;
const noValue = Buffer.alloc(0);
/** Above 1, or the index could fall behind for ever. */
const rowsPerAddition = 1.5;

export class IndexFlush {
  readonly #limits: IndexLimits;
  readonly #driver: IndexFlushDriver;
  #phase: IndexPhase = 'idle';
  #records = 0;
  #bytes = 0;
  /** Frozen shards that are not committed up to where they were frozen. */
  #uncommitted = 0;
  #slices: Slice[] = [];
  #sliceTaken: (() => void) | undefined;
  #floor: number | undefined;
  #whenIdle: (() => void)[] = [];
  #isAborted = false;

  constructor(limits: IndexLimits, driver: IndexFlushDriver) {
    this.#limits = limits;
    this.#driver = driver;
  }

  get phase(): IndexPhase {
    return this.#phase;
  }

  /** A record of `bytes` was added to some shard. */
  appended(bytes: number): void {
    this.#records += 1;
    this.#bytes += bytes;
    if (this.#records >= this.#limits.indexRecordsMax || this.#bytes >= this.#limits.indexBytesMax) this.#grew();
  }

  /** Records found at opening lie in memory too. */
  found(records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
  }

  /** A shard's commit went from `before` to `after`. */
  committed(shard: OpenShard, before: Position, after: Position): void {
    const { frozen } = shard;
    if (!frozen || this.#phase !== 'frozen' || before >= frozen.tail.position || after < frozen.tail.position) return;
    this.#uncommitted -= 1;
    if (this.#uncommitted === 0) this.#begin();
  }

  /** A shard is about to be cut after `position`. */
  cutting(shard: OpenShard, position: Position): void {
    const { frozen } = shard;
    if (!frozen || position >= frozen.tail.position) return;
    // It is not committed as far as it was frozen, so it is not among those being flushed.
    shard.thaw();
    if (this.#phase === 'frozen') {
      this.#uncommitted -= 1;
      if (this.#uncommitted === 0) this.#begin();
    }
  }

  /** A shard's log is about to be begun anew. What of it is being flushed goes on; the rows are cleared away after. */
  forgetting(shard: OpenShard): void {
    const { frozen } = shard;
    if (!frozen || this.#phase !== 'frozen') return;
    const isCommitted = shard.committed >= frozen.tail.position;
    shard.thaw();
    if (isCommitted) return;
    this.#uncommitted -= 1;
    if (this.#uncommitted === 0) this.#begin();
  }

  /** Resolves once what is being flushed, if anything is, is in the database. */
  flushed(): Promise<void> {
    return this.#phase === 'flushing' ? this.#idle() : Promise.resolve();
  }

  /**
   * Puts what waits into a batch that is being closed: at least a slice, and more than the batch has additions, so that
   * the index keeps up with the log when each record is another actor's.
   *
   * @returns whether the checkpoint is in it
   */
  seal(rows: BatchRows, additions: number): boolean {
    let count = 0;
    while (count === 0 || count < additions * rowsPerAddition) {
      const slice = this.#slices.shift();
      if (!slice) return false;
      for (const [key, value] of slice.rows) {
        if (value) rows.put(key, value);
        else rows.del(key);
      }
      count += this.#limits.indexRowsPerBatch;
      this.#sliceTaken?.();
      if (slice.isLast) {
        this.#putCheckpoint(rows);
        return true;
      }
    }
    if (this.#slices.length > 0) this.#driver.requestBatch();
    return false;
  }

  /** The batch with the checkpoint is in the database. */
  checkpointWritten(): void {
    for (const shard of this.#driver.shards()) if (shard.frozen?.isFlushing) shard.frozen = undefined;
    this.#driver.checkpointed(this.#floor!);
    this.#becomeIdle();
  }

  /** Brings to disk what is committed of everything there is. Resolves when it is in the database. */
  async flush(): Promise<void> {
    this.#beginIfFrozen();
    await this.#idle();
    if (this.#isAborted) return;
    this.#freeze();
    this.#beginIfFrozen();
    await this.#idle();
  }

  /** Nothing is written any more: who waits for a flush waits no longer. */
  abort(): void {
    this.#isAborted = true;
    this.#slices = [];
    this.#sliceTaken?.();
    this.#becomeIdle();
  }

  #idle(): Promise<void> {
    return this.#phase === 'idle' ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #becomeIdle(): void {
    this.#phase = 'idle';
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #grew(): void {
    if (this.#isAborted) return;
    if (this.#phase === 'idle') this.#freeze();
    else if (this.#phase === 'frozen') this.#begin();
  }

  #beginIfFrozen(): void {
    if (this.#phase === 'frozen') this.#begin();
  }

  #freeze(): void {
    this.#records = 0;
    this.#bytes = 0;
    this.#phase = 'frozen';
    this.#uncommitted = 0;
    for (const shard of this.#driver.shards()) {
      if (shard.tail.position === shard.base.position) continue;
      shard.freeze();
      if (shard.committed < shard.tail.position) this.#uncommitted += 1;
    }
    if (this.#uncommitted === 0) this.#begin();
  }

  #begin(): void {
    const flushing: OpenShard[] = [];
    for (const shard of this.#driver.shards()) {
      if (!shard.frozen) continue;
      if (shard.committed >= shard.frozen.tail.position) {
        shard.frozen.isFlushing = true;
        flushing.push(shard);
      } else {
        shard.thaw();
      }
    }
    if (flushing.length === 0) {
      this.#becomeIdle();
      return;
    }
    this.#phase = 'flushing';
    this.#makeSlices(flushing).catch((error) => this.#driver.failed(error as Error));
  }

  async #makeSlices(shards: readonly OpenShard[]): Promise<void> {
    await this.#driver.lookAtLogs();
    let part: IndexItem[] = [];
    for (const shard of shards) {
      for (const { type, id, entry } of shard.frozen!.overlay.entries()) {
        const key = actorKey(shard.shard, shard.gen, type, id);
        part.push({ shard, key, type: type as ActorTypeName, id: id as ActorId, entry });
        if (part.length < this.#limits.indexRowsPerBatch) continue;
        await this.#offer({ rows: await this.#encode(part), isLast: false });
        part = [];
      }
    }
    await this.#offer({ rows: await this.#encode(part), isLast: true });
  }

  async #encode(items: readonly IndexItem[]): Promise<Slice['rows']> {
    if (items.length === 0) return [];
    const below = await this.#driver.readRows(items.map(({ key }) => key));
    const rows: [Buffer, Buffer | undefined][] = [];
    for (const [i, { shard, key, type, id, entry }] of items.entries()) {
      const bytes = below[i];
      const before = bytes && decodeActorRow(type, id, bytes);
      const { wakeAt } = entry;
      if (before && before.wakeAt > 0 && before.wakeAt !== wakeAt)
        rows.push([wakeKey(shard.shard, shard.gen, { wakeAt: before.wakeAt, type, id }), undefined]);
      if (wakeAt > 0 && before?.wakeAt !== wakeAt)
        rows.push([wakeKey(shard.shard, shard.gen, { wakeAt, type, id }), noValue]);
      rows.push([key, encodeActorRow(type, id, withSnapshotFrom(entry, before))]);
    }
    return rows;
  }

  async #offer(slice: Slice): Promise<void> {
    while (this.#slices.length >= slicesAheadMax && !this.#isAborted)
      await new Promise<void>((resolve) => {
        this.#sliceTaken = resolve;
      });
    if (this.#isAborted) return;
    this.#slices.push(slice);
    this.#driver.requestBatch();
  }

  #putCheckpoint(rows: BatchRows): void {
    this.#floor = this.#driver.floor();
    for (const shard of this.#driver.shards()) if (shard.frozen?.isFlushing) shard.rebase();
    rows.put(checkpointKey, encodeCheckpoint(checkpointOf(this.#floor, this.#driver.shards())));
  }
}

interface IndexItem {
  readonly shard: OpenShard;
  readonly key: Buffer;
  readonly type: ActorTypeName;
  readonly id: ActorId;
  readonly entry: ActorIndexEntry;
}

/** The checkpoint with the shards' bases as they are. A log begun anew is in it from then on, also while it is empty. */
export function checkpointOf(floor: number, shards: Iterable<OpenShard>): Checkpoint {
  const entries = [];
  for (const { shard, gen, base, committed } of shards)
    if (base.position > 0 || gen > 0) entries.push({ shard, gen, tail: base, committed });
  return { floor, shards: entries };
}
