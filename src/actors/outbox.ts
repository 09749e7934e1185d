/**
 * One actor's tells on their way. A tell is in here from the moment its record is appended (a snapshot taken right
 * after must hold it), and is sent once that record is committed; it is delivered, in order per receiver, until the
 * receiver has recorded it. All tells to one receiver may be in flight at once: each names the one before
 * it, so that a receiver that missed one refuses those after it, and they are sent again from the oldest.
 */
import type { GreenroomError, Rejection } from '../core/errors.ts';
import type { OutgoingTell } from '../persistence/codec.ts';

interface Waiting {
  readonly tell: OutgoingTell;
  /** The tell to the same receiver just before this one. */
  readonly previous: number;
}

interface Link {
  /** Unacknowledged tells to one receiver by number, oldest first. */
  readonly waiting: Map<number, Waiting>;
  newest: number;
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

/** A tell that its receiver refused for good, and why. */
export interface RefusedTell {
  readonly tell: OutgoingTell;
  readonly error: GreenroomError | Rejection;
}

export class Outbox {
  readonly #links = new Map<string, Link>();
  #length = 0;
  /** Tells up to this number are in committed records and may be sent. */
  #committedThrough = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes tells in the order of their numbers; they are not sent yet. */
  add(tells: readonly OutgoingTell[]): void {
    for (const tell of tells) {
      const key = receiverOf(tell);
      let link = this.#links.get(key);
      if (!link) {
        link = { waiting: new Map(), newest: 0, round: 0, failures: 0, isPaused: false };
        this.#links.set(key, link);
      }
      link.waiting.set(tell.number, { tell, previous: link.newest });
      link.newest = tell.number;
      this.#length += 1;
    }
  }

  /** The record of these tells (added before) is committed: returns the deliveries to make now. */
  committed(tells: readonly OutgoingTell[]): Delivery[] {
    const deliveries: Delivery[] = [];
    for (const tell of tells) {
      this.#committedThrough = tell.number;
      const link = this.#links.get(receiverOf(tell));
      const waiting = link?.waiting.get(tell.number);
      if (link && waiting && !link.isPaused) deliveries.push({ ...waiting, round: link.round });
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
    for (const [number, waiting] of link.waiting) {
      if (number > this.#committedThrough) break;
      deliveries.push({ tell: waiting.tell, previous, round: link.round });
      previous = number;
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
    for (const link of this.#links.values()) for (const { tell } of link.waiting.values()) tells.push(tell);
    return tells.sort((a, b) => a.number - b.number);
  }
}

function receiverOf(tell: OutgoingTell): string {
  return `${tell.type}/${tell.id}`;
}
