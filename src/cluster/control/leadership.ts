/**
 * What a leader keeps during its term: how far each follower is, who was heard, to whom leadership is being handed. It
 * makes appends and snapshots, and says what a majority holds; whether that is committed, the machine decides.
 */
import type { StoreId } from '../../core/ids.ts';
import type { ControlOptions } from './control-options.ts';
import type { ControlEntry, ControlMessage, DropReason, LogPoint } from './control-protocol.ts';
import { FollowerProgress } from './follower-progress.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { isMajority, isOneChange, majorityIndex } from './voters.ts';

/** What the machine lends to a leadership. */
export interface LeadershipContext<Change, Snapshot> {
  readonly self: StoreId;
  readonly term: number;
  readonly options: ControlOptions;
  readonly log: ReplicatedLog<Change, Snapshot>;
  send(to: StoreId, message: ControlMessage<Change, Snapshot>): void;
}

/** Ticks that come later than this many heartbeats show that this node itself stood still. */
const stalledAfterHeartbeats = 4;

export class Leadership<Change, Snapshot> {
  readonly #context: LeadershipContext<Change, Snapshot>;
  readonly #followers = new Map<StoreId, FollowerProgress>();
  /** Index of the entry that began the term. */
  readonly startIndex: number;
  /** The own log is on the own disk up to here. */
  ownMatch = 0;
  #transfer: { readonly to: StoreId; readonly untilMs: number } | undefined;
  #checkQuorumAtMs: number;
  #tickedAtMs: number;

  constructor(context: LeadershipContext<Change, Snapshot>, startIndex: number, nowMs: number) {
    this.#context = context;
    this.startIndex = startIndex;
    this.#checkQuorumAtMs = nowMs + context.options.electionMinMs;
    this.#tickedAtMs = nowMs;
  }

  /** An entry of this term is committed, hence everything before it. */
  get isEstablished(): boolean {
    return this.#context.log.commit >= this.startIndex;
  }

  /** Exactly these are sent the log from now on. */
  setFollowers(storeIds: ReadonlySet<StoreId>, nowMs: number): void {
    for (const known of this.#followers.keys()) if (!storeIds.has(known)) this.#followers.delete(known);
    for (const storeId of storeIds) {
      if (storeId === this.#context.self || this.#followers.has(storeId)) continue;
      this.#followers.set(storeId, new FollowerProgress(this.startIndex, nowMs));
      this.#append(storeId, nowMs);
    }
  }

  /** @returns false if no majority of the voters was heard for an election time-out */
  tick(nowMs: number): boolean {
    const { heartbeatMs, electionMinMs, snapshotResendMs } = this.#context.options;
    const stoodStill = nowMs - this.#tickedAtMs > stalledAfterHeartbeats * heartbeatMs;
    this.#tickedAtMs = nowMs;
    // What they said meanwhile still waits to be read: that nobody was heard is our own fault.
    if (stoodStill) this.#checkQuorumAtMs = nowMs + electionMinMs;
    if (nowMs >= this.#checkQuorumAtMs) {
      if (!this.#hearsMajority(this.#context.log.voters, nowMs)) return false;
      this.#checkQuorumAtMs = nowMs + heartbeatMs;
    }
    if (this.#transfer && nowMs >= this.#transfer.untilMs) this.#transfer = undefined;
    for (const [storeId, follower] of this.#followers) {
      if (follower.mode === 'snapshot' && nowMs - follower.snapshotSentMs >= snapshotResendMs) follower.becomeProbe();
      if (nowMs - follower.sentMs < heartbeatMs) continue;
      follower.isProbing = false;
      this.#append(storeId, nowMs);
    }
    return true;
  }

  #hearsMajority(voters: readonly StoreId[], nowMs: number): boolean {
    return isMajority(voters, (voter) => voter === this.#context.self || this.#hears(voter, nowMs));
  }

  #hears(storeId: StoreId, nowMs: number): boolean {
    const follower = this.#followers.get(storeId);
    return follower !== undefined && nowMs - follower.heardMs < this.#context.options.electionMinMs;
  }

  heard(storeId: StoreId, nowMs: number): void {
    const follower = this.#followers.get(storeId);
    if (follower) follower.heardMs = nowMs;
  }

  /** Tells everybody what is new, entries or only the commit, but those who are being asked where their log agrees. */
  broadcast(nowMs: number): void {
    for (const [storeId, follower] of this.#followers) {
      if (follower.mode === 'replicate' || !follower.isProbing) this.#append(storeId, nowMs);
    }
  }

  appended(from: StoreId, match: number, nowMs: number): void {
    this.#followers.get(from)?.appended(match);
    this.#handOver(nowMs);
  }

  /** What a follower that has answered does not have yet, as far as more may be on its way. */
  goOn(to: StoreId, nowMs: number): void {
    const { log } = this.#context;
    const follower = this.#followers.get(to);
    if (!follower) return;
    const lacksCommit = follower.toldCommit < Math.min(log.commit, follower.match);
    if (follower.next <= log.last.index || lacksCommit) this.#appendIfAllowed(to, nowMs);
  }

  refused(from: StoreId, previous: number, hint: LogPoint, nowMs: number): void {
    const mayAgree = this.#context.log.entries.mayAgreeUpTo(hint.index, hint.term);
    if (this.#followers.get(from)?.refused(previous, mayAgree)) this.#append(from, nowMs);
  }

  /** A new link: what was on its way over the old one is lost. */
  linkUp(peer: StoreId, nowMs: number): void {
    const follower = this.#followers.get(peer);
    if (!follower) return;
    follower.becomeProbe();
    this.#append(peer, nowMs);
  }

  /** The highest index that a majority of the voters holds durably. */
  majorityMatch(): number {
    const { self, options, log } = this.#context;
    const matchOf = (storeId: StoreId) =>
      storeId === self ? this.ownMatch : (this.#followers.get(storeId)?.match ?? 0);
    if (options.mistake === 'counts learners') {
      const holding = [self, ...this.#followers.keys()].map(matchOf).sort((a, b) => b - a);
      return holding[Math.floor(log.voters.length / 2)] ?? 0;
    }
    return majorityIndex(log.voters, matchOf);
  }

  /** Why this entry cannot be appended now; undefined if it can. */
  whyNot(entry: ControlEntry<Change>, nowMs: number): DropReason | undefined {
    const { log, options } = this.#context;
    if (this.#transfer) return 'transferring';
    const isTooMuch =
      log.last.index - log.commit >= options.uncommittedEntriesMax ||
      log.entries.bytesBetween(log.commit, log.last.index) >= options.uncommittedBytesMax;
    if (isTooMuch) return 'overloaded';
    return entry.type === 'voters' ? this.#whyNotVoters(entry.voters, nowMs) : undefined;
  }

  #whyNotVoters(next: readonly StoreId[], nowMs: number): DropReason | undefined {
    const { log, options } = this.#context;
    const { mistake } = options;
    // Two leaders could else change the same set in two ways, each by one, to sets whose majorities do not meet.
    if (!this.isEstablished && mistake !== 'voters changed before established') return 'not established';
    const isPending = (log.newestVoters?.index ?? 0) > log.commit;
    if (isPending && mistake !== 'two voter changes at once') return 'voter change pending';
    if (!isOneChange(log.voters, next)) return 'not one change';
    const added = next.find((voter) => !log.voters.includes(voter));
    if (added !== undefined && !this.#isCaughtUp(added, nowMs)) return 'not caught up';
    return this.#hearsMajority(next, nowMs) ? undefined : 'no live majority';
  }

  #isCaughtUp(storeId: StoreId, nowMs: number): boolean {
    const { log, options } = this.#context;
    const match = this.#followers.get(storeId)?.match ?? 0;
    return this.#hears(storeId, nowMs) && log.last.index - match <= options.appendEntriesMax;
  }

  /** Hands over to `to`, or to the voter that is heard and holds most. @returns false if there is none */
  transfer(to: StoreId | undefined, nowMs: number): boolean {
    const candidates = this.#context.log.voters.filter(
      (voter) => this.#hears(voter, nowMs) && (to === undefined || voter === to),
    );
    const matchOf = (voter: StoreId) => this.#followers.get(voter)?.match ?? 0;
    const [best] = candidates.sort((a, b) => matchOf(b) - matchOf(a));
    if (best === undefined) return false;
    this.#transfer = { to: best, untilMs: nowMs + this.#context.options.electionMinMs };
    this.#appendIfAllowed(best, nowMs);
    this.#handOver(nowMs);
    return true;
  }

  #handOver(nowMs: number): void {
    if (!this.#transfer || nowMs >= this.#transfer.untilMs) return;
    const { to } = this.#transfer;
    if (this.#followers.get(to)?.match !== this.#context.log.last.index) return;
    this.#context.send(to, { type: 'campaign', term: this.#context.term });
  }

  #appendIfAllowed(to: StoreId, nowMs: number): void {
    const { options } = this.#context;
    if (this.#followers.get(to)?.maySendEntries(options.appendsInFlightMax)) this.#append(to, nowMs);
  }

  /** Entries as far as allowed, or an empty append; a snapshot where the entries are gone. */
  #append(to: StoreId, nowMs: number): void {
    const { log, options, term } = this.#context;
    const follower = this.#followers.get(to)!;
    follower.sentMs = nowMs;
    if (follower.mode !== 'snapshot' && follower.next - 1 < log.entries.base.index) {
      const snapshot = log.snapshot!;
      follower.sentSnapshot(snapshot.index, nowMs);
      this.#context.send(to, { type: 'snapshot', term, snapshot });
      return;
    }
    // While it takes in a snapshot an append only says that the leader lives; what it answers to it is ignored.
    const previous = follower.mode === 'snapshot' ? log.last.index : follower.next - 1;
    const entries = follower.maySendEntries(options.appendsInFlightMax)
      ? log.entries.from(previous + 1, options.appendEntriesMax, options.appendBytesMax)
      : [];
    follower.sent(previous + entries.length);
    follower.toldCommit = Math.min(log.commit, previous + entries.length);
    this.#context.send(to, {
      type: 'append',
      term,
      previous: { index: previous, term: log.entries.termAt(previous)! },
      entries,
      commit: log.commit,
    });
  }
}
