/**
 * What happened in a world: a running hash over every step and every note, the newest notes as text, and all of them
 * if asked for. Two runs of one seed have the same hash, or something in them is not decided by the seed.
 */
import { chainHash, textHash } from '../../core/hash.ts';

/** Notes kept for the report of a failure. */
export const traceTailLines = 60;

export interface TraceOptions {
  /** Told every note as it is made. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export class Trace {
  readonly #onLine: ((line: string) => void) | undefined;
  #hash = 0;
  #steps = 0;
  #tail: string[] = [];

  constructor(options: TraceOptions = {}) {
    this.#onLine = options.onLine;
  }

  /** Depends on everything that happened so far, and on its order. */
  get hash(): string {
    return this.#hash.toString(16).padStart(12, '0');
  }

  get steps(): number {
    return this.#steps;
  }

  /** The newest notes, oldest first. */
  get tail(): readonly string[] {
    return this.#tail.slice(-traceTailLines);
  }

  /** One event ran. `order` counts events as they were added, so that the hash also sees what was planned. */
  step(atMs: number, order: number): void {
    this.#steps += 1;
    this.#hash = chainHash(this.#hash, Math.floor(atMs), Math.floor((atMs % 1) * 0x4000_0000), order, 0);
  }

  /** Something worth reading. */
  note(atMs: number, who: string, what: string): void {
    const line = `${(atMs / 1_000).toFixed(6).padStart(11)} ${who.padEnd(8)} ${what}`;
    this.#hash = chainHash(this.#hash, textHash(line), 0, 0, 1);
    this.#onLine?.(line);
    this.#tail.push(line);
    if (this.#tail.length > 2 * traceTailLines) this.#tail = this.#tail.slice(-traceTailLines);
  }
}
