/**
 * Nothing that this node has promised leaves before it is on its disk (I8): a message waits for everything that was
 * being written when it was made. That is more than needed (a leader's entries could leave while its own disk works)
 * and has no exception to reason about. Messages leave in the order they were made.
 */
import type { StoreId } from '../../core/ids.ts';
import type { ControlMessage } from './control-protocol.ts';

export interface Addressed<Change, Snapshot> {
  readonly to: StoreId;
  readonly message: ControlMessage<Change, Snapshot>;
}

/** A write on its way, and what the log was in it. */
export interface PendingPersist {
  readonly token: number;
  readonly term: number;
  readonly vote: StoreId | undefined;
  readonly lastIndex: number;
}

export class DurabilityGate<Change, Snapshot> {
  readonly #withheldMax: number;
  readonly #pending: PendingPersist[] = [];
  readonly #withheld: { readonly token: number; readonly addressed: Addressed<Change, Snapshot> }[] = [];
  #token = 0;

  constructor(withheldMax: number) {
    this.#withheldMax = withheldMax;
  }

  /** @returns the token of the write */
  begin(state: Omit<PendingPersist, 'token'>): number {
    this.#token += 1;
    this.#pending.push({ ...state, token: this.#token });
    return this.#token;
  }

  /** @returns what may leave at once: the messages, unless a write is on its way */
  pass(messages: readonly Addressed<Change, Snapshot>[]): readonly Addressed<Change, Snapshot>[] {
    if (this.#pending.length === 0) return messages;
    for (const addressed of messages) {
      if (this.#withheld.length < this.#withheldMax) this.#withheld.push({ token: this.#token, addressed });
    }
    return [];
  }

  /** The write with this token and all before it are on disk. */
  durable(token: number): {
    readonly newest: PendingPersist | undefined;
    readonly released: Addressed<Change, Snapshot>[];
  } {
    let newest: PendingPersist | undefined;
    while (this.#pending.length > 0 && this.#pending[0]!.token <= token) newest = this.#pending.shift();
    let count = 0;
    while (count < this.#withheld.length && this.#withheld[count]!.token <= token) count++;
    return { newest, released: this.#withheld.splice(0, count).map(({ addressed }) => addressed) };
  }
}
