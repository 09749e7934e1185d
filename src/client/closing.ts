/**
 * The end of a client, for everything that waits in it. What an AbortSignal does, for as many waiting calls as there
 * are: Node warns of a leak when more than ten listen to one signal.
 */

/** What a wait needs to know of its end; an AbortSignal is one, too. */
export interface EndSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export class Closing implements EndSignal {
  readonly #listeners = new Set<() => void>();
  #isOver = false;

  get aborted(): boolean {
    return this.#isOver;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** Tells everyone who listens; idempotent. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Ends as soon as one of the two does. */
export function eitherEnds(one: EndSignal, other: EndSignal): EndSignal {
  return {
    get aborted() {
      return one.aborted || other.aborted;
    },
    addEventListener(type, listener) {
      one.addEventListener(type, listener);
      other.addEventListener(type, listener);
    },
    removeEventListener(type, listener) {
      one.removeEventListener(type, listener);
      other.removeEventListener(type, listener);
    },
  };
}
