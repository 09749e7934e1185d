/**
 * What an activation needs of its shard's log, on the shard's owner: append, know what is committed, read. How a
 * record becomes committed (one disk, or a quorum of replicas) is behind this interface.
 */
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import type { ActorIndexEntry, Completion, ListedWake, ReadResult, WakeMark } from '../persistence/journal.ts';
import type { RecordDraft } from '../persistence/record.ts';

/** Told once what became of an appended record. */
export interface AppendOutcome {
  /** The record is durable on the shard's write quorum, and so is everything before it. */
  committed(): void;
  /** This owner can no longer say: it was fenced, or its disk failed. */
  lost(error: Error): void;
}

export interface AppendedAt {
  readonly position: Position;
  /** The record's time: `max(the log's newest, wall clock)`. */
  readonly time: number;
  /** Bytes of the whole record. */
  readonly bytes: number;
}

/** Told once whether this owner was still the shard's owner after it was asked. */
export interface Confirmation {
  confirmed(): void;
  /** It is not, or cannot say: nothing may be answered from here. */
  lost(): void;
}

/** Why nothing can be recorded just now. */
export interface LogRefusal {
  readonly code: 'OVERLOADED' | 'UNAVAILABLE';
  readonly message: string;
  /** The shard is not served here any more: another node may take the command. */
  readonly hasMoved?: boolean;
}

export interface ShardLog {
  readonly shard: ShardId;
  /** Everything up to here is committed. */
  readonly committed: Position;
  /** The time of the record with which this owner's epoch began, milliseconds since 1970. */
  readonly epochBeganAt: number;
  /** The newest record's time: no later record has an earlier one. */
  readonly newestTime: number;
  /** Why nothing can be recorded just now (low disk, too much pending, moved), or undefined. */
  refusal(): LogRefusal | undefined;
  /** `confirm` would confirm in the call itself: one replica, so nobody else can own the shard. */
  readonly confirmsAtOnce: boolean;
  /**
   * What is answered without a record must reflect everything acknowledged before it was asked for: tells once this owner
   * is known to have been the owner after this call.
   */
  confirm(confirmation: Confirmation): void;
  append(draft: RecordDraft, timeMs: number, outcome: AppendOutcome): AppendedAt;
  /** What was appended, committed or not. Synchronous. */
  read(position: Position): ReadResult;
  /**
   * A record that was read is damaged: tells, later, whether it can be read again because another copy had it. false where
   * there is none, or none that answers in time.
   */
  awaitRepair(position: Position, told: (isRepaired: boolean) => void): void;
  actor(type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined;
  /** See `Journal.wakes`: appended records count, committed or not. */
  wakes(after: WakeMark, limit: number): Promise<readonly ListedWake[]>;
  hollow(positions: readonly Position[], completion: Completion): void;
}
