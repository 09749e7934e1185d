/**
 * The control log: Raft, as a value. It replicates changes whose meaning it does not know; the state they make (the
 * cluster map) lives outside. The machine has no clock, timers, disk, network or randomness of its own: `step` takes
 * one input and the time, and answers effects, which the caller carries out in order.
 *
 * Claims (Raft's, checked after every step in simulation):
 * - Election safety: at most one leader per term. Votes are durable before they are told.
 * - Log matching: entries of the same index and term are the same, and so is everything before them.
 * - Leader completeness: what was committed is in the log of every later leader.
 * - State machine safety: no two nodes apply different changes at one index; none twice, none out of order.
 * - An id is committed once while it is among the `recentProposalsMax` newest.
 *
 * Beyond the paper's core: pre-vote; check-quorum and its counterpart, that a node which hears a leader votes for
 * nobody else (so a voter that was removed, or cut off, disturbs nobody); hand-over of leadership; learners; voters
 * changed one at a time, in force as soon as appended, refused until the leader has committed in its own term (the
 * known flaw of the original). There is no leader lease: reads by lease are not offered.
 *
 * A store that asks for a vote is answered even if the one asked believes itself a learner: it may lack the very entry
 * that made it a voter, and then its vote can be the one that is missing. Who counts is the candidate's to know.
 *
 * Source: Ongaro 2014, 3.4–3.8, 4, 6.3, 9.6; etcd-io/raft for flow control and the conflict hints.
 */
import { assert, unreachable } from '../../core/assert.ts';
import type { StoreId } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import { type ControlLogSetup, type ControlOptions, defaultControlOptions } from './control-options.ts';
import type {
  CommittedEntry,
  ControlEffect,
  ControlEntry,
  ControlInput,
  ControlMessage,
  LogPoint,
  StartEntry,
} from './control-protocol.ts';
import { type Addressed, DurabilityGate } from './durability-gate.ts';
import { isUpToDate } from './entry-log.ts';
import { Leadership } from './leadership.ts';
import { ReplicatedLog } from './replicated-log.ts';
import { isMajority } from './voters.ts';

export type ControlRole = 'follower' | 'preCandidate' | 'candidate' | 'leader';

type Message<Change, Snapshot, Type> = ControlMessage<Change, Snapshot> & { readonly type: Type };

export class ControlLog<Change, Snapshot> {
  readonly #self: StoreId;
  readonly #options: ControlOptions;
  readonly #random: Random;
  readonly #log: ReplicatedLog<Change, Snapshot>;
  readonly #gate: DurabilityGate<Change, Snapshot>;
  #term = 0;
  #vote: StoreId | undefined;
  #role: ControlRole = 'follower';
  #leader: StoreId | undefined;
  #learners: readonly StoreId[] = [];
  #leadership: Leadership<Change, Snapshot> | undefined;
  /** Who said yes, while this node stands for election. */
  #granted = new Set<StoreId>();
  #asksAgainAtMs = 0;
  #heardLeaderMs = Number.NEGATIVE_INFINITY;
  /** undefined until the first input tells the time. */
  #electionDueMs: number | undefined;

  /** What the running step makes. */
  #effects: ControlEffect<Change, Snapshot>[] = [];
  #messages: Addressed<Change, Snapshot>[] = [];
  /** Term or vote changed. */
  #mustPersist = false;

  constructor({ self, durable, random, sizeOf, options }: ControlLogSetup<Change, Snapshot>) {
    this.#self = self;
    this.#random = random;
    this.#options = { ...defaultControlOptions, ...options };
    this.#gate = new DurabilityGate(this.#options.withheldMax);
    this.#log = new ReplicatedLog(durable, this.#options, sizeOf, (effect) => this.#effects.push(effect));
    if (!durable.state) return;
    this.#term = durable.state.term;
    if (this.#options.mistake !== 'forgets its vote on restart') this.#vote = durable.state.vote;
  }

  get term(): number {
    return this.#term;
  }

  get role(): ControlRole {
    return this.#role;
  }

  /** Who leads in `term`, as far as known. */
  get leader(): StoreId | undefined {
    return this.#leader;
  }

  /** It leads, and its state has everything that any leader before it committed. */
  get isEstablished(): boolean {
    return this.#leadership?.isEstablished ?? false;
  }

  get commitIndex(): number {
    return this.#log.commit;
  }

  get last(): LogPoint {
    return this.#log.last;
  }

  /** The voters in force: those of the newest entry that names some, committed or not. */
  get voters(): readonly StoreId[] {
    return this.#log.voters;
  }

  /** The newest snapshot, for those whom `entriesAfter` cannot help. */
  get snapshotAt(): { readonly index: number; readonly snapshot: Snapshot } | undefined {
    const { snapshot } = this.#log;
    return snapshot && { index: snapshot.index, snapshot: snapshot.data };
  }

  /** The committed changes after `index`, so that they can travel outside the protocol; undefined if some are compacted. */
  entriesAfter(index: number): readonly CommittedEntry<Change>[] | undefined {
    return index < this.#log.entries.base.index ? undefined : this.#log.changesBetween(index, this.#log.commit);
  }

  /** Where a proposal was committed, if it was among the newest; never one that may still be lost. */
  committedIndexOf(id: string): number | undefined {
    return this.#log.committedIndexOf(id);
  }

  /** Takes one input at `nowMs` (monotonic). The effects are to be carried out in order. */
  step(input: ControlInput<Change, Snapshot>, nowMs: number): ControlEffect<Change, Snapshot>[] {
    this.#electionDueMs ??= this.#isSoleVoter() ? nowMs : nowMs + this.#electionTimeoutMs();
    this.#take(input, nowMs);
    this.#leadership?.setFollowers(this.#members(), nowMs);
    this.#persistIfChanged();
    for (const { to, message } of this.#gate.pass(this.#messages)) this.#effects.push({ type: 'send', to, message });
    const effects = this.#effects;
    this.#effects = [];
    this.#messages = [];
    return effects;
  }

  #take(input: ControlInput<Change, Snapshot>, nowMs: number): void {
    switch (input.type) {
      case 'tick':
        this.#tick(nowMs);
        break;
      case 'message':
        this.#receive(input.from, input.message, nowMs);
        break;
      case 'durable':
        this.#durable(input.token, nowMs);
        break;
      case 'propose':
        this.#propose({ ...this.#nextPoint(), type: 'change', id: input.id, change: input.change }, nowMs);
        break;
      case 'proposeVoters':
        this.#propose({ ...this.#nextPoint(), type: 'voters', id: input.id, voters: input.voters }, nowMs);
        break;
      case 'transferLeadership':
        this.#leadership?.transfer(input.to, nowMs);
        break;
      case 'learners':
        this.#learners = input.storeIds;
        break;
      case 'snapshotTaken':
        this.#log.compact(input.index, input.snapshot);
        break;
      case 'linkUp':
        this.#leadership?.linkUp(input.peer, nowMs);
        break;
      case 'linkDown':
        // Only what protects a leader that may be dead ends; a live one is heard again, or keeps its majority.
        if (input.peer === this.#leader) this.#heardLeaderMs = Number.NEGATIVE_INFINITY;
        break;
      case 'campaignNow':
        if (this.#leadership || !this.#log.mayLead(this.#self)) return;
        this.#heardLeaderMs = Number.NEGATIVE_INFINITY;
        this.#becomePreCandidate(nowMs);
        break;
      default:
        unreachable(input);
    }
  }

  // ── time ──

  #tick(nowMs: number): void {
    if (this.#leadership) {
      if (!this.#leadership.tick(nowMs)) this.#becomeFollower(this.#term, undefined, nowMs);
      return;
    }
    if (!this.#log.mayLead(this.#self)) return;
    if (nowMs >= this.#electionDueMs!) this.#becomePreCandidate(nowMs);
    else if (this.#role === 'preCandidate' && nowMs >= this.#asksAgainAtMs) this.#askForPreVotes(nowMs);
  }

  #electionTimeoutMs(): number {
    const { electionMinMs, electionMaxMs } = this.#options;
    return electionMinMs + this.#random.next() * (electionMaxMs - electionMinMs);
  }

  /** Shorter than what a follower waits: nobody leads, and all that must pass is a vote that was split. */
  #candidateTimeoutMs(): number {
    return this.#options.electionMinMs * (0.25 + 0.75 * this.#random.next());
  }

  #isSoleVoter(): boolean {
    const { voters } = this;
    return voters.length === 1 && voters[0] === this.#self;
  }

  // ── elections ──

  #becomePreCandidate(nowMs: number): void {
    if (this.#isSoleVoter()) {
      this.#becomeCandidate(false, nowMs);
      return;
    }
    if (this.#leader !== undefined) this.#becomeFollower(this.#term, undefined, nowMs);
    this.#role = 'preCandidate';
    this.#electionDueMs = nowMs + this.#electionTimeoutMs();
    this.#granted = new Set([this.#self]);
    this.#askForPreVotes(nowMs);
  }

  /** Asked again with every heartbeat: those who refused because they heard a leader learn of its death a little later. */
  #askForPreVotes(nowMs: number): void {
    this.#asksAgainAtMs = nowMs + this.#options.heartbeatMs;
    for (const voter of this.voters) {
      if (this.#granted.has(voter)) continue;
      this.#send(voter, { type: 'preVote', term: this.#term + 1, last: this.#log.last });
    }
  }

  #becomeCandidate(isTransfer: boolean, nowMs: number): void {
    this.#leave();
    this.#role = 'candidate';
    this.#leader = undefined;
    this.#term += 1;
    this.#vote = this.#self;
    this.#mustPersist = true;
    this.#electionDueMs = nowMs + this.#candidateTimeoutMs();
    for (const voter of this.voters) {
      if (voter === this.#self) continue;
      this.#send(voter, { type: 'vote', term: this.#term, last: this.#log.last, isTransfer });
    }
    // Its own vote counts when it is on its own disk.
    if (this.#options.mistake === 'counts itself before durable') this.#grant(this.#self, nowMs);
  }

  #grant(from: StoreId, nowMs: number): void {
    this.#granted.add(from);
    if (!isMajority(this.voters, (voter) => this.#granted.has(voter))) return;
    if (this.#role === 'preCandidate') this.#becomeCandidate(false, nowMs);
    else this.#becomeLeader(nowMs);
  }

  #becomeLeader(nowMs: number): void {
    this.#leave();
    this.#role = 'leader';
    this.#leader = this.#self;
    const start = this.#nextPoint();
    this.#log.append({ ...start, type: 'start' });
    const [term, options] = [this.#term, this.#options];
    this.#leadership = new Leadership(
      { self: this.#self, term, options, log: this.#log, send: (to, message) => this.#send(to, message) },
      start.index,
      nowMs,
    );
    this.#effects.push({ type: 'becameLeader', term });
  }

  /** Follows `leader`, if it is known, in `term`, which is not older than its own. */
  #becomeFollower(term: number, leader: StoreId | undefined, nowMs: number): void {
    assert(term >= this.#term, () => `terms never fall, got ${term} after ${this.#term}`);
    const isNews = term > this.#term || leader !== this.#leader || this.#role === 'leader';
    this.#leave();
    this.#role = 'follower';
    if (term > this.#term) {
      this.#term = term;
      this.#vote = undefined;
      this.#mustPersist = true;
    }
    this.#leader = leader;
    this.#electionDueMs = nowMs + this.#electionTimeoutMs();
    if (isNews) this.#effects.push({ type: 'becameFollower', term, leader });
  }

  #leave(): void {
    this.#leadership = undefined;
    this.#granted = new Set();
  }

  /** A leader is there, as far as this node knows: no reason to vote for anybody else. */
  #isFaithfulAgainst(candidate: StoreId, nowMs: number): boolean {
    if (this.#role === 'leader') return true;
    if (this.#leader === undefined || this.#leader === candidate) return false;
    return nowMs - this.#heardLeaderMs < this.#options.electionMinMs;
  }

  // ── messages ──

  #receive(from: StoreId, message: ControlMessage<Change, Snapshot>, nowMs: number): void {
    switch (message.type) {
      case 'preVote':
        this.#onPreVote(from, message, nowMs);
        break;
      case 'vote':
        this.#onVote(from, message, nowMs);
        break;
      case 'preVoteReply': {
        const isAwaited = this.#role === 'preCandidate' && message.term === this.#term + 1;
        if (message.current > this.#term) this.#becomeFollower(message.current, undefined, nowMs);
        else if (isAwaited && message.isGranted) this.#grant(from, nowMs);
        break;
      }
      case 'append':
      case 'snapshot':
      case 'campaign':
        this.#onLeader(from, message, nowMs);
        break;
      case 'voteReply':
      case 'appended':
      case 'refused':
        if (message.term > this.#term) this.#becomeFollower(message.term, undefined, nowMs);
        else if (message.term < this.#term) return;
        else if (message.type === 'voteReply') this.#onVoteReply(from, message, nowMs);
        else this.#onFollower(from, message, nowMs);
        break;
      default:
        unreachable(message);
    }
  }

  #onPreVote(from: StoreId, { term, last }: Message<Change, Snapshot, 'preVote'>, nowMs: number): void {
    const isGranted = term > this.#term && this.#holdsAll(last) && !this.#isFaithfulAgainst(from, nowMs);
    this.#send(from, { type: 'preVoteReply', term, current: this.#term, isGranted });
  }

  #onVote(from: StoreId, { term, last, isTransfer }: Message<Change, Snapshot, 'vote'>, nowMs: number): void {
    const { mistake } = this.#options;
    if (term > this.#term) {
      // Not even its term is taken over: else one that was cut off would end the term of a leader that lives.
      if (!isTransfer && this.#isFaithfulAgainst(from, nowMs)) return;
      this.#becomeFollower(term, undefined, nowMs);
    }
    const isFree = this.#vote === undefined || this.#vote === from || mistake === 'votes twice in a term';
    const isGranted = term === this.#term && this.#leader === undefined && isFree && this.#holdsAll(last);
    if (isGranted) {
      if (this.#vote !== from && mistake !== 'votes without persisting') this.#mustPersist = true;
      this.#vote = from;
      this.#electionDueMs = nowMs + this.#electionTimeoutMs();
    }
    this.#send(from, { type: 'voteReply', term: this.#term, isGranted });
  }

  /** A log that ends there holds everything that this one may know as committed. */
  #holdsAll(last: LogPoint): boolean {
    return isUpToDate(last, this.#log.last) || this.#options.mistake === 'votes for a shorter log';
  }

  #onVoteReply(from: StoreId, { isGranted }: Message<Change, Snapshot, 'voteReply'>, nowMs: number): void {
    if (this.#role === 'candidate' && isGranted) this.#grant(from, nowMs);
  }

  #onFollower(from: StoreId, message: Message<Change, Snapshot, 'appended' | 'refused'>, nowMs: number): void {
    this.#leadership?.heard(from, nowMs);
    if (message.type === 'refused') this.#leadership?.refused(from, message.previous, message.hint, nowMs);
    else this.#leadership?.appended(from, message.match, nowMs);
    this.#commitWhatMajorityHolds(nowMs);
    this.#leadership?.goOn(from, nowMs);
  }

  /** From a leader, or one that was. */
  #onLeader(
    from: StoreId,
    message: Message<Change, Snapshot, 'append' | 'snapshot' | 'campaign'>,
    nowMs: number,
  ): void {
    if (message.term < this.#term && this.#options.mistake !== 'accepts an append of an older term') {
      // It learns of the newer term, and steps down: else one that a failed election left in it would never follow again.
      const hint = { index: 0, term: 0 };
      if (message.type !== 'campaign') this.#send(from, { type: 'refused', term: this.#term, previous: 0, hint });
      return;
    }
    if (message.type === 'campaign') {
      const isAddressed = message.term === this.#term && this.#leader === from;
      if (isAddressed && this.voters.includes(this.#self)) this.#becomeCandidate(true, nowMs);
      return;
    }
    const isOnly = this.#leader === undefined || this.#leader === from || message.term > this.#term;
    assert(isOnly, () => `one leader in term ${this.#term}: ${this.#leader}, not ${from}`);
    this.#becomeFollower(Math.max(this.#term, message.term), from, nowMs);
    this.#heardLeaderMs = nowMs;
    if (message.type === 'append') this.#onAppend(from, message);
    else this.#send(from, { type: 'appended', term: this.#term, match: this.#log.restore(message.snapshot) });
  }

  // ── following ──

  #onAppend(from: StoreId, { previous, entries, commit }: Message<Change, Snapshot, 'append'>): void {
    const outcome = this.#log.appendFromLeader(previous, entries);
    if (outcome.type === 'conflicts') {
      this.#send(from, { type: 'refused', term: this.#term, previous: previous.index, hint: outcome.hint });
      if (this.#options.mistake === 'commits what conflicts') this.#log.commitTo(Math.min(commit, this.last.index));
      return;
    }
    this.#send(from, { type: 'appended', term: this.#term, match: outcome.match });
    this.#log.commitTo(Math.min(commit, outcome.match));
  }

  // ── leading ──

  #propose(entry: Exclude<ControlEntry<Change>, StartEntry>, nowMs: number): void {
    const { id } = entry;
    const known = this.#log.indexOf(id);
    // One that is known, but not committed, may be lost with its leader: only the leader answers for it.
    if (known !== undefined && (this.#leadership || known <= this.#log.commit)) {
      this.#effects.push({ type: 'proposalAccepted', id, index: known });
      return;
    }
    const reason = this.#leadership ? this.#leadership.whyNot(entry, nowMs) : 'not leader';
    if (reason) {
      this.#effects.push({ type: 'proposalDropped', id, reason, leader: this.#leader });
      return;
    }
    this.#effects.push({ type: 'proposalAccepted', id, index: entry.index });
    this.#appendOwn(entry, nowMs);
  }

  #nextPoint(): LogPoint {
    return { index: this.#log.last.index + 1, term: this.#term };
  }

  #appendOwn(entry: ControlEntry<Change>, nowMs: number): void {
    this.#log.append(entry);
    this.#leadership!.setFollowers(this.#members(), nowMs);
    this.#leadership!.broadcast(nowMs);
    if (this.#options.mistake !== 'counts itself before durable') return;
    this.#leadership!.ownMatch = entry.index;
    this.#commitWhatMajorityHolds(nowMs);
  }

  #members(): ReadonlySet<StoreId> {
    return new Set([...this.voters, ...this.#learners]);
  }

  /** Only entries of its own term are committed by counting; those before them are committed with them (3.6.2). */
  #commitWhatMajorityHolds(nowMs: number): void {
    const leadership = this.#leadership;
    if (!leadership) return;
    const index = leadership.majorityMatch();
    const isOwnTerm = this.#log.entries.termAt(index) === this.#term;
    if (index <= this.#log.commit || (!isOwnTerm && this.#options.mistake !== 'commits an older term by counting'))
      return;
    const wasEstablished = leadership.isEstablished;
    this.#log.commitTo(index);
    if (!wasEstablished && leadership.isEstablished)
      this.#effects.push({ type: 'leaderEstablished', term: this.#term });
    leadership.broadcast(nowMs);
    // It led until its own removal was committed (4.2.2); whoever holds most of the log need not wait for a time-out.
    const newest = this.#log.newestVoters;
    if (!newest || newest.index > index || newest.voters.includes(this.#self)) return;
    leadership.transfer(undefined, nowMs);
    this.#becomeFollower(this.#term, undefined, nowMs);
  }

  // ── disk ──

  #durable(token: number, nowMs: number): void {
    const { newest, released } = this.#gate.durable(token);
    for (const { to, message } of released) this.#effects.push({ type: 'send', to, message });
    if (!newest || newest.term !== this.#term) return;
    if (this.#role === 'candidate' && newest.vote === this.#self) this.#grant(this.#self, nowMs);
    else if (this.#leadership) {
      this.#leadership.ownMatch = Math.max(this.#leadership.ownMatch, newest.lastIndex);
      this.#commitWhatMajorityHolds(nowMs);
    }
  }

  #persistIfChanged(): void {
    const log = this.#log;
    if (log.snapshotHasChanged) this.#effects.push({ type: 'persistSnapshot', snapshot: log.snapshot! });
    if (this.#mustPersist || log.hasChanged) {
      const [term, vote] = [this.#term, this.#vote];
      const token = this.#gate.begin({ term, vote, lastIndex: log.last.index });
      const state = { term, vote, snapshot: log.entries.snapshot, entries: log.entries.afterSnapshot() };
      this.#effects.push({ type: 'persist', token, state });
    }
    this.#mustPersist = false;
    log.hasChanged = false;
    log.snapshotHasChanged = false;
  }

  #send(to: StoreId, message: ControlMessage<Change, Snapshot>): void {
    if (this.#options.mistake === 'sends before durable') this.#effects.push({ type: 'send', to, message });
    else this.#messages.push({ to, message });
  }
}
