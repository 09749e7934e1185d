/** Who waits for the answer of an ask: a promise of a caller outside, or a turn that goes on with it. */
import type { AskTarget } from './ask-cycle.ts';
import type { AnswerFacts, Caller } from './envelope.ts';
import type { Turn } from './turn.ts';

export class PromiseCaller implements Caller {
  readonly #resolve: (reply: unknown) => void;
  readonly #reject: (error: Error) => void;
  constructor(resolve: (reply: unknown) => void, reject: (error: Error) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }
  replied(reply: unknown): void {
    this.#resolve(reply);
  }
  failed(error: Error): void {
    this.#reject(error);
  }
}

export class TurnCaller implements Caller {
  readonly turn: Turn;
  readonly #target: AskTarget;
  readonly #resolve: (reply: unknown) => void;
  readonly #reject: (error: Error) => void;
  constructor(turn: Turn, target: AskTarget, resolve: (reply: unknown) => void, reject: (error: Error) => void) {
    this.turn = turn;
    this.#target = target;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  replied(reply: unknown, facts: AnswerFacts): void {
    this.#ended();
    if (facts.recorded) this.turn.askCommitted = true;
    this.#resolve(reply);
  }
  failed(error: Error): void {
    this.#ended();
    this.#reject(error);
  }
  #ended(): void {
    const open = this.turn.waitingOn!;
    open.splice(open.indexOf(this.#target), 1);
  }
}
