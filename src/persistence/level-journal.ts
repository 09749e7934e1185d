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
import { decodeActorRow, entryAfter, snapshotUnknown, withSnapshotFrom } from './actor-index.ts';
import { BatchLedger, encodeBatchRow } from './batch-ledger.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { type Batch, GroupCommit, type GroupCommitLimits } from './group-commit.ts';
import {
  decodeHollowBlock,
  encodeHollowBlock,
  findHollow,
  type HollowBlock,
  type HollowRecord,
  hollowResult,
  hollowUpTo,
  withHollow,
} from './hollow.ts';
import { checkpointOf, IndexFlush, type IndexLimits } from './index-flush.ts';
import {
  type ActorIndexEntry,
  type Completion,
  emptyTail,
  type HardState,
  type Journal,
  JournalError,
  type JournalStatus,
  type ListedActor,
  type LogTail,
  type OpenReport,
  type ReadResult,
  type StoreIdentity,
} from './journal.ts';
import {
  actorKey,
  batchKey,
  checkpointKey,
  controlKey,
  hardStateKey,
  hollowBlockStart,
  hollowKey,
  metaKey,
} from './keys.ts';
import { logFileNumber } from './leveldb-manifest.ts';
import { listActors } from './list-actors.ts';
import { missingRow, readRow, rowBytes } from './log-row.ts';
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
import { type Database, scanLog } from './log-scan.ts';
import type { LogDamage } from './log-walk.ts';
import type { OpenShard } from './open-shard.ts';
import { type OpenedStore, openStore, type StoreOptions } from './open-store.ts';
import { type EncodedRecord, nextChain, type RecordHead } from './record.ts';
import { encodeBoot, encodeControl, encodeHardState } from './state-rows.ts';
import { stateRowHash, type Tally } from './tally.ts';

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
}

/** Bytes a small row is counted as, for backpressure. */
const smallRowBytes = 64;

export class LevelJournal implements Journal {
  readonly #options: LevelJournalOptions;
  readonly #limits: LevelJournalLimits;
  readonly #defer: (task: () => void) => void;
  readonly #failureListeners: ((error: Error) => void)[] = [];
  readonly #stateHashes = new Map<string, number>();
  #status: JournalStatus = 'closed';
  #isOpening = false;
  #closing: Promise<void> | undefined;
  #store!: OpenedStore;
  #database!: Database;
  #identity: StoreIdentity | undefined;
  #shards: readonly OpenShard[] = [];
  #hardStates = new Map<ShardId, HardState>();
  #controls = new Map<string, Buffer>();
  #logRows!: Tally;
  #states!: Tally;
  #ledger!: BatchLedger;
  #commits!: GroupCommit;
  #index!: IndexFlush;
  /** The batch that holds the checkpoint, while it is being written. */
  #checkpointTicket = 0;
  /** Shards with rows in batches that are not over. */
  readonly #dirty = new Set<OpenShard>();

  constructor(options: LevelJournalOptions) {
    this.#options = options;
    this.#limits = { ...levelJournalLimits, ...options.limits };
    this.#defer = options.defer ?? setImmediate;
  }

  get status(): JournalStatus {
    return this.#status;
  }

  get identity(): StoreIdentity {
    assert(this.#identity, 'the journal has been opened');
    return this.#identity;
  }

  get pendingBytes(): number {
    return this.#commits?.pendingBytes ?? 0;
  }

  /** The newest batch that is synced: a peer that has seen a higher one knows that this store is an old copy. */
  get syncedBatch(): number {
    return this.#ledger.synced;
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
    this.#shards = loaded.shards;
    this.#hardStates = new Map(loaded.hardStates);
    this.#controls = new Map(loaded.controls);
    this.#logRows = loaded.logRows;
    this.#states = loaded.states;
    this.#rememberStateHashes();
    this.#ledger = new BatchLedger(loaded.n, loaded.oldestBatch);
    this.#commits = this.#makeCommits();
    this.#index = this.#makeIndex();
    this.#index.found(loaded.recordsRead, loaded.bytesRead);
    this.#identity = loaded.identity;
    this.#status = 'open';
    const boot = loaded.boot + 1;
    try {
      await this.#keepBoot(boot);
    } catch (error) {
      await this.close();
      throw error;
    }
    for (const damage of loaded.damages) this.#options.onDamage?.(damage);
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

  tail(shard: ShardId): LogTail {
    return this.#shard(shard).tail;
  }

  hardState(shard: ShardId): HardState | undefined {
    return this.#hardStates.get(shard);
  }

  setHardState(shard: ShardId, state: HardState, completion: Completion): void {
    this.#shard(shard);
    this.#hardStates.set(shard, state);
    this.#putTwice((copy) => hardStateKey(shard, copy), encodeHardState(shard, state), completion);
  }

  control(name: string): Buffer | undefined {
    return this.#controls.get(name);
  }

  setControl(name: string, value: Uint8Array, completion: Completion): void {
    assertControlName(name);
    this.#controls.set(name, Buffer.from(value));
    this.#putTwice((copy) => controlKey(name, copy), encodeControl(value), completion);
  }

  append(shard: ShardId, record: EncodedRecord, completion: Completion): void {
    const open = this.#shard(shard);
    const { head, bytes } = record;
    assertFollows(this.identity, shard, open.tail, head);
    const batch = this.#add(bytes.length, completion);
    batch.rows.put(open.keyAt(head.position), bytes);
    open.add(record, tailAt(head), batch.ticket);
    this.#dirty.add(open);
    if (head.type !== '') this.#indexRecord(open, head);
    this.#index.appended(bytes.length);
  }

  appendHollow(shard: ShardId, record: HollowRecord, completion: Completion): void {
    const open = this.#shard(shard);
    assertHollowFollows(shard, open.tail, record);
    const batch = this.#add(smallRowBytes, completion);
    const { position, epoch, chain } = record;
    const { time } = open.tail;
    open.add(record, { position, epoch, chain, time }, batch.ticket);
    this.#putBlock(open, withHollow(this.#block(open, hollowBlockStart(position)), record, time), batch);
    this.#index.appended(smallRowBytes);
  }

  truncate(shard: ShardId, position: Position, completion: Completion): void {
    const open = this.#shard(shard);
    assertTruncatable(shard, open.tail, open.committed, position);
    const tail = this.#tailAt(open, position);
    const removed: (RecordHead | HollowRecord)[] = [];
    for (let at = position + 1; at <= open.tail.position; at++) {
      const result = this.read(shard, at);
      if (result.type === 'hollow') removed.push(result);
      else if ('head' in result && result.head) removed.push(result.head);
      else throw new JournalError('STORE_DAMAGED', `record ${at} of shard ${shard} is to be removed, but is damaged`);
    }
    const batch = this.#add(smallRowBytes + removed.length * 16, completion);
    this.#index.cutting(open, position);
    const blocks = new Set<Position>();
    for (const row of removed) {
      batch.rows.del(open.keyAt(row.position));
      if (!('kind' in row)) blocks.add(hollowBlockStart(row.position));
    }
    for (const start of blocks) this.#putBlock(open, hollowUpTo(this.#block(open, start)!, position), batch);
    open.cut(tail, removed);
    this.#dirty.add(open);
    this.#unindex(open, removed);
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
      const result = this.read(shard, position);
      const head = 'head' in result ? result.head : undefined;
      if (!head) continue;
      assert(position <= open.committed, () => `only committed records become hollow, got ${position}`);
      if (head.type !== '' && mustStay(head, this.actor(shard, head.type, head.id as ActorId))) continue;
      heads.push(head);
      const start = hollowBlockStart(position);
      const { epoch, actorHash, bodyCrc, chain, time } = head;
      const block = blocks.get(start) ?? this.#block(open, start);
      blocks.set(start, withHollow(block, { position, epoch, actorHash, bodyCrc, chain }, time));
    }
    const batch = this.#add(smallRowBytes * (1 + heads.length), completion);
    for (const { position } of heads) batch.rows.del(open.keyAt(position));
    for (const block of blocks.values()) this.#putBlock(open, block, batch);
  }

  read(shard: ShardId, position: Position): ReadResult {
    const open = this.#shard(shard);
    if (position < 1 || position > open.tail.position) return { type: 'absent' };
    const unsynced = open.unsynced(position);
    if (unsynced) {
      if (!('bytes' in unsynced)) return hollowResult(unsynced);
      const { head, bytes } = unsynced;
      return { type: 'record', head, body: bytes.subarray(head.headLength) };
    }
    const hollow = open.unsyncedHollow(position);
    if (hollow) return hollowResult(hollow);
    const result = this.#readRow(open, position);
    if (result.type === 'damaged') this.#tellDamage(shard, position, result);
    return result;
  }

  async readRange(shard: ShardId, from: Position, bytesMax: number): Promise<readonly ReadResult[]> {
    const open = this.#shard(shard);
    for (;;) {
      const { truncations } = open;
      const results = await this.#readWritten(open, Math.max(from, 1), bytesMax);
      // What was read may have been cut off meanwhile, and other records have come in its place.
      if (open.truncations !== truncations) continue;
      let bytes = results.reduce((sum, result) => sum + rowBytes(result), 0);
      for (let at = Math.max(from, 1) + results.length; at <= open.tail.position; at++) {
        const result = this.read(shard, at);
        bytes += rowBytes(result);
        if (bytes > bytesMax && results.length > 0) break;
        results.push(result);
      }
      return results;
    }
  }

  actor(shard: ShardId, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    const open = this.#shard(shard);
    const entry = open.recent.get(type, id) ?? open.frozen?.overlay.get(type, id);
    if (entry && entry.snapshotPosition !== snapshotUnknown) return entry;
    const below = this.#below(open, type, id);
    return entry ? withSnapshotFrom(entry, below) : below;
  }

  listActors(type: ActorTypeName, after: string | undefined, limit: number): Promise<readonly ListedActor[]> {
    this.#assertOpened();
    return listActors(this.#database, this.#shards, type, after, limit);
  }

  async freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(this.#options.directory);
      return bavail * bsize;
    } catch {
      return undefined;
    }
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

  #putTwice(keyOf: (copy: 0 | 1) => Buffer, value: Buffer, completion: Completion): void {
    const batch = this.#add(value.length * 2, completion);
    const key = keyOf(0);
    batch.rows.put(key, value);
    batch.rows.put(keyOf(1), value);
    this.#countState(key, value);
  }

  #countState(key: Buffer, value: Buffer): void {
    const name = key.toString('latin1');
    const before = this.#stateHashes.get(name);
    if (before !== undefined) this.#states.remove(before);
    const hash = stateRowHash(key, value);
    this.#stateHashes.set(name, hash);
    this.#states.add(hash);
  }

  #rememberStateHashes(): void {
    const remember = (key: Buffer, value: Buffer): unknown =>
      this.#stateHashes.set(key.toString('latin1'), stateRowHash(key, value));
    for (const [shard, state] of this.#hardStates) remember(hardStateKey(shard, 0), encodeHardState(shard, state));
    for (const [name, value] of this.#controls) remember(controlKey(name, 0), encodeControl(value));
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
    batch.rows.put(batchKey(n), encodeBatchRow(n, { log: this.#logRows, states: this.#states }));
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

  #readRow(open: OpenShard, position: Position): ReadResult {
    const { shardCount } = this.identity;
    let bytes: Buffer | undefined;
    try {
      bytes = this.#database.getSync(open.keyAt(position));
    } catch (error) {
      return { type: 'damaged', problem: `it cannot be read (${(error as Error).message})` };
    }
    if (!bytes) {
      const hollow = findHollow(this.#block(open, hollowBlockStart(position)), position);
      return hollow ? hollowResult(hollow) : missingRow;
    }
    const result = readRow(bytes, shardCount, open.shard, position);
    if (result.type === 'record' && result.head.type === '' && !this.#isChained(open, result.head))
      return { type: 'damaged', problem: 'its chain is broken' };
    return result;
  }

  /** A record of no actor could lie in any shard: only its chain says that it is in its own. */
  #isChained(open: OpenShard, head: RecordHead): boolean {
    const { position, epoch, actorHash, bodyCrc, chain } = head;
    let before = 0;
    if (position > 1) {
      const previous = this.read(open.shard, position - 1);
      if (previous.type === 'hollow') before = previous.chain;
      else if ('head' in previous && previous.head) before = previous.head.chain;
      else return true;
    }
    return chain === nextChain(before, position, epoch, actorHash, bodyCrc);
  }

  #block(open: OpenShard, start: Position): HollowBlock | undefined {
    const unsynced = open.unsyncedBlock(start);
    if (unsynced) return unsynced;
    try {
      const bytes = this.#database.getSync(hollowKey(open.shard, open.gen, start));
      return bytes && decodeHollowBlock(bytes, start);
    } catch {
      return undefined;
    }
  }

  #putBlock(open: OpenShard, block: HollowBlock, batch: Batch): void {
    const key = hollowKey(open.shard, open.gen, block.start);
    if (block.entries.length === 0) batch.rows.del(key);
    else batch.rows.put(key, encodeHollowBlock(block));
    open.setUnsyncedBlock(block, batch.ticket);
    this.#dirty.add(open);
  }

  async #readWritten(open: OpenShard, from: Position, bytesMax: number): Promise<ReadResult[]> {
    const results: ReadResult[] = [];
    let bytes = 0;
    const rowsPerChunk = Math.min(1000, Math.max(16, Math.ceil(bytesMax / 128)));
    const { shardCount } = this.identity;
    const range = { shardCount, shard: open.shard, gen: open.gen, from, to: open.writtenTo, rowsPerChunk };
    for await (const rows of scanLog(this.#database, range)) {
      for (const { position, result } of rows) {
        const hollow = open.unsyncedHollow(position);
        const current = hollow ? hollowResult(hollow) : result;
        bytes += rowBytes(current);
        if (bytes > bytesMax && results.length > 0) return results;
        if (current.type === 'damaged') this.#tellDamage(open.shard, position, current);
        results.push(current);
      }
    }
    return results;
  }

  #below(open: OpenShard, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    const bytes = this.#database.getSync(actorKey(open.shard, open.gen, type, id));
    if (!bytes) return undefined;
    const entry = decodeActorRow(type, id, bytes);
    if (!entry) throw new JournalError('STORE_DAMAGED', `the index row of ${type} '${id}' is damaged`);
    return entry;
  }

  #indexRecord(open: OpenShard, head: RecordHead): void {
    const type = head.type as ActorTypeName;
    const id = head.id as ActorId;
    let before = open.recent.get(type, id) ?? open.frozen?.overlay.get(type, id);
    if (!before && head.kind === 'snapshot') before = this.#below(open, type, id);
    open.recent.set(type, id, entryAfter(before, head));
  }

  /** Takes records back out of the index: each of their actors is where it was before the first of them. */
  #unindex(open: OpenShard, removed: readonly (RecordHead | HollowRecord)[]): void {
    const seen = new Set<string>();
    for (const head of removed) {
      if (!('kind' in head) || head.type === '') continue;
      const type = head.type as ActorTypeName;
      const id = head.id as ActorId;
      const name = `${type}/${id}`;
      if (seen.has(name)) continue;
      seen.add(name);
      const covered = open.frozen?.tail.position ?? open.base.position;
      const entry = this.#entryAt(open, type, id, head.previous[0] ?? 0, covered);
      if (entry) open.recent.set(type, id, entry);
      else open.recent.delete(type, id);
    }
  }

  /** An actor's entry if its newest record is at `newest`; undefined if the layers below, up to `covered`, know it. */
  #entryAt(
    open: OpenShard,
    type: ActorTypeName,
    id: ActorId,
    newest: Position,
    covered: Position,
  ): ActorIndexEntry | undefined {
    const heads: RecordHead[] = [];
    let hasSnapshot = false;
    let isDeletionKnown = false;
    for (let at = newest; at > covered; ) {
      const row = this.read(open.shard, at);
      const head = 'head' in row ? row.head : undefined;
      if (!head) break;
      heads.push(head);
      // Nothing older changes the outcome.
      hasSnapshot ||= head.kind !== 'command';
      isDeletionKnown ||= head.kind !== 'snapshot';
      if (hasSnapshot && isDeletionKnown) break;
      at = head.previous[0] ?? 0;
    }
    if (heads.length === 0) return undefined;
    let entry = open.frozen?.overlay.get(type, id) ?? this.#below(open, type, id);
    for (const head of heads.reverse()) entry = entryAfter(entry, head);
    return entry;
  }

  #tailAt(open: OpenShard, position: Position): LogTail {
    if (position === open.tail.position) return open.tail;
    if (position === 0) return emptyTail;
    if (position === open.base.position) return open.base;
    const result = this.read(open.shard, position);
    if (result.type === 'hollow')
      return {
        position,
        epoch: result.epoch,
        chain: result.chain,
        time: this.#block(open, hollowBlockStart(position))?.time ?? open.base.time,
      };
    const head = 'head' in result ? result.head : undefined;
    if (!head)
      throw new JournalError(
        'STORE_DAMAGED',
        `record ${position} of shard ${open.shard} would be its last, but is damaged`,
      );
    return tailAt(head);
  }

  #tellDamage(shard: ShardId, position: Position, result: ReadResult & { type: 'damaged' }): void {
    const { head, problem } = result;
    this.#options.onDamage?.({ shard, position, problem, ...(head && { type: head.type, id: head.id }) });
  }
}
