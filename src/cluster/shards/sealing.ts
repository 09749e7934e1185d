/**
 * Sealing: what the replicas of the set that served last answered to a promise, and which of their logs is the best. With a
 * seal quorum of answers, the best log holds everything that was ever acknowledged (O2): every write quorum meets every
 * seal quorum, and who has promised takes no record of an earlier epoch any more.
 */
import type { Position, StoreId } from '../../core/ids.ts';
import type { Mistaken } from '../mistakes.ts';
import type { LogPlace } from './shard-messages.ts';

interface Answer {
  readonly storeId: StoreId;
  readonly tail: LogPlace;
  readonly commit: Position;
}

export class Sealing {
  readonly #set: readonly StoreId[];
  readonly #needed: number;
  readonly #mistaken: Mistaken;
  readonly #answers = new Map<StoreId, Answer>();
  #stepBack = 1;

  constructor(set: readonly StoreId[], needed: number, mistaken: Mistaken) {
    this.#set = set;
    this.#needed = needed;
    this.#mistaken = mistaken;
  }

  asks(storeId: StoreId): boolean {
    return this.#set.includes(storeId);
  }

  /** Who has not answered. */
  get open(): readonly StoreId[] {
    return this.#set.filter((each) => !this.#answers.has(each));
  }

  answered(storeId: StoreId, tail: LogPlace, commit: Position): void {
    if (this.asks(storeId)) this.#answers.set(storeId, { storeId, tail, commit });
  }

  forget(storeId: StoreId): void {
    this.#answers.delete(storeId);
  }

  get isSealed(): boolean {
    return this.#answers.size >= this.#needed;
  }

  /** The highest commit that anybody knows. */
  get commit(): Position {
    return Math.max(0, ...[...this.#answers.values()].map(({ commit }) => commit));
  }

  /** The answer with the newest epoch, then the longest log; undefined where there was nobody to ask. */
  get best(): Answer | undefined {
    let best: Answer | undefined;
    for (const answer of this.#answers.values()) if (!best || this.#isBetter(answer.tail, best.tail)) best = answer;
    return best;
  }

  /** Whom to copy from. */
  get source(): StoreId | undefined {
    return this.best?.storeId;
  }

  #isBetter(a: LogPlace, b: LogPlace): boolean {
    if (this.#mistaken('seal takes the longest log of any epoch')) return a.position > b.position;
    return a.epoch > b.epoch || (a.epoch === b.epoch && a.position > b.position);
  }

  /** Both logs differ at `position`: where to fetch from next. Below `committed` they cannot differ. */
  lookFurtherBack(position: Position, committed: Position): Position {
    const before = Math.max(position - this.#stepBack, Math.min(committed, position - 1), 0);
    this.#stepBack *= 2;
    return before + 1;
  }
}
