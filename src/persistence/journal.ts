/**
 * The journal: what one node keeps on its disk. It holds, for every shard the node has a copy of, the shard's log of
 * records and its hard state, and the node's own control rows.
 *
 * The log is the truth; the index of actors is derived from it and can be rebuilt.
 *
 * ## Contract
 *
 * - **One writer, one batch in flight.** `append`, `setHardState`, `setControl`, `truncate`, `hollow` and `forget` add to the
 *   batch that gathers and return at once. At most one batch is being synced; when it is, everything gathered
 *   meanwhile goes in the next one. A batch is atomic: after a crash all of it is there, or nothing.
 * - **Durable means fsynced.** A {@link Completion}'s `durable()` is called, in the order of the calls that added
 *   them, once the batch is on disk. Nothing may be acknowledged before.
 * - **Read your writes.** `read` and `actor` see what was appended, also before it is durable (the owner needs it;
 *   what leaves the node is gated by completions and commit, not by reads).
 * - **Positions** of a shard's log have no gap: `append` takes `tail + 1` and nothing else.
 * - **Failure is final.** After a failed write or fsync every pending and later completion gets `failed(error)`, the
 *   status is `failed`, and `onFailure` is called once. What was in flight may or may not be on disk. Reads go on.
 * - **Damage is told, never served.** A record whose head or body does not verify is reported as damaged by `read`;
 *   a store that lost synced rows does not open (`STORE_DAMAGED`), and is left as it was found. `onDamage` is told of
 *   every damaged record that is met; `repair` puts the same record of another copy in its place, and nothing else.
 * - **Actor index.** `actor` answers from the newest record of that actor in the log. It covers everything
 *   appended; what it flushes to disk covers only what `commit` has announced. So does `wakes`, the same entries in
 *   the order of their `wakeAt`: who has to be woken is known without reading anybody's history.
 *
 * Every implementation passes `journalSuite` (exported from `greenroom/testing`).
 */
import type { ActorId, ActorTypeName, Epoch, Position, SequenceNumber, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import type { JournalView } from './journal-view.ts';
import type { LogRow } from './log-row.ts';
import type { LogDamage } from './log-walk.ts';
import type { EncodedRecord, RecordHead } from './record.ts';

export { JournalError, type JournalErrorCode } from './journal-error.ts';

/** Who this store is. Written when the disk is formatted, and kept beside the database as well as in it. */
export interface StoreIdentity {
  readonly clusterId: string;
  /** The node's name. */
  readonly node: string;
  /** Random; a disk formatted anew is another store. */
  readonly storeId: string;
  /** Fixed at founding. */
  readonly shardCount: number;
  /** Fixed at founding. */
  readonly replicas: number;
}

/** A shard's durable promises (DESIGN §6, "Replica"). */
export interface HardState {
  /** The highest epoch this replica has promised; no append of a lower one is accepted. */
  readonly promisedEpoch: Epoch;
  /** Whom it was promised to: a store id. */
  readonly promisedTo: string;
}

/** A place in a shard's log. Same position and epoch means the same chain. */
export interface LogTail {
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
  /** The newest record's time, milliseconds since 1970. */
  readonly time: number;
}

export const emptyTail: LogTail = { position: 0, epoch: 0, chain: 0, time: 0 };

/** Where an actor's newest records are. */
export interface ActorIndexEntry {
  readonly sequenceNumber: SequenceNumber;
  /** Its newest record of any kind. */
  readonly newestPosition: Position;
  /** Its newest `snapshot` or `deleted` record; 0 if there is none. */
  readonly snapshotPosition: Position;
  /** Its newest record but snapshots is `deleted`: nothing happened since. */
  readonly deleted: boolean;
  /** When it has to be woken, as its newest record says; 0: nothing to do. */
  readonly wakeAt: number;
}

/** A place in the order in which actors have to be woken: by time, then by type and id. */
export interface WakeMark {
  readonly wakeAt: number;
  /** Empty, with an empty id: before all that have to be woken at this time. */
  readonly type: ActorTypeName | '';
  readonly id: ActorId | '';
}

/** An actor that has to be woken. */
export interface ListedWake extends WakeMark {
  readonly type: ActorTypeName;
  readonly id: ActorId;
}

/** Told when what was added to a batch is on disk, or never will be. Called once, never during the adding call. */
export interface Completion {
  durable(): void;
  failed(error: Error): void;
}

/** For who need not hear. */
export const unheard: Completion = { durable() {}, failed() {} };

export type ReadResult =
  | { readonly type: 'record'; readonly head: RecordHead; readonly body: Buffer }
  /** Its body was deleted; its place, epoch, hash and chain remain. */
  | {
      readonly type: 'hollow';
      readonly position: Position;
      readonly epoch: Epoch;
      readonly actorHash: number;
      /** With it the chain can be followed across the record. */
      readonly bodyCrc: number;
      readonly chain: number;
    }
  /** There is no such position (before 1 or after the tail). */
  | { readonly type: 'absent' }
  /** A row that must be there is missing or does not verify; `head` is there if only the body is damaged. */
  | { readonly type: 'damaged'; readonly problem: string; readonly head?: RecordHead };

export interface ListedActor extends ActorIndexEntry {
  readonly id: ActorId;
  readonly shard: ShardId;
}

/** What opening found. */
export interface OpenReport {
  /** This start's number: 1 for a store just formatted, then one more at each open. Durable before `open` resolves. */
  readonly boot: number;
  /** Records read to rebuild the index since its last checkpoint. */
  readonly recordsReplayed: number;
  readonly tookMs: number;
}

export type JournalStatus = 'closed' | 'open' | 'failed';

export interface Journal {
  readonly status: JournalStatus;
  /** @throws AssertionFailure before `open` */
  readonly identity: StoreIdentity;
  /** This start's number, see {@link OpenReport}; 0 before `open`. */
  readonly boot: number;
  /** Batches are numbered from 1, and no number comes twice in a store: the newest that is synced. */
  readonly syncedBatch: number;
  /** The newest batch that opening found, before this life wrote any. */
  readonly batchAtOpen: number;
  /** Bytes added and not yet durable: what backpressure looks at. */
  readonly pendingBytes: number;

  /** @throws JournalError, see its codes */
  open(): Promise<OpenReport>;
  /** Waits for pending batches, writes a checkpoint and closes. Idempotent. */
  close(): Promise<void>;
  /** Resolves once everything added before the call is durable. @throws if the journal has failed */
  flush(): Promise<void>;
  onFailure(listener: (error: Error) => void): void;
  /**
   * Told of records that do not verify, each time one is met, in the middle of the read that meets it (so it must not read
   * itself); those met at opening are told at once.
   */
  onDamage(listener: (damage: LogDamage) => void): void;

  /** The end of the shard's log, including what is not durable yet. */
  tail(shard: ShardId): LogTail;
  /** The newest hard state set, durable or not; undefined if none ever was. */
  hardState(shard: ShardId): HardState | undefined;
  setHardState(shard: ShardId, state: HardState, completion: Completion): void;
  /** A node-wide control row (`name` is short ASCII), as last set. */
  control(name: string): Buffer | undefined;
  setControl(name: string, value: Uint8Array, completion: Completion): void;

  /** Adds the record at `tail + 1`, chained to it. @throws AssertionFailure otherwise, or if the journal is not open */
  append(shard: ShardId, record: EncodedRecord, completion: Completion): void;
  /** Adds what is left of a record that is hollow elsewhere, for a copy that is being filled. Same rules as `append`. */
  appendHollow(shard: ShardId, record: HollowRecord, completion: Completion): void;
  /** Drops every record after `position` (a conflict above the commit; never at or below it). */
  truncate(shard: ShardId, position: Position, completion: Completion): void;
  /** Announces that records up to `position` are committed. Never falls, until the log is forgotten. */
  commit(shard: ShardId, position: Position): void;
  /** The highest position announced as committed since open, or known committed from the last checkpoint. */
  committed(shard: ShardId): Position;
  /**
   * Replaces committed records by hollow ones: bodies are gone from then on, neighbours merge, the chain still
   * verifies. Meant for what an actor's newest committed snapshot makes superfluous. Passed over: positions that are
   * hollow already or absent; an actor's newest record and newest snapshot; the deletion of a deleted actor.
   */
  hollow(shard: ShardId, positions: readonly Position[], completion: Completion): void;

  /**
   * Drops this copy of a shard: its log, what is known of its actors and its commit. From this call on the tail is
   * {@link emptyTail}, and the log may be filled again from position 1. The hard state stays: what was promised outlives
   * the log. Whoever was promised something else, or may read this copy, is the caller's care (rule R4).
   *
   * After a crash the log is there as it was, or gone as a whole. Once the completion is told the space comes back little
   * by little, in this life or a later one.
   */
  forget(shard: ShardId, completion: Completion): void;

  /**
   * Puts consecutive rows of another copy in the place of damaged ones. They are read at the latest when they are durable.
   * The log's chain says that they are the ones that lay there.
   *
   * @throws AssertionFailure if a row is not damaged, or does not fit (see `fitsIn` in log-repair.ts)
   */
  repair(shard: ShardId, rows: readonly LogRow[], completion: Completion): void;

  /** Synchronous: a point read is far cheaper than a hop to the thread pool; callers bound how many they do per turn. */
  read(shard: ShardId, position: Position): ReadResult;
  /** Raw rows from `from` on, in order, for catch-up and checks; at most `bytesMax` bytes but at least one row. */
  readRange(shard: ShardId, from: Position, bytesMax: number): Promise<readonly ReadResult[]>;
  /** Everything committed before the call, and perhaps what commits meanwhile, as of one moment. To be closed. */
  view(): Promise<JournalView>;
  /** Where an actor's newest records are; undefined if it has none. Synchronous, see `read`. */
  actor(shard: ShardId, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined;
  /** Actors of a type in all shards, by the bytes of their ids, exclusive `after`. Deleted ones are left out. */
  listActors(type: ActorTypeName, after: string | undefined, limit: number): Promise<readonly ListedActor[]>;
  /** Actors of a shard that have to be woken, soonest first, exclusive `after`. Covers everything appended before the call. */
  wakes(shard: ShardId, after: WakeMark, limit: number): Promise<readonly ListedWake[]>;

  /** Free bytes where the data lies; undefined if unknown. */
  freeBytes(): Promise<number | undefined>;
}
