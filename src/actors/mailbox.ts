/**
 * A queue of envelopes, in order of arrival. Grows as a power-of-two ring and shrinks to nothing when empty: the
 * activation drops it, so that an idle actor pays for none. The limit is the owner's (see limits.ts).
 */
import { assert } from '../core/assert.ts';
import type { Envelope } from './envelope.ts';

const capacityMin = 4;

export class Mailbox {
  #ring: (Envelope | undefined)[] = new Array(capacityMin);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(envelope: Envelope): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = envelope;
    this.#length += 1;
  }

  shift(): Envelope {
    const envelope = this.#ring[this.#head];
    assert(this.#length > 0 && envelope, 'shift takes from a mailbox that is not empty');
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return envelope;
  }

  *[Symbol.iterator](): Iterator<Envelope> {
    for (let i = 0; i < this.#length; i++) yield this.#ring[(this.#head + i) & (this.#ring.length - 1)]!;
  }

  #grow(): void {
    const ring = new Array<Envelope | undefined>(this.#ring.length * 2);
    for (let i = 0; i < this.#length; i++) ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
