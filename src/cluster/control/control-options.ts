/** What a control log is made of, and what can be set about it, with what each number costs. */
import type { StoreId } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import type { DurableControl } from './control-protocol.ts';

export interface ControlLogSetup<Change, Snapshot> {
  readonly self: StoreId;
  /** What the disk holds; neither part for a store that joins. A founder starts from `foundedState`. */
  readonly durable: DurableControl<Change, Snapshot>;
  /** For election time-outs. */
  readonly random: Random;
  /** Bytes that a change takes when it is encoded, roughly. */
  readonly sizeOf: (change: Change) => number;
  readonly options?: Partial<ControlOptions>;
}

export interface ControlOptions {
  /** How often a leader is heard. Lower: more traffic. A third of `electionMinMs` at most. Default 125. */
  readonly heartbeatMs: number;
  /**
   * A follower that heard nothing for a time drawn between `electionMinMs` and `electionMaxMs` stands for election.
   * Lower: a dead leader is replaced sooner, a slow one (a long pause, a slow disk) deposed sooner. Default 1,000.
   */
  readonly electionMinMs: number;
  /** Further from `electionMinMs`: fewer split votes, slower elections. Default 2,000. */
  readonly electionMaxMs: number;
  /** Entries in one append at most. Default 64. */
  readonly appendEntriesMax: number;
  /** Bytes of entries in one append, but at least one entry. Default 256 KiB. */
  readonly appendBytesMax: number;
  /** Appends with entries on their way to one follower at most. Default 8. */
  readonly appendsInFlightMax: number;
  /** A snapshot that was not answered is sent again after this. Default 10,000. */
  readonly snapshotResendMs: number;
  /** A snapshot is wanted after this many applied entries… Default 64. */
  readonly compactAfterEntries: number;
  /** …or bytes of them. Higher: longer rows in every write. Default 64 KiB. */
  readonly compactAfterBytes: number;
  /** Entries before the snapshot kept in memory, so that a follower a little behind needs no snapshot. Default 64… */
  readonly keptEntries: number;
  /** …and their bytes at most. Default 1 MiB. */
  readonly keptBytes: number;
  /** Committed ids remembered: how late a repeated proposal is still recognized. Default 512. */
  readonly recentProposalsMax: number;
  /** Entries that are not committed. Beyond: `overloaded`. Default 1,024… */
  readonly uncommittedEntriesMax: number;
  /** …and their bytes. Default 32 MiB. */
  readonly uncommittedBytesMax: number;
  /** Messages that wait for the disk. Beyond, messages are dropped, as a network would. Default 4,096. */
  readonly withheldMax: number;
  /** @internal A deliberate mistake, to prove that the tests would find it. */
  readonly mistake?: ControlMistake;
}

export const defaultControlOptions: ControlOptions = {
  heartbeatMs: 125,
  electionMinMs: 1_000,
  electionMaxMs: 2_000,
  appendEntriesMax: 64,
  appendBytesMax: 256 * 1024,
  appendsInFlightMax: 8,
  snapshotResendMs: 10_000,
  compactAfterEntries: 64,
  compactAfterBytes: 64 * 1024,
  keptEntries: 64,
  keptBytes: 1024 * 1024,
  recentProposalsMax: 512,
  uncommittedEntriesMax: 1_024,
  uncommittedBytesMax: 32 * 1024 * 1024,
  withheldMax: 4_096,
};

/** Mistakes that a machine can be told to make. Each breaks one rule on which safety rests. */
export const controlMistakes = [
  'votes without persisting',
  'forgets its vote on restart',
  'votes twice in a term',
  'votes for a shorter log',
  'sends before durable',
  'counts itself before durable',
  'commits an older term by counting',
  'counts learners',
  'voters in force at commit only',
  'voters not rolled back',
  'voters changed before established',
  'two voter changes at once',
  'a delayed append truncates',
  'appends without checking the previous entry',
  'commits what conflicts',
  'accepts an append of an older term',
  'forgets ids at compaction',
  'appends a repeated proposal',
] as const;
export type ControlMistake = (typeof controlMistakes)[number];
