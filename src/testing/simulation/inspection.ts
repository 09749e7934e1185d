/**
 * What a node shows of itself to the invariants: per shard what it has promised, what it keeps, what it knows to be
 * committed, and whether it serves; and which acknowledgements left it since it was last asked.
 */
import type { Epoch, Position, ShardId } from '../../core/ids.ts';

/** One place of a shard's log. */
export interface LoggedRecord {
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
  /** `type/id` of its actor; empty if it belongs to none. */
  readonly actor: string;
  /** The command's id; empty if it has none. */
  readonly commandId: string;
  /** First and last sequence number of its events; both 0 if it has none. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export interface ShardInspection {
  readonly shard: ShardId;
  readonly promisedEpoch: Epoch;
  readonly promisedTo: string;
  /** The epoch it serves as the owner; undefined if it does not. */
  readonly servesEpoch: Epoch | undefined;
  /** The newest epoch that this node knows to be active, and its replicas (store ids). */
  readonly activeEpoch: Epoch;
  readonly activeReplicas: readonly string[];
  /** What is durable of its log: positions 1 … durableLength. */
  readonly durableLength: Position;
  readonly committed: Position;
  /** Grows when records that were there are cut off or changed; as long as it does not, the log only grew. */
  readonly rewrites: number;
  /**
   * The newest active epoch of a committed map that names this store neither active nor assigned nor learner; 0: none did.
   * Up to there this copy may be forgotten (R4).
   */
  excludedEpoch(): Epoch;
  /** Whole and in sync: a copy that is still being filled does not count. */
  readonly isComplete: boolean;
  /** The record at a position, also if it is not durable yet; undefined beyond the tail. */
  record(position: Position): LoggedRecord | undefined;
}

/** An acknowledgement that left a node: a reply to a caller that depends on this record. */
export interface Acknowledgement {
  readonly shard: ShardId;
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
}

/** A snapshot as kept, and what folding the events up to it gives: both as text that is equal if they are. */
export interface SnapshotFold {
  readonly actor: string;
  readonly sequenceNumber: number;
  readonly snapshot: string;
  readonly fold: string;
}

export interface NodeInspection {
  readonly storeId: string;
  readonly boot: number;
  /** Grows with anything that an invariant could see: a node that did not change is not looked at again. */
  readonly version: number;
  /** A shard that did not change may be the same object as before: then it is not looked at again. */
  readonly shards: readonly ShardInspection[];
  /** Acknowledgements since the last call, oldest first; each is told once. */
  takeAcknowledgements(): readonly Acknowledgement[];
  /** Snapshots written since the last call; each is told once. */
  takeSnapshots(): readonly SnapshotFold[];
}
