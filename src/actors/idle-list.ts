/**
 * The idle actors of one type, least recently used first: an intrusive list, so that using an actor costs a few
 * pointer writes, and finding who has been idle for too long costs nothing but the finding.
 */
import type { Activation } from './activation.ts';

export class IdleList {
  readonly passivateAfterMs: number;
  #oldest: Activation | undefined = undefined;
  #newest: Activation | undefined = undefined;

  constructor(passivateAfterMs: number) {
    this.passivateAfterMs = passivateAfterMs;
  }

  get oldest(): Activation | undefined {
    return this.#oldest;
  }

  /** Puts an actor at the young end, wherever it was. */
  touch(activation: Activation, nowMs: number): void {
    activation.lastUsedMs = nowMs;
    if (this.#newest === activation) return;
    this.remove(activation);
    activation.older = this.#newest;
    if (this.#newest) this.#newest.newer = activation;
    else this.#oldest = activation;
    this.#newest = activation;
  }

  remove(activation: Activation): void {
    const { newer, older } = activation;
    if (newer) newer.older = older;
    else if (this.#newest === activation) this.#newest = older;
    if (older) older.newer = newer;
    else if (this.#oldest === activation) this.#oldest = newer;
    activation.newer = undefined;
    activation.older = undefined;
  }
}
