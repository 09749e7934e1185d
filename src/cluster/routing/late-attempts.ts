/**
 * First attempts that come after a later one. A router that gave a command up, because its owner was silent, cannot take
 * back what is on its way: the caller sends the command again, through another node perhaps, and the first attempt, which
 * asks for no search, arrives when the second is done. (Found in simulation: a slow link made a command happen twice.)
 *
 * So an owner remembers what came as a later attempt, and from where it had to be searched. Its own memory will do: a first
 * attempt is admitted only on a lane that was opened in the epoch that serves now, on this very node.
 */
import type { Position } from '../../core/ids.ts';
import { type Mistaken, noMistakes } from '../mistakes.ts';

/** How long an owner's own event loop, or a link to it, may hold a message back. Links are cut long before. */
export const lateByMs = 15 * 60_000;
/** Beyond, the oldest are forgotten: ids of commands that were sent again within that time. */
export const lateAttemptsMax = 100_000;

interface Attempt {
  readonly since: Position;
  readonly atMs: number;
}

export class LateAttempts {
  readonly #nowMs: () => number;
  readonly #mistaken: Mistaken;
  readonly #attempts = new Map<string, Attempt>();

  constructor(nowMs: () => number, mistaken: Mistaken = noMistakes) {
    this.#nowMs = nowMs;
    this.#mistaken = mistaken;
  }

  /**
   * @param since from where the caller has it searched; −1: it says that this is the first attempt
   * @returns from where it has to be searched
   */
  sinceOf(commandId: string, since: Position): Position {
    if (since < 0)
      return this.#mistaken('late first attempt not searched')
        ? since
        : (this.#attempts.get(commandId)?.since ?? since);
    if (commandId === '') return since;
    const nowMs = this.#nowMs();
    this.#forget(nowMs);
    this.#attempts.delete(commandId);
    this.#attempts.set(commandId, { since, atMs: nowMs });
    return since;
  }

  get size(): number {
    return this.#attempts.size;
  }

  #forget(nowMs: number): void {
    for (const [commandId, { atMs }] of this.#attempts) {
      if (nowMs - atMs < lateByMs && this.#attempts.size < lateAttemptsMax) return;
      this.#attempts.delete(commandId);
    }
  }
}
