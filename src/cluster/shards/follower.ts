/**
 * One replica or learner as its shard's owner sees it: how much of the log it holds, and what it is sent next.
 *
 *     down ──link──▶ probing ──holds `next − 1`──▶ filling ──reached the tail──▶ streaming
 *
 * A probe looks for the newest place where both logs agree. Filling reads stored rows, a few messages at a time, paced by
 * acknowledgements. A streaming follower is sent what the owner appends, in the turn in which it is appended.
 */
import type { Position, StoreId } from '../../core/ids.ts';
import type { LogPlace } from './shard-messages.ts';

export type FollowerState = 'down' | 'probing' | 'filling' | 'streaming';

/** Messages of stored rows that a follower is sent ahead of its acknowledgements. */
export const fillMessagesMax = 2;

/** What the simulator makes tiny, so that it gets to the ends of things. */
export interface ShardLimits {
  /** Bytes of rows in one message that fills a follower. */
  readonly fillBytesMax: number;
  /** Bytes of rows in one answer to a fetch. */
  readonly fetchBytesMax: number;
  /** A learner that lacks fewer records than this is close enough to become a replica. */
  readonly caughtUpWithin: number;
  /** How long a copy of a shard that moved away is kept, milliseconds. Higher: it is quick to fill again, and takes room for longer. */
  readonly forgetAfterMs: number;
}

export const shardLimits: ShardLimits = {
  fillBytesMax: 512 * 1024,
  fetchBytesMax: 1024 * 1024,
  caughtUpWithin: 1_000,
  forgetAfterMs: 10 * 60_000,
};

export class Follower {
  readonly storeId: StoreId;
  /** Its acknowledgements count towards the write quorum: it is a replica, not a learner. */
  readonly counts: boolean;
  state: FollowerState = 'down';
  /** The next position it is to be sent. */
  next: Position;
  /** It holds everything up to here, durably, as the owner has it. */
  acknowledged: Position = 0;
  /** The newest commit it was told of. */
  commitTold: Position = 0;
  /** Rows are being read for it. */
  isReading = false;
  /** Messages of stored rows it has not acknowledged. */
  readonly #fills: Position[] = [];
  #stepBack = 1;

  constructor(storeId: StoreId, counts: boolean, next: Position) {
    this.storeId = storeId;
    this.counts = counts;
    this.next = next;
  }

  becomeDown(): void {
    this.state = 'down';
    this.#fills.length = 0;
  }

  /** Begins to look for common ground, at the owner's tail or where it was last known to be. */
  becomeProbing(next: Position): void {
    this.state = 'probing';
    this.next = next;
    this.#stepBack = 1;
    this.#fills.length = 0;
  }

  get canFill(): boolean {
    return this.state === 'filling' && !this.isReading && this.#fills.length < fillMessagesMax;
  }

  filled(through: Position): void {
    this.next = through + 1;
    this.#fills.push(through);
  }

  acknowledge(position: Position): void {
    if (position > this.acknowledged) this.acknowledged = position;
    while (this.#fills.length > 0 && this.#fills[0]! <= position) this.#fills.shift();
  }

  /**
   * It does not hold what lies before `next`: where to look then. The replica's commit is always common ground.
   *
   * @param at what it has there (position 0 if its log ends before), `tail` where its log ends, `commit` what it knows as committed
   */
  stepBack(at: LogPlace, tail: Position, commit: Position): void {
    const asked = this.next - 1;
    const isShort = at.position === 0;
    const lower = isShort ? tail : asked - this.#stepBack;
    if (!isShort) this.#stepBack *= 2;
    this.next = Math.max(Math.min(lower, asked - 1), Math.min(commit, asked - 1), 0) + 1;
  }
}
