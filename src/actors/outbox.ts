/**
 * One actor's tells on their way. A tell leaves with its sender's record; it is delivered, in order per receiver,
 * until the receiver has recorded it. All tells to one receiver may be in flight at once: each names the one before
 * it, so that a receiver that missed one refuses those after it, and they are sent again from the oldest.
 */
import type { OutgoingTell } from '../persistence/codec.ts';

interface Link {
  /** Unacknowledged tells to one receiver, oldest first. */
  readonly waiting: Map<number, OutgoingTell>;
  /** Counts retries: answers to deliveries of an earlier round are ignored. */
  round: number;
  failures: number;
  isPaused: boolean;
}

/** One delivery to make. */
export interface Delivery {
  readonly tell: OutgoingTell;
  /** The tell to this receiver just before this one; 0 if that one is known to have arrived, or there is none. */
  readonly previous: number;
  readonly round: number;
}

export class Outbox {
  readonly #links = new Map<string, Link>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes tells in the order of their numbers; returns the deliveries to make now. */
  add(tells: readonly OutgoingTell[]): Delivery[] {
    const deliveries: Delivery[] = [];
    for (const tell of tells) {
      const key = receiverOf(tell);
      let link = this.#links.get(key);
      if (!link) {
        link = { waiting: new Map(), round: 0, failures: 0, isPaused: false };
        this.#links.set(key, link);
      }
      const previous = lastKey(link.waiting);
      link.waiting.set(tell.number, tell);
      this.#length += 1;
      if (!link.isPaused) deliveries.push({ tell, previous, round: link.round });
    }
    return deliveries;
  }

  /** The receiver has recorded (or finally refused) it. */
  acknowledge(tell: OutgoingTell): void {
    const key = receiverOf(tell);
    const link = this.#links.get(key);
    if (!link?.waiting.delete(tell.number)) return;
    this.#length -= 1;
    link.failures = 0;
    if (link.waiting.size === 0) this.#links.delete(key);
  }

  /** A delivery failed for now. Returns how often this receiver failed in a row if its link pauses; else undefined. */
  fail(delivery: Delivery): number | undefined {
    const link = this.#links.get(receiverOf(delivery.tell));
    if (!link || link.round !== delivery.round || link.isPaused) return undefined;
    link.isPaused = true;
    link.failures += 1;
    return link.failures;
  }

  /** After a pause: everything unacknowledged to the receiver of `tell`, from the oldest. */
  resume(tell: OutgoingTell): Delivery[] {
    const link = this.#links.get(receiverOf(tell));
    if (!link) return [];
    link.isPaused = false;
    link.round += 1;
    const deliveries: Delivery[] = [];
    let previous = 0;
    for (const waiting of link.waiting.values()) {
      deliveries.push({ tell: waiting, previous, round: link.round });
      previous = waiting.number;
    }
    return deliveries;
  }

  /** Every tell up to this number has arrived, given the last number used. */
  acknowledgedThrough(lastNumber: number): number {
    let through = lastNumber;
    for (const link of this.#links.values()) {
      for (const number of link.waiting.keys()) {
        through = Math.min(through, number - 1);
        break;
      }
    }
    return through;
  }

  /** All unacknowledged tells, by number. */
  all(): OutgoingTell[] {
    const tells: OutgoingTell[] = [];
    for (const link of this.#links.values()) tells.push(...link.waiting.values());
    return tells.sort((a, b) => a.number - b.number);
  }
}

function receiverOf(tell: OutgoingTell): string {
  return `${tell.type}/${tell.id}`;
}

function lastKey(map: ReadonlyMap<number, unknown>): number {
  let last = 0;
  if (map.size > 0) for (const key of map.keys()) last = key;
  return last;
}
