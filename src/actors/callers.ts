/** Who waits for the answer of an ask: a promise of a caller outside, or a turn that goes on with it. */
import type { Activation } from './activation.ts';
import type { Caller, Envelope } from './envelope.ts';
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
  readonly #turn: Turn;
  readonly #target: Activation;
  readonly #resolve: (reply: unknown) => void;
  readonly #reject: (error: Error) => void;
  constructor(turn: Turn, target: Activation, resolve: (reply: unknown) => void, reject: (error: Error) => void) {
    this.#turn = turn;
    this.#target = target;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  replied(reply: unknown, envelope: Envelope): void {
    this.#ended();
    if (envelope.recorded) this.#turn.askCommitted = true;
    this.#resolve(reply);
  }
  failed(error: Error): void {
    this.#ended();
    this.#reject(error);
  }
  #ended(): void {
    const open = this.#turn.waitingOn!;
    open.splice(open.indexOf(this.#target), 1);
  }
}
