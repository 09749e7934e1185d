/**
 * The journal in memory: the same contract on a {@link MemoryDisk}. The simulator and the actors' tests run on it.
 * What is on the disk survives {@link MemoryJournal.crash}; what was added and not yet synced does not.
 *
 * It has no timers: a batch starts and ends in `defer`, and on a held disk when the test says so.
 */
import { assert } from '../core/assert.ts';
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import { ActorOverlay, entryAfter, LeastIds, snapshotUnknown } from './actor-index.ts';
import { compareIds } from './compare-ids.ts';
import { type HollowRecord, hollowResult } from './hollow.ts';
import {
  type ActorIndexEntry,
  type Completion,
  emptyTail,
  type HardState,
  type Journal,
  JournalError,
  type JournalStatus,
  type ListedActor,
  type ListedWake,
  type LogTail,
  type OpenReport,
  type ReadResult,
  type StoreIdentity,
  type WakeMark,
} from './journal.ts';
import { type JournalView, type ViewRow, viewRow } from './journal-view.ts';
import { assertRepairs } from './log-repair.ts';
import type { LogRow } from './log-row.ts';
import {
  assertCommittable,
  assertControlName,
  assertFollows,
  assertHollowFollows,
  assertShard,
  assertTruncatable,
  mustStay,
  tailAt,
} from './log-rules.ts';
import type { LogDamage } from './log-walk.ts';
import { type MemoryChange, MemoryDisk } from './memory-disk.ts';
import type { EncodedRecord, RecordHead } from './record.ts';

export interface MemoryJournalOptions {
  readonly identity: StoreIdentity;
  /** What was synced before; default: a new, empty disk. */
  readonly disk?: MemoryDisk;
  /** Runs a task later; default `setImmediate`. */
  readonly defer?: (task: () => void) => void;
}

interface Batch {
  readonly changes: MemoryChange[];
  readonly completions: Completion[];
  bytes: number;
}

interface Log {
  readonly rows: LogRow[];
  readonly index: ActorOverlay;
  tail: LogTail;
  committed: Position;
  rewrites: number;
}

export class MemoryJournal implements Journal {
  readonly disk: MemoryDisk;
  readonly #options: MemoryJournalOptions;
  readonly #defer: (task: () => void) => void;
  readonly #logs = new Map<ShardId, Log>();
  readonly #hardStates = new Map<ShardId, HardState>();
  readonly #controls = new Map<string, Buffer>();
  readonly #failureListeners: ((error: Error) => void)[] = [];
  readonly #damageListeners: ((damage: LogDamage) => void)[] = [];
  #status: JournalStatus = 'closed';
  #boot = 0;
  #batchAtOpen = 0;
  #opened = false;
  #crashed = false;
  #failure: Error | undefined;
  #gathering: Batch | undefined;
  #inFlight: Batch | undefined;
  #startIsPlanned = false;
  #commitMoves = 0;

  constructor(options: MemoryJournalOptions) {
    this.#options = options;
    this.disk = options.disk ?? new MemoryDisk();
    this.#defer = options.defer ?? setImmediate;
  }

  get status(): JournalStatus {
    return this.#status;
  }

  get identity(): StoreIdentity {
    assert(this.#opened, 'the journal has been opened');
    return this.#options.identity;
  }

  get boot(): number {
    return this.#opened ? this.#boot : 0;
  }

  get syncedBatch(): number {
    return this.disk.batches;
  }

  get batchAtOpen(): number {
    return this.#batchAtOpen;
  }

  get pendingBytes(): number {
    return (this.#gathering?.bytes ?? 0) + (this.#inFlight?.bytes ?? 0);
  }

  /**
   * The process dies: what was not synced is lost, nobody is told. The batch that was being synced is lost as well, or
   * is on disk as a whole if the caller says so. @returns a journal on what is left, to be opened
   */
  crash({ inFlightIsOnDisk = false }: { readonly inFlightIsOnDisk?: boolean } = {}): MemoryJournal {
    const inFlight = this.#inFlight;
    if (inFlightIsOnDisk && inFlight && !this.#crashed) this.disk.write(inFlight.changes, inFlight.bytes);
    this.#crashed = true;
    this.#status = 'closed';
    this.#gathering = undefined;
    this.#inFlight = undefined;
    this.disk.forgetWaiting();
    return new MemoryJournal({ ...this.#options, disk: this.disk });
  }

  async open(): Promise<OpenReport> {
    assert(!this.#opened && !this.#crashed, 'a journal is opened once');
    const { disk } = this;
    const { identity } = this.#options;
    if (disk.identity && disk.identity.storeId !== identity.storeId)
      throw new JournalError(
        'STORE_MISMATCH',
        `the disk holds store ${disk.identity.storeId}, not ${identity.storeId}`,
      );
    if (disk.lostBatches > 0)
      throw new JournalError('STORE_DAMAGED', `${disk.lostBatches} synced batches are missing; rebuild the store`);
    disk.identity = identity;
    disk.boot += 1;
    this.#boot = disk.boot;
    this.#batchAtOpen = disk.batches;
    this.#opened = true;
    this.#status = 'open';
    let recordsReplayed = 0;
    for (const [shard, rows] of disk.logs) {
      const log = this.#log(shard);
      for (const row of rows) this.#take(log, row);
      log.committed = disk.committed.get(shard) ?? 0;
      recordsReplayed += rows.length;
    }
    for (const [shard, state] of disk.hardStates) this.#hardStates.set(shard, state);
    for (const [name, value] of disk.controls) this.#controls.set(name, value);
    return { boot: disk.boot, recordsReplayed, tookMs: 0 };
  }

  async close(): Promise<void> {
    if (this.#status === 'open' && (this.#gathering || this.#inFlight)) await this.flush().catch(() => {});
    if (this.#status === 'open') for (const [shard, log] of this.#logs) this.disk.committed.set(shard, log.committed);
    this.#status = 'closed';
  }

  flush(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    const last = this.#gathering ?? this.#inFlight;
    if (!last) return Promise.resolve();
    return new Promise((resolve, reject) => last.completions.push({ durable: resolve, failed: reject }));
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListeners.push(listener);
  }

  onDamage(listener: (damage: LogDamage) => void): void {
    this.#damageListeners.push(listener);
  }

  tail(shard: ShardId): LogTail {
    return this.#logs.get(shard)?.tail ?? emptyTail;
  }

  hardState(shard: ShardId): HardState | undefined {
    return this.#hardStates.get(shard);
  }

  setHardState(shard: ShardId, state: HardState, completion: Completion): void {
    assertShard(this.identity, shard);
    this.#hardStates.set(shard, state);
    this.#add({ type: 'hardState', shard, state }, 64, completion);
  }

  control(name: string): Buffer | undefined {
    return this.#controls.get(name);
  }

  setControl(name: string, value: Uint8Array, completion: Completion): void {
    assertControlName(name);
    const copy = Buffer.from(value);
    this.#controls.set(name, copy);
    this.#add({ type: 'control', name, value: copy }, copy.length, completion);
  }

  append(shard: ShardId, record: EncodedRecord, completion: Completion): void {
    const log = this.#log(shard);
    assertFollows(this.identity, shard, log.tail, record.head);
    this.#take(log, record);
    this.#add({ type: 'append', shard, row: record }, record.bytes.length, completion);
  }

  appendHollow(shard: ShardId, record: HollowRecord, completion: Completion): void {
    const log = this.#log(shard);
    assertHollowFollows(shard, log.tail, record);
    const row = hollowOf(record);
    this.#take(log, row);
    this.#add({ type: 'append', shard, row }, 24, completion);
  }

  truncate(shard: ShardId, position: Position, completion: Completion): void {
    const log = this.#log(shard);
    assertTruncatable(shard, log.tail, log.committed, position);
    const kept = log.rows.slice(0, position);
    const { committed, rewrites } = log;
    this.#logs.delete(shard);
    const fresh = this.#log(shard);
    for (const row of kept) this.#take(fresh, row);
    fresh.committed = committed;
    fresh.rewrites = rewrites + 1;
    this.#add({ type: 'truncate', shard, position }, 16, completion);
  }

  forget(shard: ShardId, completion: Completion): void {
    const { rewrites } = this.#log(shard);
    this.#logs.delete(shard);
    this.#log(shard).rewrites = rewrites + 1;
    this.#add({ type: 'forget', shard }, 16, completion);
  }

  commit(shard: ShardId, position: Position): void {
    const log = this.#log(shard);
    assertCommittable(shard, log.tail, position);
    if (position <= log.committed) return;
    log.committed = position;
    this.#commitMoves += 1;
  }

  committed(shard: ShardId): Position {
    return this.#logs.get(shard)?.committed ?? 0;
  }

  /** How often anything became committed, in all shards: for who looks on, to tell whether he has to look again. */
  get commitMoves(): number {
    return this.#commitMoves;
  }

  /** How often rows of this shard that were there were cut off or changed: until it grows, the log only grew. */
  rewrites(shard: ShardId): number {
    return this.#logs.get(shard)?.rewrites ?? 0;
  }

  hollow(shard: ShardId, positions: readonly Position[], completion: Completion): void {
    const log = this.#log(shard);
    const rows: HollowRecord[] = [];
    for (const position of positions) {
      const row = log.rows[position - 1];
      if (!row || !('bytes' in row)) continue;
      const { head } = row;
      assert(position <= log.committed, () => `only committed records become hollow, got ${position}`);
      if (mustStay(head, log.index.get(head.type, head.id))) continue;
      rows.push(hollowOf(head));
    }
    for (const row of rows) log.rows[row.position - 1] = row;
    log.rewrites += 1;
    this.#add({ type: 'hollow', shard, rows }, rows.length * 24, completion);
  }

  repair(shard: ShardId, rows: readonly LogRow[], completion: Completion): void {
    assertRepairs(this, shard, rows);
    const log = this.#log(shard);
    const own = rows.map((row) => ('bytes' in row ? row : hollowOf(row)));
    for (const row of own) log.rows['bytes' in row ? row.head.position - 1 : row.position - 1] = row;
    log.rewrites += 1;
    this.#add({ type: 'repair', shard, rows: own }, rows.length * 24, completion);
  }

  read(shard: ShardId, position: Position): ReadResult {
    const row = this.#logs.get(shard)?.rows[position - 1];
    if (!row) return { type: 'absent' };
    const result = this.#readRow(shard, position, row);
    if (result.type === 'damaged')
      for (const listener of this.#damageListeners) listener({ shard, position, ...damageOf(result) });
    return result;
  }

  #readRow(shard: ShardId, position: Position, row: LogRow): ReadResult {
    // What is to take the place of the damaged row is in memory only.
    const damage = this.disk.logs.get(shard)?.[position - 1] === row ? this.disk.damageAt(shard, position) : undefined;
    if (damage === 'missing') return { type: 'damaged', problem: 'its row is missing' };
    if (damage === 'head') return { type: 'damaged', problem: 'its head does not verify' };
    if (!('bytes' in row)) return hollowResult(row);
    if (damage === 'body') return { type: 'damaged', problem: 'its body does not verify', head: row.head };
    return { type: 'record', head: row.head, body: row.bytes.subarray(row.head.headLength) };
  }

  async readRange(shard: ShardId, from: Position, bytesMax: number): Promise<readonly ReadResult[]> {
    const results: ReadResult[] = [];
    let bytes = 0;
    for (let position = Math.max(from, 1); position <= this.tail(shard).position && bytes < bytesMax; position++) {
      const row = this.#logs.get(shard)!.rows[position - 1]!;
      const size = 'bytes' in row ? row.bytes.length : 24;
      if (results.length > 0 && bytes + size > bytesMax) break;
      bytes += size;
      results.push(this.read(shard, position));
    }
    return results;
  }

  async view(): Promise<JournalView> {
    const rows = new Map([...this.#logs].map(([shard, { rows, committed }]) => [shard, rows.slice(0, committed)]));
    const tails = Array.from({ length: this.identity.shardCount }, (_, shard) => {
      let tail = emptyTail;
      for (const row of rows.get(shard) ?? []) tail = 'head' in row ? tailAt(row.head) : { ...row, time: tail.time };
      const { position, epoch, chain, time } = tail;
      return { position, epoch, chain, time };
    });
    const copied = (shard: ShardId, row: LogRow): ViewRow => {
      const position = 'head' in row ? row.head.position : row.position;
      const damage = this.disk.damageAt(shard, position);
      if (damage === 'missing' || damage === 'head')
        return viewRow(shard, position, this.read(shard, position), undefined);
      return 'head' in row ? { type: 'record', position, bytes: row.bytes } : { type: 'hollow', hollow: row };
    };
    return {
      tails,
      async *rows(shard) {
        const all = rows.get(shard) ?? [];
        if (all.length > 0) yield all.map((row) => copied(shard, row));
      },
      async close() {},
    };
  }

  actor(shard: ShardId, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    return this.#logs.get(shard)?.index.get(type, id);
  }

  async listActors(type: ActorTypeName, after: string | undefined, limit: number): Promise<readonly ListedActor[]> {
    const least = new LeastIds<ListedActor>(limit);
    for (const [shard, log] of this.#logs) {
      for (const [id, entry] of log.index.ofType(type)) {
        if (entry.deleted || (after !== undefined && compareIds(id, after) <= 0)) continue;
        least.offer({ ...entry, id: id as ActorId, shard });
      }
    }
    return least.items;
  }

  async wakes(shard: ShardId, after: WakeMark, limit: number): Promise<readonly ListedWake[]> {
    return this.#logs.get(shard)?.index.wakes(after, limit) ?? [];
  }

  async freeBytes(): Promise<number | undefined> {
    return this.disk.freeBytes;
  }

  #log(shard: ShardId): Log {
    let log = this.#logs.get(shard);
    if (!log) {
      assertShard(this.identity, shard);
      log = { rows: [], index: new ActorOverlay(), tail: emptyTail, committed: 0, rewrites: 0 };
      this.#logs.set(shard, log);
    }
    return log;
  }

  #take(log: Log, row: LogRow): void {
    log.rows.push(row);
    if (!('bytes' in row)) {
      log.tail = { position: row.position, epoch: row.epoch, chain: row.chain, time: log.tail.time };
      return;
    }
    const { head } = row;
    log.tail = tailAt(head);
    if (head.type === '') return;
    const entry = entryAfter(log.index.get(head.type, head.id), head);
    // This index is whole: what it does not know does not exist.
    log.index.set(
      head.type,
      head.id,
      entry.snapshotPosition === snapshotUnknown ? { ...entry, snapshotPosition: 0 } : entry,
    );
  }

  #add(change: MemoryChange, bytes: number, completion: Completion): void {
    assert(this.#opened && this.#status !== 'closed', 'the journal is open');
    const failure = this.#failure;
    if (failure) {
      this.#defer(() => completion.failed(failure));
      return;
    }
    this.#gathering ??= { changes: [], completions: [], bytes: 0 };
    const batch = this.#gathering;
    batch.changes.push(change);
    batch.completions.push(completion);
    batch.bytes += bytes;
    if (!this.#inFlight) this.#planStart();
  }

  #planStart(): void {
    if (this.#startIsPlanned) return;
    this.#startIsPlanned = true;
    this.#defer(() => {
      this.#startIsPlanned = false;
      this.#start();
    });
  }

  #start(): void {
    const batch = this.#gathering;
    if (!batch || this.#inFlight || this.#crashed) return;
    this.#gathering = undefined;
    this.#inFlight = batch;
    this.disk.whenAllowed(() => this.#sync(batch), this.#defer);
  }

  #sync(batch: Batch): void {
    if (this.#crashed) return;
    const failure = this.disk.write(batch.changes, batch.bytes);
    if (failure) {
      this.#becomeFailed(failure);
      return;
    }
    this.#inFlight = undefined;
    if (this.#gathering) this.#planStart();
    for (const completion of batch.completions) completion.durable();
  }

  #becomeFailed(cause: Error): void {
    const error = new JournalError('STORE_FAILED', `the journal could not be written: ${cause.message}`, cause);
    const pending = [...(this.#inFlight?.completions ?? []), ...(this.#gathering?.completions ?? [])];
    this.#failure = error;
    this.#status = 'failed';
    this.#inFlight = undefined;
    this.#gathering = undefined;
    for (const completion of pending) completion.failed(error);
    for (const listener of this.#failureListeners) listener(error);
  }
}

function damageOf({ problem, head }: ReadResult & { type: 'damaged' }) {
  return { problem, ...(head && head.type !== '' && { type: head.type, id: head.id }) };
}

function hollowOf({ position, epoch, actorHash, bodyCrc, chain }: HollowRecord | RecordHead): HollowRecord {
  return { position, epoch, actorHash, bodyCrc, chain };
}
