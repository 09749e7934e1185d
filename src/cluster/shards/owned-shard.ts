/**
 * A shard's log on its owner, in one epoch (DESIGN §6, O1–O6). Ordinary primary-backup append whose epoch the map assigned:
 *
 *     sealing ─S answers─▶ copying ─▶ starting ─W hold the epoch start─▶ activating ─in the map─▶ serving
 *        └───────────────────────────── a later epoch was seen ─────────────────────────────────▶ fenced
 *
 * The owner seals the set that served last, takes over the best log of those that answered, appends an epoch start,
 * replicates until a write quorum of the *new* set holds it, has the map say so, and only then serves. A record is
 * committed when a write quorum has fsynced it; the owner's own fsync counts like any other.
 *
 * Invariants: it serves only what is in every seal of this shard (I2); commit begins to advance, to be told and to be
 * stored only after the activation; once fenced nothing is appended, answered or confirmed any more.
 */
import type { AppendedAt, AppendOutcome, Confirmation, LogRefusal, ShardLog } from '../../actors/shard-log.ts';
import { assert } from '../../core/assert.ts';
import type { ActorId, ActorTypeName, Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import {
  type ActorIndexEntry,
  type Completion,
  type Journal,
  type ListedWake,
  type ReadResult,
  unheard,
  type WakeMark,
} from '../../persistence/journal.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import { encodeRecord, type RecordDraft } from '../../persistence/record.ts';
import { epochStart } from '../epoch-start.ts';
import type { SealSet } from '../membership/loss.ts';
import { Largest, writeQuorum } from '../membership/quorum.ts';
import type { Mistaken } from '../mistakes.ts';
import type { ShardLimits } from './follower.ts';
import type { CheckedShard } from './read-checks.ts';
import { placeAt } from './replicas.ts';
import { type ReplicatedLog, Replication } from './replication.ts';
import { Sealing } from './sealing.ts';
import { encodeShardMessage, type LogPlace, rowPlace, type ShardMessage } from './shard-messages.ts';

export type OwnerPhase = 'sealing' | 'copying' | 'starting' | 'activating' | 'serving' | 'fenced';

/** What an owned shard needs of its node. */
export interface OwnerHome {
  readonly journal: Journal;
  readonly storeId: StoreId;
  readonly mistaken: Mistaken;
  readonly limits: ShardLimits;
  wallMs(): number;
  isUp(peer: StoreId): boolean;
  send(to: StoreId, message: Buffer): boolean;
  /** Calls `flush` at the end of this turn of the event loop. */
  flushLater(shard: OwnedShard): void;
  /** Asks the map to activate this epoch, until it does or assigns another. */
  activate(shard: OwnedShard): void;
  confirm(shard: CheckedShard, confirmation: Confirmation): void;
  /** Appends what is missing of another copy's rows, and cuts off what conflicts with them. */
  copy(from: StoreId, shard: ShardId, rows: readonly LogRow[]): void;
  /** A damaged record that may not be committed is known in this store's copy. */
  isDoubtful(shard: ShardId): boolean;
  /** See {@link ShardLog.awaitRepair}. */
  awaitRepair(shard: ShardId, position: Position, told: (isRepaired: boolean) => void): void;
  /** It serves no more, from this moment on; what it has in flight is told next. */
  fencing(shard: OwnedShard): void;
  /** Nobody on this node may use the shard any more. */
  fenced(shard: OwnedShard): void;
  /** An acknowledged record would be lost: the shard stops for good, and somebody must look. */
  alarm(shard: OwnedShard, what: string): void;
  /** Why the node as a whole records nothing just now. */
  refusal(): LogRefusal | undefined;
}

export interface OwnedEpoch {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  /** The set that serves from now on, this store included. */
  readonly replicas: readonly StoreId[];
  /** Whom it asks what they hold, and how many have to answer. */
  readonly seal: SealSet;
  readonly learners: readonly StoreId[];
}

/** Records a shard may have appended and not committed. Beyond: `OVERLOADED`. */
export const uncommittedMax = 50_000;

const lostError = new Error('the shard moved to another owner before the record was known to be kept');

export class OwnedShard implements ShardLog, Completion, CheckedShard, ReplicatedLog {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  readonly replicas: readonly StoreId[];
  readonly peers: readonly StoreId[];
  readonly peersNeeded: number;
  phase: OwnerPhase = 'sealing';
  epochBeganAt = 0;
  readonly #home: OwnerHome;
  readonly #clusterId: string;
  readonly #sealing: Sealing;
  readonly #replication: Replication;
  /** Its own promise is durable. */
  #hasBegun = false;
  #position: Position = 0;
  #chain = 0;
  #time = 0;
  /** Durable on this store. */
  #durable: Position = 0;
  #committed: Position = 0;
  #startedAt: Position = 0;
  /** By position from `#firstUncommitted` on. */
  #outcomes: AppendOutcome[] = [];
  #firstOutcome = 0;
  readonly #held = new Largest();

  constructor(home: OwnerHome, clusterId: string, owned: OwnedEpoch) {
    this.#home = home;
    this.#clusterId = clusterId;
    this.shard = owned.shard;
    this.epoch = owned.epoch;
    this.replicas = owned.replicas;
    this.peers = owned.replicas.filter((each) => each !== home.storeId);
    this.peersNeeded = writeQuorum(owned.replicas.length) - 1;
    const isOneTooFew = owned.seal.needed > 0 && home.mistaken('seal with one answer too few');
    this.#sealing = new Sealing(owned.seal.stores, owned.seal.needed - (isOneTooFew ? 1 : 0), home.mistaken);
    this.#replication = new Replication(home, this, this.peers);
    this.setLearners(owned.learners);
  }

  // ---- taking over ------------------------------------------------------------------------------------------

  /** O2. This store's own promise is durable. */
  begin(): void {
    if (this.phase !== 'sealing') return;
    this.#hasBegun = true;
    this.#answerOwn();
    for (const peer of this.#sealing.open) this.#askPromise(peer);
    this.#lookAtSeal();
  }

  /** This store's own answer to the seal, unless it cannot read what it holds. */
  #answerOwn(): void {
    const { journal, storeId } = this.#home;
    if (!this.#sealing.asks(storeId) || this.#home.isDoubtful(this.shard)) return;
    const { position, epoch, chain } = journal.tail(this.shard);
    this.#sealing.answered(storeId, { position, epoch, chain }, journal.committed(this.shard));
  }

  #askPromise(peer: StoreId): void {
    if (peer !== this.#home.storeId) this.#send(peer, { type: 'promise', shard: this.shard, epoch: this.epoch });
  }

  promised(from: StoreId, tail: LogPlace, commit: Position): void {
    if (this.phase !== 'sealing') return;
    this.#sealing.answered(from, tail, commit);
    this.#lookAtSeal();
  }

  #lookAtSeal(): void {
    if (this.phase !== 'sealing' || !this.#sealing.isSealed) return;
    const { best } = this.#sealing;
    if (this.#sealing.commit > (best?.tail.position ?? 0)) {
      const what = `position ${this.#sealing.commit} is committed, but the best log that answered ends at ${best?.tail.position ?? 0}`;
      this.#home.alarm(this, what);
      return;
    }
    const own = this.#home.journal.tail(this.shard);
    if (!best || (own.position === best.tail.position && own.epoch === best.tail.epoch)) {
      this.#start();
      return;
    }
    this.phase = 'copying';
    this.#fetch(Math.min(own.position, best.tail.position) + 1);
  }

  /** O3 */
  #fetch(from: Position): void {
    const { source } = this.#sealing;
    if (source) this.#send(source, { type: 'fetch', shard: this.shard, epoch: this.epoch, from });
  }

  fetched(from: StoreId, previous: LogPlace, rows: readonly LogRow[]): void {
    if (this.phase !== 'copying' || from !== this.#sealing.source) return;
    const { journal } = this.#home;
    const { tail } = this.#sealing.best!;
    const own = placeAt(journal, this.shard, previous.position);
    if (!own || own.epoch !== previous.epoch || own.chain !== previous.chain) {
      this.#fetch(this.#sealing.lookFurtherBack(previous.position, journal.committed(this.shard)));
      return;
    }
    this.#home.copy(from, this.shard, rows);
    const { position } = journal.tail(this.shard);
    const last = rows.length > 0 ? rowPlace(rows.at(-1)!).position : previous.position;
    if (last < tail.position) {
      if (rows.length > 0) this.#fetch(last + 1);
      return;
    }
    // What lies beyond the best log is a suffix that nobody acknowledged.
    if (position > tail.position) journal.truncate(this.shard, tail.position, unheard);
    this.#start();
  }

  /** The source of the best log has a damaged record there: others may do without it, or it is repaired. */
  sourceUnreadable(from: StoreId): void {
    if (this.phase !== 'copying' || from !== this.#sealing.source) return;
    this.phase = 'sealing';
    this.#sealing.forget(from);
    this.#lookAtSeal();
  }

  /**
   * A record of this log cannot be read, so no replica can be brought past it. Until it serves, an owner whose own log is
   * in doubt gives up: it seals again, and its own answer does not count then.
   */
  unreadable(position: Position): void {
    if (this.phase === 'starting' && position > this.#home.journal.committed(this.shard)) this.becomeFenced();
  }

  #start(): void {
    const { journal } = this.#home;
    const { position, chain, time } = journal.tail(this.shard);
    this.#position = position;
    this.#durable = position;
    this.#chain = chain;
    this.#time = time;
    this.#startedAt = position + 1;
    this.phase = 'starting';
    this.#replication.start();
    const start = epochStart(this.#clusterId, this.#home.storeId, this.replicas);
    this.epochBeganAt = this.append(start, this.#home.wallMs(), { committed() {}, lost() {} }).time;
  }

  /** O4: the map says that this epoch is active. */
  becomeServing(): void {
    if (this.phase !== 'activating') return;
    this.phase = 'serving';
    this.#advance();
  }

  get isServing(): boolean {
    return this.phase === 'serving';
  }

  /** Where the log ended that it took over. */
  get inheritedAt(): Position {
    return this.#startedAt - 1;
  }

  // ---- ShardLog ---------------------------------------------------------------------------------------------

  get committed(): Position {
    return this.#committed;
  }

  get newestTime(): number {
    return this.#time;
  }

  refusal(): LogRefusal | undefined {
    if (this.phase !== 'serving') return { code: 'UNAVAILABLE', message: 'this shard is moving', hasMoved: true };
    if (this.#outcomes.length - this.#firstOutcome > uncommittedMax)
      return { code: 'OVERLOADED', message: `${uncommittedMax} records wait for the replicas already` };
    return this.#home.refusal();
  }

  append(draft: RecordDraft, timeMs: number, outcome: AppendOutcome): AppendedAt {
    assert(this.phase !== 'fenced' || this.#home.mistaken('fenced owner goes on'), 'a fenced owner appends nothing');
    const time = Math.max(this.#time, timeMs);
    const position = this.#position + 1;
    const record = encodeRecord(draft, { position, epoch: this.epoch, time, previousChain: this.#chain });
    if (this.#replication.hasFollowers) {
      if (this.#replication.isFlushed) {
        const { epoch } = this.#home.journal.tail(this.shard);
        this.#replication.begin({ position: this.#position, epoch, chain: this.#chain });
        this.#home.flushLater(this);
      }
      this.#replication.append(record);
    }
    this.#position = position;
    this.#chain = record.head.chain;
    this.#time = time;
    this.#outcomes.push(outcome);
    this.#home.journal.append(this.shard, record, this);
    if (this.#home.mistaken('own acknowledgement before own fsync')) this.#durable = position;
    return { position, time, bytes: record.bytes.length };
  }

  /** The oldest append that was not durable here yet now is (the journal completes in order). */
  durable(): void {
    if (this.#home.mistaken('own acknowledgement before own fsync')) {
      this.#advance();
      return;
    }
    this.#durable += 1;
    this.#advance();
  }

  failed(): void {
    this.becomeFenced();
  }

  read(position: Position): ReadResult {
    return this.#home.journal.read(this.shard, position);
  }

  awaitRepair(position: Position, told: (isRepaired: boolean) => void): void {
    this.#home.awaitRepair(this.shard, position, told);
  }

  actor(type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    return this.#home.journal.actor(this.shard, type, id);
  }

  wakes(after: WakeMark, limit: number): Promise<readonly ListedWake[]> {
    return this.#home.journal.wakes(this.shard, after, limit);
  }

  hollow(positions: readonly Position[], completion: Completion): void {
    this.#home.journal.hollow(this.shard, positions, completion);
    if (this.#replication.hasFollowers)
      this.#replication.sendToAll(
        encodeShardMessage({ type: 'hollow', shard: this.shard, epoch: this.epoch, positions }),
      );
  }

  get confirmsAtOnce(): boolean {
    return (this.peersNeeded === 0 && this.phase === 'serving') || this.#home.mistaken('no read check for queries');
  }

  confirm(confirmation: Confirmation): void {
    if (this.phase !== 'serving') confirmation.lost();
    else if (this.peersNeeded === 0) confirmation.confirmed();
    else this.#home.confirm(this, confirmation);
  }

  // ---- replicating ------------------------------------------------------------------------------------------

  /** Sends what this turn appended. */
  flush(): void {
    this.#replication.flush();
  }

  appended(from: StoreId, position: Position): void {
    if (this.#hasStarted) this.#replication.appended(from, position);
  }

  mismatched(from: StoreId, at: LogPlace, tail: Position, commit: Position): void {
    if (this.#hasStarted) this.#replication.mismatched(from, at, tail, commit);
  }

  /** Learners that hold nearly everything. */
  get caughtUpLearners(): readonly StoreId[] {
    return this.isServing ? this.#replication.caughtUpLearners : [];
  }

  setLearners(learners: readonly StoreId[]): void {
    this.#replication.setLearners(learners);
  }

  get tail(): Position {
    return this.#position;
  }

  get commitToTell(): Position {
    return this.isServing ? this.#committed : 0;
  }

  get isOver(): boolean {
    return this.phase === 'fenced' && !this.#home.mistaken('fenced owner goes on');
  }

  acknowledged(): void {
    this.#advance();
  }

  get #hasStarted(): boolean {
    return this.phase === 'starting' || this.phase === 'activating' || this.phase === 'serving';
  }

  /** Moves the commit to the largest position that a write quorum holds. */
  #advance(): void {
    if (!this.#hasStarted) return;
    const { mistaken } = this.#home;
    const needed = this.peersNeeded + 1 - (mistaken('commit on one replica too few') && this.peersNeeded > 0 ? 1 : 0);
    const held = this.#held;
    held.begin(needed);
    held.add(this.#durable);
    for (const follower of this.#replication.all)
      if (follower.counts || mistaken('commit counts learners')) held.add(follower.acknowledged);
    const position = held.least;
    if (position < this.#startedAt - (mistaken('epoch start not awaited') ? 1 : 0)) return;
    if (this.phase === 'starting') {
      this.phase = 'activating';
      this.#home.activate(this);
      if (mistaken('serve before activate')) this.phase = 'serving';
      if (!mistaken('commit before activate')) return;
    }
    if (this.phase !== 'serving' && !mistaken('commit before activate')) return;
    if (position <= this.#committed) return;
    const before = this.#committed;
    this.#committed = position;
    this.#home.journal.commit(this.shard, position);
    const first = Math.max(before + 1, this.#startedAt);
    for (let at = first; at <= position; at++) this.#takeOutcome()?.committed();
  }

  #takeOutcome(): AppendOutcome | undefined {
    const outcome = this.#outcomes[this.#firstOutcome];
    this.#firstOutcome += 1;
    if (this.#firstOutcome >= this.#outcomes.length) {
      this.#outcomes = [];
      this.#firstOutcome = 0;
    } else if (this.#firstOutcome >= 4_096) {
      this.#outcomes.splice(0, this.#firstOutcome);
      this.#firstOutcome = 0;
    }
    return outcome;
  }

  // ---- links, learners, time --------------------------------------------------------------------------------

  linkUp(peer: StoreId): void {
    if (this.phase === 'sealing' && this.#sealing.open.includes(peer)) this.#askPromise(peer);
    if (this.#hasStarted) this.#replication.linkUp(peer);
  }

  linkDown(peer: StoreId): void {
    this.#replication.linkDown(peer);
    if (this.phase === 'copying' && this.#sealing.source === peer) {
      this.phase = 'sealing';
      this.#sealing.forget(peer);
      this.#lookAtSeal();
    }
  }

  /** Whether records were appended that are not committed. */
  get hasUncommitted(): boolean {
    return this.#outcomes.length > this.#firstOutcome;
  }

  /** Tells followers of the newest commit where no append carried it, and goes on where something got stuck. */
  sweep(): void {
    if (this.phase === 'sealing') {
      // Its own answer waits for its own promise, and for what was damaged.
      if (this.#hasBegun) this.#answerOwn();
      this.#lookAtSeal();
      if (this.phase !== 'sealing') return;
      for (const peer of this.#sealing.open) if (this.#home.isUp(peer)) this.#askPromise(peer);
      return;
    }
    if (this.phase === 'copying') {
      const own = this.#home.journal.tail(this.shard).position;
      this.#fetch(Math.min(own, this.#sealing.best!.tail.position) + 1);
      return;
    }
    this.#replication.sweep();
  }

  /** Whether `sweep` has anything to do. */
  get wantsSweep(): boolean {
    if (this.phase === 'sealing' || this.phase === 'copying') return true;
    return this.#replication.wantsSweep;
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  outdated(): void {
    this.becomeFenced();
  }

  /** O6: what is in flight is answered as unknown; its senders find out by its id. */
  becomeFenced(): void {
    if (this.phase === 'fenced') return;
    if (this.#home.mistaken('fenced owner goes on')) return;
    if (this.phase === 'serving') this.#home.fencing(this);
    this.phase = 'fenced';
    this.#replication.stop();
    const lost = this.#outcomes.slice(this.#firstOutcome);
    this.#outcomes = [];
    this.#firstOutcome = 0;
    for (const outcome of lost) outcome.lost(lostError);
    this.#home.fenced(this);
  }

  #send(to: StoreId, message: ShardMessage): void {
    this.#home.send(to, encodeShardMessage(message));
  }
}
