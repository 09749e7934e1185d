/**
 * The gateway: everything the edge (HTTP, command line, in-process callers) may ask of a running node. The edge
 * parses and formats; it never reaches around this interface.
 *
 * All reads are linearizable: they reflect every command that was acknowledged before the request began.
 * Every method rejects with `GreenroomError` (by code) or, for commands, with `Rejection`.
 */
import type { Letter } from '../actors/dead-letters.ts';
import type { ReminderInfo } from '../actors/reminders.ts';
import type {
  ActorId,
  ActorTypeName,
  CommandId,
  Epoch,
  NodeName,
  Position,
  SequenceNumber,
  ShardId,
} from '../core/ids.ts';

/** One command for one actor, from outside. */
export interface CommandRequest {
  readonly type: string;
  readonly id: ActorId;
  readonly command: string;
  /** Plain JSON data, or undefined for none. */
  readonly input: unknown;
  /** The caller's own idempotency key; without one the gateway assigns one. */
  readonly key?: CommandId | undefined;
  /**
   * For a retry: a position of the actor's shard that the caller knew before its first attempt (0 if it knew none).
   * With it, an outcome that is no longer remembered is `OUTCOME_UNKNOWN` and never a second execution.
   */
  readonly since?: Position | undefined;
  /** How long the caller waits, milliseconds from now. */
  readonly timeoutMs: number;
}

export interface CommandAnswer {
  /** Plain data; undefined if the command returned nothing. */
  readonly reply: unknown;
  readonly idempotencyKey: string;
  /** This is the recorded answer of an earlier attempt. */
  readonly replayed: boolean;
  /** A committed position of the actor's shard: what a caller may give as `since` from now on. */
  readonly position: Position;
  /** Present if this command woke the actor. */
  readonly woke: { readonly tookMs: number; readonly eventsReplayed: number } | undefined;
}

export type ActorKind = 'eventSourced' | 'durableState' | 'memory';
export type ActorStatus = 'active' | 'passivated' | 'quarantined';

export interface CommandInfo {
  readonly name: string;
  /** The vendor of its input schema (Standard Schema), if it has one. */
  readonly schema?: string;
}

export interface ActorTypeInfo {
  readonly name: ActorTypeName;
  readonly kind: ActorKind;
  readonly commands: readonly CommandInfo[];
}

export interface ActorSummary {
  readonly id: ActorId;
  readonly status: ActorStatus;
  readonly sequenceNumber: SequenceNumber;
}

export interface Page {
  /** Exclusive. */
  readonly after: string | undefined;
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface Inspection {
  readonly type: ActorTypeName;
  readonly id: ActorId;
  readonly shard: ShardId;
  readonly node: NodeName;
  readonly replicas: readonly NodeName[];
  readonly status: ActorStatus;
  readonly sequenceNumber: SequenceNumber;
  readonly state: unknown;
  /** What the actor has set to happen, as of now; absent for past states and actors in memory only. */
  readonly reminders?: readonly ReminderInfo[];
  /** Why, if quarantined. */
  readonly reason?: string;
}

/** A tell or reminder that was given up. */
export interface DeadLetter extends Letter {
  /** In the order of time. */
  readonly id: ActorId;
}

export interface PublicEvent {
  readonly sequenceNumber: SequenceNumber;
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface MemberInfo {
  readonly node: NodeName;
  /** `host:port` of the cluster socket. */
  readonly address: string;
  readonly httpAddress: string;
  readonly status: 'joining' | 'up' | 'leaving' | 'down' | 'removed';
  readonly shardsOwned: number;
}

export interface ClusterInfo {
  readonly clusterId: string;
  readonly node: NodeName;
  /** null while there is none, or it is not known here. */
  readonly leader: NodeName | null;
  readonly mapVersion: number;
  readonly members: readonly MemberInfo[];
}

export interface ShardInfo {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  readonly owner: NodeName;
  readonly replicas: readonly NodeName[];
  readonly learners: readonly NodeName[];
  readonly status: 'active' | 'starting' | 'stopped';
  /** Too many of its copies are gone for good: it stays stopped until an operator accepts that. */
  readonly lost?: true;
  /** Why it is stopped, and what to do, where that is known. */
  readonly reason?: string;
  /** When an operator last had it go on with what was left of it; milliseconds since 1970. */
  readonly lossAcceptedAt?: number;
}

/** A shard of which too few copies are in reach to say what was acknowledged. */
export interface ShardInDoubt {
  readonly shard: ShardId;
  /** How many copies have to answer. */
  readonly needed: number;
  /** Those that could now. */
  readonly copies: readonly NodeName[];
  /** Those that could if their nodes were back. */
  readonly away: readonly NodeName[];
  /** Those whose stores are gone for good. Names that may belong to new stores by now. */
  readonly gone: readonly NodeName[];
}

/** What a cluster has lost, or may have lost, as one node sees it. */
export interface RecoveryInfo {
  /** Whether so many of those who decide about the cluster are in reach that it can decide. */
  readonly decides: boolean;
  readonly voters: readonly NodeName[];
  /** Members that are not in reach. */
  readonly away: readonly NodeName[];
  /** By number. A shard is lost if `copies` and `away` together are fewer than `needed`. */
  readonly shards: readonly ShardInDoubt[];
}

export interface LossRequest {
  /** Nodes that are down and whose disks are lost. */
  readonly lost: readonly string[];
  /** The shards that whoever asks knows of: refused if it would be more. Without it: whatever is lost. */
  readonly shards?: readonly ShardId[] | undefined;
}

/** What was done about a loss; all empty if nothing is lost any more. */
export interface LossAccepted {
  /** They go on with what is left of them. */
  readonly shards: readonly ShardId[];
  /** Given up. */
  readonly removed: readonly NodeName[];
  /** The control log, too, began anew. */
  readonly controlLog: boolean;
}

/** One time series at this moment. Names end in their unit, `_total` for counters (Prometheus). */
export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A histogram at this moment: cumulative counts per upper bound. */
export interface MetricHistogram {
  readonly name: string;
  readonly kind: 'histogram';
  readonly help: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  readonly sum: number;
  readonly count: number;
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface Gateway {
  command(request: CommandRequest): Promise<CommandAnswer>;
  types(): readonly ActorTypeInfo[];
  /** By id in byte order. @throws `UNKNOWN_ACTOR_TYPE` */
  actors(type: string, page: Page): Promise<readonly ActorSummary[]>;
  /** @param at state as of this sequence number. @throws `UNKNOWN_ACTOR` if it has no events, `BAD_REQUEST` if `at` is not in its history */
  inspect(type: string, id: ActorId, at?: SequenceNumber): Promise<Inspection>;
  /** Committed events after a sequence number. @throws `UNKNOWN_ACTOR` if it has none at all */
  events(type: string, id: ActorId, after: SequenceNumber, limit: number): Promise<readonly PublicEvent[]>;
  /**
   * Committed events after a sequence number, then each further one as it commits; ends when `signal` aborts or the
   * node stops. An actor without events yet is followed from its first one on. The consumer's pace is the only
   * buffer: events that wait are read from the journal, not kept in memory.
   */
  follow(type: string, id: ActorId, after: SequenceNumber, signal: AbortSignal): AsyncIterable<PublicEvent>;
  /** Resolves once the actor is out of memory (or was not in it). */
  passivate(type: string, id: ActorId): Promise<void>;
  /** Lifts a quarantine. */
  resume(type: string, id: ActorId): Promise<void>;
  /** Deletes state and history; sequence numbers and remembered keys live on. */
  delete(type: string, id: ActorId): Promise<void>;
  /** By id, which is the order of time. */
  deadLetters(page: Page): Promise<readonly DeadLetter[]>;
  /** Delivers it once more: refused again, it is a new dead letter. @throws `NOT_FOUND` */
  resendDeadLetter(id: ActorId): Promise<void>;
  /** @throws `NOT_FOUND` */
  dropDeadLetter(id: ActorId): Promise<void>;
  cluster(): ClusterInfo;
  shards(): readonly ShardInfo[];
  drain(node: string): Promise<void>;
  remove(node: string): Promise<void>;
  recovery(): RecoveryInfo;
  /**
   * Gives up what nodes alone held whose disks are lost, and has the shards that stopped for it go on with the best of
   * what is left. Doing it again changes nothing. @throws `FORBIDDEN` where that would give up more than has to be, or
   * before everyone who is left is there; `UNAVAILABLE`
   */
  acceptLoss(request: LossRequest): Promise<LossAccepted>;
  /**
   * Everything committed on this node as of one moment, every command acknowledged before the call included, in the
   * bytes of a backup (persistence/backup). Pieces are made when they are asked for; whoever takes them takes all, or
   * returns the iterator.
   */
  backup(): Promise<AsyncIterable<Uint8Array>>;
  /** Member up, shards serving, and a canary question answered just now. */
  readiness(): Promise<Readiness>;
  metrics(): readonly (MetricSample | MetricHistogram)[];
}
