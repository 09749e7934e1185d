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

/** Takes at most `max` actors off their lists that have been idle for longer than their class allows. */
export function* idleSince(lists: readonly IdleList[], nowMs: number, max: number): Iterable<Activation> {
  let left = max;
  for (const list of lists) {
    for (let oldest = list.oldest; oldest && left > 0; oldest = list.oldest) {
      if (nowMs - oldest.lastUsedMs < list.passivateAfterMs) break;
      list.remove(oldest);
      left -= 1;
      yield oldest;
    }
  }
}

/** Takes the `count` least recently used actors off their lists, over all types. */
export function* leastRecent(lists: readonly IdleList[], count: number): Iterable<Activation> {
  for (let left = count; left > 0; left--) {
    let from: IdleList | undefined;
    for (const list of lists) {
      if (list.oldest && (!from?.oldest || list.oldest.lastUsedMs < from.oldest.lastUsedMs)) from = list;
    }
    const oldest = from?.oldest;
    if (!from || !oldest) return;
    from.remove(oldest);
    yield oldest;
  }
}
