/**
 * The journal on LevelDB: one database per node, so that one fsync serves all shards.
 *
 * A record costs one row. The index of actors is derived, kept in memory and brought to disk lazily (index-flush.ts);
 * every batch puts one more row, which tells at the next opening whether anything is missing (batch-ledger.ts). What
 * is not in the database yet is read from memory (open-shard.ts); the rest of this file puts those parts together.
 *
 * Source: the design, "LevelDB: the log is the truth".
 */
import { readdir, statfs } from 'node:fs/promises';
import { assert } from '../core/assert.ts';
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import { ActorLayers } from './actor-layers.ts';
import { BatchLedger, encodeBatchRow } from './batch-ledger.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { ForgottenRows } from './forgotten-rows.ts';
import { type Batch, GroupCommit, type GroupCommitLimits } from './group-commit.ts';
import { encodeHollowBlock, type HollowBlock, type HollowRecord, hollowUpTo, withHollow } from './hollow.ts';
import { checkpointOf, IndexFlush, type IndexLimits, type IndexPhase } from './index-flush.ts';
import {
  type ActorIndexEntry,
  type Completion,
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
import type { JournalView } from './journal-view.ts';
import { batchKey, checkpointKey, hollowBlockStart, hollowKey, metaKey } from './keys.ts';
import { LevelView } from './level-view.ts';
import { logFileNumber } from './leveldb-manifest.ts';
import { listActors } from './list-actors.ts';
import { listWakes } from './list-wakes.ts';
import { headOf, LogReader } from './log-reader.ts';
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
import type { Database } from './log-scan.ts';
import type { LogDamage } from './log-walk.ts';
import type { OpenShard } from './open-shard.ts';
import { type OpenedStore, openStore, type StoreOptions } from './open-store.ts';
import type { EncodedRecord, RecordHead } from './record.ts';
import { encodeBoot } from './state-rows.ts';
import { StateTable } from './state-table.ts';
import type { Tally } from './tally.ts';

export interface LevelJournalLimits extends GroupCommitLimits, IndexLimits {
  /** Rows of old batches that are deleted with a batch. */
  readonly ledgerDeletesPerBatch: number;
}

export const levelJournalLimits: LevelJournalLimits = {
  batchRecordsMax: 8_192,
  batchBytesMax: 8 * 1024 * 1024,
  indexRecordsMax: 65_536,
  indexBytesMax: 16 * 1024 * 1024,
  indexRowsPerBatch: 512,
  ledgerDeletesPerBatch: 256,
};

export interface LevelJournalOptions extends StoreOptions {
  readonly limits?: Partial<LevelJournalLimits>;
  /** Runs a task after the current turn; default `setImmediate`. */
  readonly defer?: (task: () => void) => void;
  /** Told of records that do not verify, as far as they are met. */
  readonly onDamage?: (damage: LogDamage) => void;
  /** Leaves rows of forgotten logs where they are: for a copy that is only looked into. */
  readonly keepForgotten?: boolean;
}

/** Bytes a small row is counted as, for backpressure. */
const smallRowBytes = 64;

export class LevelJournal implements Journal {
  readonly #options: LevelJournalOptions;
  readonly #limits: LevelJournalLimits;
  readonly #defer: (task: () => void) => void;
  readonly #failureListeners: ((error: Error) => void)[] = [];
  readonly #damageListeners: ((damage: LogDamage) => void)[] = [];
  /** Met at opening. */
  #damages: readonly LogDamage[] = [];
  #status: JournalStatus = 'closed';
  #boot = 0;
  #isOpening = false;
  #closing: Promise<void> | undefined;
  #store!: OpenedStore;
  #database!: Database;
  #identity: StoreIdentity | undefined;
  #shards: OpenShard[] = [];
  #reader!: LogReader;
  #actors!: ActorLayers;
  #states!: StateTable;
  #logRows!: Tally;
  #ledger!: BatchLedger;
  #commits!: GroupCommit;
  #index!: IndexFlush;
  #forgotten!: ForgottenRows;
  /** The batch that holds the checkpoint, while it is being written. */
  #checkpointTicket = 0;
  /** Shards with rows in batches that are not over. */
  readonly #dirty = new Set<OpenShard>();

  constructor(options: LevelJournalOptions) {
    this.#options = options;
    this.#limits = { ...levelJournalLimits, ...options.limits };
    this.#defer = options.defer ?? setImmediate;
    if (options.onDamage) this.onDamage(options.onDamage);
  }

  get status(): JournalStatus {
    return this.#status;
  }

  get identity(): StoreIdentity {
    assert(this.#identity, 'the journal has been opened');
    return this.#identity;
  }

  get boot(): number {
    return this.#boot;
  }

  get pendingBytes(): number {
    return this.#commits?.pendingBytes ?? 0;
  }

  /** The newest batch that is synced: a peer that has seen a higher one knows that this store is an old copy. */
  get syncedBatch(): number {
    return this.#ledger.synced;
  }

  get batchAtOpen(): number {
    return this.#store.loaded.n;
  }

  /** How far bringing the index of actors to disk is. */
  get indexPhase(): IndexPhase {
    return this.#index.phase;
  }

  async open(): Promise<OpenReport> {
    assert(this.#status === 'closed' && !this.#isOpening && !this.#identity, 'a journal is opened once');
    this.#isOpening = true;
    try {
      return await this.#open();
    } finally {
      this.#isOpening = false;
    }
  }

  async #open(): Promise<OpenReport> {
    const startMs = performance.now();
    const store = await openStore(this.#options);
    const { loaded } = store;
    this.#store = store;
    this.#database = store.database;
    this.#shards = [...loaded.shards];
    this.#reader = new LogReader(store.database, loaded.identity.shardCount, (damage) => this.#tellDamage(damage));
    this.#actors = new ActorLayers(store.database, this.#reader);
    this.#states = new StateTable(loaded.hardStates, loaded.controls);
    this.#logRows = loaded.logRows;
    this.#ledger = new BatchLedger(loaded.n, loaded.oldestBatch);
    this.#commits = this.#makeCommits();
    this.#index = this.#makeIndex();
    this.#forgotten = new ForgottenRows({
      database: () => this.#database,
      gen: (shard) => this.#shards[shard]!.gen,
      indexWritten: () => this.#index.flushed(),
      failed: (error) => this.#commits.abort(error),
    });
    this.#index.found(loaded.recordsRead, loaded.bytesRead);
    this.#identity = loaded.identity;
    this.#status = 'open';
    const boot = loaded.boot + 1;
    this.#boot = boot;
    try {
      await this.#keepBoot(boot);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#damages = loaded.damages;
    for (const damage of loaded.damages) this.#tellDamage(damage);
    if (!this.#options.keepForgotten)
      for (const { shard, gen } of this.#shards) if (gen > 0) this.#forgotten.add(shard);
    return { boot, recordsReplayed: loaded.recordsRead, tookMs: performance.now() - startMs };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#identity) return;
    if (this.#status === 'open') {
      try {
        await this.flush();
        await this.#index.flush();
        await this.flush();
      } catch {
        // It has failed: everyone was told.
      }
    }
    await this.#forgotten.stop();
    this.#status = 'closed';
    await this.#store.close();
  }

  flush(): Promise<void> {
    this.#assertOpened();
    const { failure } = this.#commits;
    if (failure) return Promise.reject(failure);
    return new Promise((resolve, reject) => this.#commits.afterPending({ durable: resolve, failed: reject }));
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListeners.push(listener);
  }

  onDamage(listener: (damage: LogDamage) => void): void {
    this.#damageListeners.push(listener);
    for (const damage of this.#damages) listener(damage);
  }

  tail(shard: ShardId): LogTail {
    return this.#shard(shard).tail;
  }

  hardState(shard: ShardId): HardState | undefined {
    return this.#states.hardState(shard);
  }

  setHardState(shard: ShardId, state: HardState, completion: Completion): void {
    this.#shard(shard);
    this.#states.setHardState(shard, state, this.#add(smallRowBytes * 2, completion).rows);
  }

  control(name: string): Buffer | undefined {
    return this.#states.control(name);
  }

  setControl(name: string, value: Uint8Array, completion: Completion): void {
    assertControlName(name);
    this.#states.setControl(name, value, this.#add(smallRowBytes + value.length * 2, completion).rows);
  }

  append(shard: ShardId, record: EncodedRecord, completion: Completion): void {
    const open = this.#shard(shard);
    const { head, bytes } = record;
    assertFollows(this.identity, shard, open.tail, head);
    const batch = this.#add(bytes.length, completion);
    batch.rows.put(open.keyAt(head.position), bytes);
    open.add(record, tailAt(head), batch.ticket);
    this.#dirty.add(open);
    this.#actors.appended(open, head);
    this.#index.appended(bytes.length);
  }

  appendHollow(shard: ShardId, record: HollowRecord, completion: Completion): void {
    const open = this.#shard(shard);
    assertHollowFollows(shard, open.tail, record);
    const batch = this.#add(smallRowBytes, completion);
    const { position, epoch, chain } = record;
    const { time } = open.tail;
    open.add(record, { position, epoch, chain, time }, batch.ticket);
    this.#putBlock(open, withHollow(this.#reader.hollowBlock(open, hollowBlockStart(position)), record, time), batch);
    this.#index.appended(smallRowBytes);
  }

  truncate(shard: ShardId, position: Position, completion: Completion): void {
    const open = this.#shard(shard);
    assertTruncatable(shard, open.tail, open.committed, position);
    const tail = this.#reader.tailAt(open, position);
    const removed: (RecordHead | HollowRecord)[] = [];
    for (let at = position + 1; at <= open.tail.position; at++) {
      const result = this.#reader.read(open, at);
      const row = result.type === 'hollow' ? result : headOf(result);
      if (row) removed.push(row);
      else throw new JournalError('STORE_DAMAGED', `record ${at} of shard ${shard} is to be removed, but is damaged`);
    }
    const batch = this.#add(smallRowBytes + removed.length * 16, completion);
    this.#index.cutting(open, position);
    const blocks = new Set<Position>();
    for (const row of removed) {
      batch.rows.del(open.keyAt(row.position));
      if (!('kind' in row)) blocks.add(hollowBlockStart(row.position));
    }
    for (const start of blocks)
      this.#putBlock(open, hollowUpTo(this.#reader.hollowBlock(open, start)!, position), batch);
    open.cut(tail, removed);
    this.#dirty.add(open);
    this.#actors.cutOff(open, removed);
  }

  commit(shard: ShardId, position: Position): void {
    const open = this.#shard(shard);
    assertCommittable(shard, open.tail, position);
    const before = open.committed;
    if (position <= before) return;
    open.committed = position;
    this.#index.committed(open, before, position);
  }

  committed(shard: ShardId): Position {
    return this.#shard(shard).committed;
  }

  hollow(shard: ShardId, positions: readonly Position[], completion: Completion): void {
    const open = this.#shard(shard);
    const blocks = new Map<Position, HollowBlock>();
    const heads: RecordHead[] = [];
    for (const position of positions) {
      const head = headOf(this.#reader.read(open, position));
      if (!head) continue;
      assert(position <= open.committed, () => `only committed records become hollow, got ${position}`);
      if (head.type !== '' && mustStay(head, this.actor(shard, head.type, head.id as ActorId))) continue;
      heads.push(head);
      const start = hollowBlockStart(position);
      const { epoch, actorHash, bodyCrc, chain, time } = head;
      const block = blocks.get(start) ?? this.#reader.hollowBlock(open, start);
      blocks.set(start, withHollow(block, { position, epoch, actorHash, bodyCrc, chain }, time));
    }
    const batch = this.#add(smallRowBytes * (1 + heads.length), completion);
    for (const { position } of heads) batch.rows.del(open.keyAt(position));
    for (const block of blocks.values()) this.#putBlock(open, block, batch);
  }

  forget(shard: ShardId, completion: Completion): void {
    const open = this.#shard(shard);
    const durable = (): void => {
      if (!this.#options.keepForgotten) this.#forgotten.add(shard);
      completion.durable();
    };
    const batch = this.#add(smallRowBytes, { durable, failed: (error) => completion.failed(error) });
    this.#index.forgetting(open);
    this.#shards[shard] = open.begunAnew();
    batch.rows.put(checkpointKey, encodeCheckpoint(checkpointOf(this.#ledger.floor, this.#shards)));
  }

  /** Resolves once the rows of forgotten logs have left the database, and the space is free again. */
  async forgottenGone(): Promise<void> {
    await this.flush();
    await this.#forgotten.gone();
  }

  repair(shard: ShardId, rows: readonly LogRow[], completion: Completion): void {
    const open = this.#shard(shard);
    assertRepairs(this, shard, rows);
    const bytes = rows.reduce((sum, row) => sum + ('bytes' in row ? row.bytes.length : smallRowBytes), 0);
    const batch = this.#add(bytes, completion);
    for (const row of rows) {
      if ('bytes' in row) {
        batch.rows.put(open.keyAt(row.head.position), row.bytes);
        continue;
      }
      const { position } = row;
      batch.rows.del(open.keyAt(position));
      this.#putBlock(open, withHollow(this.#reader.hollowBlock(open, hollowBlockStart(position)), row, 0), batch);
    }
  }

  read(shard: ShardId, position: Position): ReadResult {
    return this.#reader.read(this.#shard(shard), position);
  }

  async readRange(shard: ShardId, from: Position, bytesMax: number): Promise<readonly ReadResult[]> {
    return this.#reader.readRange(this.#shard(shard), Math.max(from, 1), bytesMax);
  }

  async view(): Promise<JournalView> {
    await this.flush();
    this.#assertOpened();
    return new LevelView(this.#database, this.#reader, this.#shards);
  }

  actor(shard: ShardId, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    return this.#actors.get(this.#shard(shard), type, id);
  }

  listActors(type: ActorTypeName, after: string | undefined, limit: number): Promise<readonly ListedActor[]> {
    this.#assertOpened();
    return listActors(this.#database, this.#shards, type, after, limit);
  }

  wakes(shard: ShardId, after: WakeMark, limit: number): Promise<readonly ListedWake[]> {
    return listWakes(this.#database, this.#shard(shard), after, limit);
  }

  async freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(this.#options.directory);
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  #tellDamage(damage: LogDamage): void {
    for (const listener of this.#damageListeners) listener(damage);
  }

  #assertOpened(): void {
    assert(this.#status !== 'closed', 'the journal is open');
  }

  #shard(shard: ShardId): OpenShard {
    const open = this.#shards[shard];
    if (!open || this.#status === 'closed') {
      this.#assertOpened();
      assertShard(this.identity, shard);
    }
    return open!;
  }

  #add(bytes: number, completion: Completion): Batch {
    this.#assertOpened();
    assert(!this.#closing, 'the journal is not being closed');
    return this.#commits.add(bytes, completion);
  }

  /** The first batch: this start's number, and a checkpoint that lets the ledger forget what opening moved into tables. */
  #keepBoot(boot: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { floor } = this.#ledger;
      const durable = (): void => {
        this.#ledger.floorIsKept(floor);
        resolve();
      };
      const batch = this.#commits.add(smallRowBytes, { durable, failed: reject });
      batch.rows.put(metaKey('boot'), encodeBoot(boot));
      batch.rows.put(checkpointKey, encodeCheckpoint(checkpointOf(floor, this.#shards)));
    });
  }

  #makeCommits(): GroupCommit {
    return new GroupCommit(this.#limits, {
      newRows: () => this.#database.batch(),
      seal: (batch) => this.#seal(batch),
      written: (batch, synced) => this.#written(batch, synced),
      failed: (error) => this.#becomeFailed(error),
      defer: this.#defer,
    });
  }

  #makeIndex(): IndexFlush {
    return new IndexFlush(this.#limits, {
      shards: () => this.#shards,
      readRows: (keys) => this.#database.getMany([...keys]),
      lookAtLogs: async () => {
        const names = await readdir(this.#database.location);
        this.#ledger.sawLogs(names.map(logFileNumber).filter((number) => number !== undefined));
      },
      floor: () => this.#ledger.floor,
      checkpointed: (floor) => this.#ledger.floorIsKept(floor),
      requestBatch: () => this.#commits.request(),
      failed: (error) => this.#commits.abort(error),
    });
  }

  #seal(batch: Batch): boolean {
    if (this.#index.seal(batch.rows, batch.additions)) this.#checkpointTicket = batch.ticket;
    const { from, to } = this.#ledger.takeDeletable(this.#limits.ledgerDeletesPerBatch);
    for (let n = from; n < to; n++) batch.rows.del(batchKey(n));
    const n = ++this.#ledger.n;
    batch.rows.put(batchKey(n), encodeBatchRow(n, { log: this.#logRows, states: this.#states.tally }));
    return batch.completions.length > 0;
  }

  #written(batch: Batch, synced: boolean): void {
    this.#ledger.over(synced);
    if (synced) this.#store.watermark.raise(this.#ledger.synced);
    for (const shard of this.#dirty) if (shard.written(batch.ticket)) this.#dirty.delete(shard);
    if (batch.ticket === this.#checkpointTicket) this.#index.checkpointWritten();
  }

  #becomeFailed(cause: Error): Error {
    const error = new JournalError(
      'STORE_FAILED',
      `${this.#options.directory} cannot be written any more: ${cause.message}. What was acknowledged is safe; ` +
        'see to the disk (is it full?) and start the node again.',
      cause,
    );
    this.#status = 'failed';
    this.#index.abort();
    this.#defer(() => {
      for (const listener of this.#failureListeners) listener(error);
    });
    return error;
  }

  #putBlock(open: OpenShard, block: HollowBlock, batch: Batch): void {
    const key = hollowKey(open.shard, open.gen, block.start);
    if (block.entries.length === 0) batch.rows.del(key);
    else batch.rows.put(key, encodeHollowBlock(block));
    open.setUnsyncedBlock(block, batch.ticket);
    this.#dirty.add(open);
  }
}
