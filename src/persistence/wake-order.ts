/**
 * The order in which actors have to be woken, of those whose index entries are in memory.
 *
 * Entries are added as records come, in whatever order, and looked at rarely: they are sorted when somebody asks. What
 * an actor's entry says by then decides; an older place of the same actor is dropped when it is met.
 */
import type { ActorId, ActorTypeName } from '../core/ids.ts';
import { compareIds } from './compare-ids.ts';
import type { ListedWake, WakeMark } from './journal.ts';

/** Before everything. */
export const firstWake: WakeMark = { wakeAt: 0, type: '', id: '' };

/** The order of wake rows' keys: by time, then by the length and the bytes of the type, then by the bytes of the id. */
export function compareWakes(a: WakeMark, b: WakeMark): number {
  if (a.wakeAt !== b.wakeAt) return a.wakeAt - b.wakeAt;
  if (a.type !== b.type) return a.type.length - b.type.length || (a.type < b.type ? -1 : 1);
  return compareIds(a.id, b.id);
}

/** Up to so many new places are put in one by one instead of sorting all. */
const oneByOneMax = 16;
/** Dropped places that are passed over until they are cleared away. */
const droppedMax = 256;

export class WakeOrder {
  /** What an actor's entry says now; 0 for none. */
  readonly #wakeAt: (type: string, id: string) => number;
  #sorted: ListedWake[] = [];
  #added: ListedWake[] = [];
  #dropped = 0;

  constructor(wakeAt: (type: string, id: string) => number) {
    this.#wakeAt = wakeAt;
  }

  /** The actor's entry names this time from now on. */
  add(wakeAt: number, type: string, id: string): void {
    this.#added.push({ wakeAt, type: type as ActorTypeName, id: id as ActorId });
  }

  /** The next places after a mark, each of them what the actor's entry says now. */
  next(after: WakeMark, limit: number): readonly ListedWake[] {
    this.#sort();
    const found: ListedWake[] = [];
    for (let i = this.#placeAfter(after); i < this.#sorted.length && found.length < limit; i++) {
      const place = this.#sorted[i]!;
      if (this.#isCurrent(place)) found.push(place);
      else this.#dropped += 1;
    }
    return found;
  }

  #isCurrent({ wakeAt, type, id }: ListedWake): boolean {
    return this.#wakeAt(type, id) === wakeAt;
  }

  #sort(): void {
    if (this.#added.length === 0 && this.#dropped <= droppedMax) return;
    if (this.#added.length <= oneByOneMax && this.#dropped <= droppedMax) {
      for (const place of this.#added) {
        const at = this.#placeAfter(place);
        // The same place may be added twice: it is kept once.
        if (at > 0 && compareWakes(this.#sorted[at - 1]!, place) === 0) continue;
        this.#sorted.splice(at, 0, place);
      }
    } else {
      const all = this.#sorted.concat(this.#added).filter((place) => this.#isCurrent(place));
      all.sort(compareWakes);
      this.#sorted = all.filter((place, i) => i === 0 || compareWakes(all[i - 1]!, place) !== 0);
      this.#dropped = 0;
    }
    this.#added = [];
  }

  /** Where the first place after a mark is. */
  #placeAfter(mark: WakeMark): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareWakes(this.#sorted[middle]!, mark) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
