/**
 * A queue of envelopes, in order of arrival. The envelopes themselves are the links, so that a command costs no
 * allocation here; an activation drops its mailbox when it is empty, so that an idle actor pays for none. The limit
 * is the host's (limits.ts).
 */
import { assert } from '../core/assert.ts';
import type { Envelope } from './envelope.ts';

export class Mailbox {
  #first: Envelope;
  #last: Envelope;
  #length = 1;

  constructor(first: Envelope) {
    this.#first = first;
    this.#last = first;
  }

  get length(): number {
    return this.#length;
  }

  push(envelope: Envelope): void {
    assert(envelope.next === undefined && envelope !== this.#last, 'an envelope lies in one mailbox at a time');
    this.#last.next = envelope;
    this.#last = envelope;
    this.#length += 1;
  }

  /** The oldest. */
  get first(): Envelope {
    return this.#first;
  }

  /** Takes the oldest; an emptied mailbox is to be dropped. */
  shift(): Envelope {
    assert(this.#length > 0, 'shift takes from a mailbox that is not empty');
    const envelope = this.#first;
    this.#length -= 1;
    if (envelope.next) this.#first = envelope.next;
    envelope.next = undefined;
    return envelope;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Iterator<Envelope> {
    let at: Envelope | undefined = this.#length > 0 ? this.#first : undefined;
    while (at) {
      const next: Envelope | undefined = at.next;
      yield at;
      at = next;
    }
  }
}
