/**
 * A shard's log on its way from its owner to replicas and learners: encoded once, sent in the turn in which it was appended
 * to those that stream, from the disk to those that lack more (follower.ts). What an acknowledgement means for the commit,
 * the owner decides.
 */
import { assert } from '../../core/assert.ts';
import type { Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import type { EncodedRecord } from '../../persistence/record.ts';
import { Follower } from './follower.ts';
import type { OwnerHome } from './owned-shard.ts';
import { placeAt, readRows } from './replicas.ts';
import { encodeShardMessage, type LogPlace, rowPlace } from './shard-messages.ts';

/** The owner, as far as replication looks at it. */
export interface ReplicatedLog {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  /** The newest position appended. */
  readonly tail: Position;
  readonly committed: Position;
  /** O5: nothing is told as committed before the activation. */
  readonly commitToTell: Position;
  readonly isServing: boolean;
  /** Nothing more may be sent. */
  readonly isOver: boolean;
  /** A record cannot be read for a replica that lacks it. */
  unreadable(position: Position): void;
  /** A replica holds more than before. */
  acknowledged(): void;
}

export class Replication {
  readonly #home: OwnerHome;
  readonly #owner: ReplicatedLog;
  readonly #followers = new Map<StoreId, Follower>();
  /** Appended in this turn, to be sent at its end; and the place before the first. */
  #outgoing: EncodedRecord[] = [];
  #outgoingAfter: LogPlace = { position: 0, epoch: 0, chain: 0 };
  #isRunning = false;

  constructor(home: OwnerHome, owner: ReplicatedLog, replicas: readonly StoreId[]) {
    this.#home = home;
    this.#owner = owner;
    for (const peer of replicas) this.#followers.set(peer, new Follower(peer, true, 1));
  }

  /** The owner's log is what it will be: followers may be brought to it. */
  start(): void {
    this.#isRunning = true;
    for (const follower of this.#followers.values()) if (this.#home.isUp(follower.storeId)) this.#probe(follower);
  }

  get hasFollowers(): boolean {
    return this.#followers.size > 0;
  }

  get all(): Iterable<Follower> {
    return this.#followers.values();
  }

  /** Nothing waits to be sent. */
  get isFlushed(): boolean {
    return this.#outgoing.length === 0;
  }

  /** What is appended next follows `previous`, and is sent by `flush` at the end of this turn. Only when flushed. */
  begin(previous: LogPlace): void {
    this.#outgoingAfter = previous;
  }

  append(record: EncodedRecord): void {
    this.#outgoing.push(record);
  }

  /** Sends what this turn appended. */
  flush(): void {
    const rows = this.#outgoing;
    if (rows.length === 0) return;
    this.#outgoing = [];
    if (this.#owner.isOver) return;
    const previous = this.#outgoingAfter;
    const commit = this.#owner.commitToTell;
    let message: Buffer | undefined;
    for (const follower of this.#followers.values()) {
      if (follower.state !== 'streaming') {
        this.#fill(follower);
        continue;
      }
      const skipped = follower.next - previous.position - 1;
      if (skipped >= rows.length) continue;
      assert(
        skipped >= 0,
        () => `a streaming follower lacks nothing before ${previous.position}, got ${follower.next}`,
      );
      let bytes: Buffer;
      if (skipped === 0) {
        message ??= this.#encodeAppend(previous, rows, commit);
        bytes = message;
      } else bytes = this.#encodeAppend(rowPlace(rows[skipped - 1]!), rows.slice(skipped), commit);
      if (!this.#home.send(follower.storeId, bytes)) {
        this.#becomeFilling(follower);
        continue;
      }
      follower.next = previous.position + rows.length + 1;
      follower.commitTold = commit;
    }
  }

  #encodeAppend(previous: LogPlace, rows: readonly LogRow[], commit: Position): Buffer {
    return encodeShardMessage({
      type: 'append',
      shard: this.#owner.shard,
      epoch: this.#owner.epoch,
      previous,
      commit,
      rows,
    });
  }

  /** The commit, as far as the follower is known to hold the same rows. */
  #commitUpTo(position: Position): Position {
    const commit = this.#owner.commitToTell;
    return this.#home.mistaken('commit taken beyond what matches') ? commit : Math.min(commit, position);
  }

  #probe(follower: Follower): void {
    follower.becomeProbing(this.#owner.tail + 1);
    this.#sendProbe(follower);
  }

  /** An append without rows: does it hold what lies before `next`? */
  #sendProbe(follower: Follower): void {
    for (;;) {
      const previous = placeAt(this.#home.journal, this.#owner.shard, follower.next - 1);
      if (previous) {
        const commit = this.#commitUpTo(previous.position);
        this.#home.send(follower.storeId, this.#encodeAppend(previous, [], commit));
        return;
      }
      // This row is damaged here; an earlier one will do.
      follower.next -= 1;
    }
  }

  appended(from: StoreId, position: Position): void {
    const follower = this.#followers.get(from);
    if (!follower) return;
    if (position > this.#owner.tail) return;
    follower.acknowledge(position);
    if (follower.state === 'probing' && position === follower.next - 1) this.#becomeFilling(follower);
    else if (follower.state === 'filling') this.#fill(follower);
    this.#owner.acknowledged();
  }

  mismatched(from: StoreId, at: LogPlace, tail: Position, commit: Position): void {
    const follower = this.#followers.get(from);
    if (!follower) return;
    // A learner whose map did not name it yet may have forgotten its copy (R4).
    if (!follower.counts) follower.acknowledged = Math.min(follower.acknowledged, tail);
    if (follower.state !== 'probing') {
      this.#probe(follower);
      return;
    }
    const asked = follower.next - 1;
    // An answer to an earlier probe.
    if (at.position === 0 ? tail >= asked : at.position !== asked) return;
    assert(
      at.position === 0 || at.position > commit || !this.#owner.isServing,
      () => `shard ${this.#owner.shard}: ${from} has another committed record at ${at.position} than its owner`,
    );
    follower.stepBack(at, tail, commit);
    this.#sendProbe(follower);
  }

  #becomeFilling(follower: Follower): void {
    follower.state = 'filling';
    this.#fill(follower);
  }

  /** Sends stored rows until it has what this turn began with; from then on it streams. */
  #fill(follower: Follower): void {
    if (!follower.canFill) return;
    if (follower.next > this.#owner.tail - this.#outgoing.length) {
      follower.state = 'streaming';
      return;
    }
    follower.isReading = true;
    void readRows(this.#home.journal, this.#owner.shard, follower.next, this.#home.limits.fillBytesMax).then((rows) => {
      follower.isReading = false;
      if (follower.state !== 'filling' || this.#owner.isOver) return;
      if (!rows) this.#owner.unreadable(follower.next);
      if (!rows || rows.length === 0) return;
      if (rowPlace(rows[0]!).position !== follower.next) {
        this.#fill(follower);
        return;
      }
      const previous = placeAt(this.#home.journal, this.#owner.shard, follower.next - 1);
      const last = rowPlace(rows.at(-1)!).position;
      const commit = this.#commitUpTo(last);
      if (!previous || !this.#home.send(follower.storeId, this.#encodeAppend(previous, rows, commit))) return;
      follower.filled(last);
      follower.commitTold = commit;
      this.#fill(follower);
    });
  }

  setLearners(learners: readonly StoreId[]): void {
    for (const [storeId, { counts }] of this.#followers)
      if (!counts && !learners.includes(storeId)) this.#followers.delete(storeId);
    for (const storeId of learners) {
      if (this.#followers.has(storeId) || storeId === this.#home.storeId) continue;
      const follower = new Follower(storeId, false, 1);
      this.#followers.set(storeId, follower);
      if (this.#isRunning && this.#home.isUp(storeId)) this.#probe(follower);
    }
  }

  /** Learners that hold nearly everything. */
  get caughtUpLearners(): readonly StoreId[] {
    return [...this.#followers.values()]
      .filter(({ counts, state, acknowledged }) => {
        if (counts) return false;
        if (this.#home.mistaken('learner promoted before it has caught up')) return true;
        return state === 'streaming' && this.#owner.tail - acknowledged <= this.#home.limits.caughtUpWithin;
      })
      .map(({ storeId }) => storeId);
  }

  linkUp(peer: StoreId): void {
    const follower = this.#followers.get(peer);
    if (follower && this.#isRunning) this.#probe(follower);
  }

  linkDown(peer: StoreId): void {
    this.#followers.get(peer)?.becomeDown();
  }

  /** Tells followers of the newest commit where no append carried it, and goes on where something got stuck. */
  sweep(): void {
    for (const follower of this.#followers.values()) {
      if (follower.state === 'down' && this.#home.isUp(follower.storeId)) this.#probe(follower);
      else if (follower.state === 'filling') this.#fill(follower);
      else if (follower.state === 'probing') this.#sendProbe(follower);
      else if (
        follower.state === 'streaming' &&
        follower.commitTold < this.#owner.committed &&
        this.#outgoing.length === 0
      ) {
        const previous = placeAt(this.#home.journal, this.#owner.shard, follower.next - 1);
        if (!previous) continue;
        const commit = this.#owner.commitToTell;
        if (this.#home.send(follower.storeId, this.#encodeAppend(previous, [], commit))) follower.commitTold = commit;
      }
    }
  }

  /** Whether `sweep` has anything to do. */
  get wantsSweep(): boolean {
    for (const { state, commitTold } of this.#followers.values())
      if (state !== 'streaming' || commitTold < this.#owner.committed) return true;
    return false;
  }

  /** Whoever is sent a message about the shard's log. */
  sendToAll(message: Buffer): void {
    for (const { storeId } of this.#followers.values()) this.#home.send(storeId, message);
  }

  stop(): void {
    this.#outgoing = [];
  }
}
