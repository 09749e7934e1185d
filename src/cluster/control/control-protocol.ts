/**
 * The words of the control log: what its nodes say to each other, what it keeps on disk, what goes into the machine
 * and what comes out. All of it is plain, immutable data.
 *
 * Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), chapters 3, 4, 6, 9.6; names follow the field.
 */
import type { StoreId } from '../../core/ids.ts';

/** A place in the log. 0/0: before the first entry. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
}

/** What a leader appends first in its term: with its commit, everything before it is committed. */
export interface StartEntry extends LogPoint {
  readonly type: 'start';
}

export interface ChangeEntry<Change> extends LogPoint {
  readonly type: 'change';
  /** Chosen by the proposer, unique: a repeated proposal is recognized by it. */
  readonly id: string;
  readonly change: Change;
}

/** In force from the moment it is in a log, committed or not; gone again when it is truncated. */
export interface VotersEntry extends LogPoint {
  readonly type: 'voters';
  readonly id: string;
  readonly voters: readonly StoreId[];
}

export type ControlEntry<Change> = StartEntry | ChangeEntry<Change> | VotersEntry;

/** An id that was committed not long ago, and where. */
export interface RecentProposal {
  readonly id: string;
  readonly index: number;
}

/** What stands for all entries up to `index`. */
export interface ControlSnapshot<Snapshot> extends LogPoint {
  readonly voters: readonly StoreId[];
  /** Oldest first. */
  readonly recent: readonly RecentProposal[];
  readonly data: Snapshot;
}

/** The durable state but for the snapshot itself: written whole, as one row. */
export interface DurableState<Change> {
  readonly term: number;
  /** Whom this store voted for in `term`. */
  readonly vote: StoreId | undefined;
  /** Where `entries` begin. */
  readonly snapshot: LogPoint;
  readonly entries: readonly ControlEntry<Change>[];
}

/** What a start finds on disk. The snapshot may be one step newer than the state: its row is written first. */
export interface DurableControl<Change, Snapshot> {
  readonly state: DurableState<Change> | undefined;
  readonly snapshot: ControlSnapshot<Snapshot> | undefined;
}

export type ControlMessage<Change, Snapshot> =
  /** "Would you vote for me in `term`?" Changes nothing at the receiver. */
  | { readonly type: 'preVote'; readonly term: number; readonly last: LogPoint }
  /** `term` is the one asked about, `current` the answerer's own. */
  | { readonly type: 'preVoteReply'; readonly term: number; readonly current: number; readonly isGranted: boolean }
  /** `isTransfer`: the leader asked for it, so that hearing from it is no reason to refuse. */
  | { readonly type: 'vote'; readonly term: number; readonly last: LogPoint; readonly isTransfer: boolean }
  | { readonly type: 'voteReply'; readonly term: number; readonly isGranted: boolean }
  /** Also the heartbeat, and the news of a commit, when it has no entries. */
  | {
      readonly type: 'append';
      readonly term: number;
      readonly previous: LogPoint;
      readonly entries: readonly ControlEntry<Change>[];
      readonly commit: number;
    }
  /** The receiver's log is durably the leader's up to `match`. */
  | { readonly type: 'appended'; readonly term: number; readonly match: number }
  /** The log does not hold `previous`; `hint` is the newest place that may still agree. */
  | { readonly type: 'refused'; readonly term: number; readonly previous: number; readonly hint: LogPoint }
  | { readonly type: 'snapshot'; readonly term: number; readonly snapshot: ControlSnapshot<Snapshot> }
  /** "Take over": the leader hands leadership to a follower that holds its whole log. */
  | { readonly type: 'campaign'; readonly term: number };

export type ControlInput<Change, Snapshot> =
  /** Time has passed. Expected every 50 ms or so. */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly from: StoreId; readonly message: ControlMessage<Change, Snapshot> }
  /** What the `persist` with this token asked for, and all before it, is fsynced. */
  | { readonly type: 'durable'; readonly token: number }
  | { readonly type: 'propose'; readonly id: string; readonly change: Change }
  /** The whole new set; it differs by one voter from the one in force. */
  | { readonly type: 'proposeVoters'; readonly id: string; readonly voters: readonly StoreId[] }
  /** Without `to`: to the voter that holds most of the log. */
  | { readonly type: 'transferLeadership'; readonly to?: StoreId }
  /** Every member that is to have the log. Voters among them are not learners. */
  | { readonly type: 'learners'; readonly storeIds: readonly StoreId[] }
  /** The state that all entries up to `index` make: they are superfluous now. */
  | { readonly type: 'snapshotTaken'; readonly index: number; readonly snapshot: Snapshot }
  | { readonly type: 'linkUp'; readonly peer: StoreId }
  | { readonly type: 'linkDown'; readonly peer: StoreId }
  /** The leader's process is known to be dead: do not wait for the time-out. Only a hint: it needs a majority that agrees. */
  | { readonly type: 'campaignNow' };

/** A committed change. */
export interface CommittedEntry<Change> {
  readonly index: number;
  readonly term: number;
  readonly id: string;
  readonly change: Change;
}

export type DropReason =
  | 'not leader'
  /** Too much is not committed yet. */
  | 'overloaded'
  /** Leadership is being handed over. */
  | 'transferring'
  /** The leader has not committed in its own term yet. */
  | 'not established'
  | 'voter change pending'
  | 'not one change'
  /** The new voter lacks too much of the log, or is not heard of. */
  | 'not caught up'
  /** The voters that are heard of would not be a majority. */
  | 'no live majority';

export type ControlEffect<Change, Snapshot> =
  | { readonly type: 'send'; readonly to: StoreId; readonly message: ControlMessage<Change, Snapshot> }
  /** Comes before the `persist` of the state that builds on it. */
  | { readonly type: 'persistSnapshot'; readonly snapshot: ControlSnapshot<Snapshot> }
  /** Write and fsync, then answer `durable` with the token. Order matters, and a newer state replaces an older one. */
  | { readonly type: 'persist'; readonly token: number; readonly state: DurableState<Change> }
  /** In the log's order, each once per life; after a start, from the snapshot on. */
  | { readonly type: 'committed'; readonly entries: readonly CommittedEntry<Change>[] }
  | { readonly type: 'votersCommitted'; readonly index: number; readonly voters: readonly StoreId[] }
  /** Replaces the state: entries up to `index` will not be told. */
  | { readonly type: 'restoreSnapshot'; readonly index: number; readonly snapshot: Snapshot }
  | { readonly type: 'becameLeader'; readonly term: number }
  /** The leader has committed in its term: the state has everything that any leader before it committed. */
  | { readonly type: 'leaderEstablished'; readonly term: number }
  | { readonly type: 'becameFollower'; readonly term: number; readonly leader: StoreId | undefined }
  /** The proposal is in the log, now or since an earlier try. It may still be lost until it is committed. */
  | { readonly type: 'proposalAccepted'; readonly id: string; readonly index: number }
  /** Nothing was appended. `leader`: whom to ask instead. */
  | {
      readonly type: 'proposalDropped';
      readonly id: string;
      readonly reason: DropReason;
      readonly leader: StoreId | undefined;
    }
  /** The log is long: answer `snapshotTaken` with the state at `index`. Told after that state was `committed`. */
  | { readonly type: 'snapshotWanted'; readonly index: number };

/** The log a founder starts from: it alone is the voter. Joiners start from nothing and get even that by replication. */
export function foundedState<Change>(founder: StoreId): DurableState<Change> {
  return {
    term: 1,
    vote: undefined,
    snapshot: { index: 0, term: 0 },
    entries: [{ index: 1, term: 1, type: 'voters', id: 'founding', voters: [founder] }],
  };
}
