/**
 * Questions from node to node: inspection, history, listing. A question changes nothing, so one whose answer is lost, or
 * whose shard moved, is simply asked again, until its deadline. A node out of reach is asked through another.
 */
import type { Clock } from '../../core/clock.ts';
import { GreenroomError } from '../../core/errors.ts';
import type { StoreId } from '../../core/ids.ts';
import { beforeFirst } from '../life-numbers.ts';
import { type CommandMessage, encodeCommandMessage, errorFromWire, errorToWire } from './command-messages.ts';
import type { Relays } from './relays.ts';

/** Answers a question on this node. */
export type QueryHandler = (name: string, input: unknown, timeoutMs: number) => Promise<unknown>;

export interface QueriesOptions {
  /** This life of the store: no two use the same numbers. */
  readonly boot: number;
  readonly clock: Clock;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  /** Both directions work. */
  readonly isUp: (peer: StoreId) => boolean;
  readonly relays: Relays;
  readonly answer: QueryHandler;
}

interface Asked {
  readonly to: StoreId;
  /** Whom the question was sent to, if that is not who is to answer it. */
  readonly through: StoreId | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** Open questions of one node. Beyond: `OVERLOADED`. */
const openMax = 10_000;
/** Asks for another node's answer. Its input: that node, and what it is to be asked. */
const relayedQuestion = 'relayed';

export class Queries {
  readonly #options: QueriesOptions;
  readonly #asked = new Map<number, Asked>();
  #lastNumber: number;

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.#lastNumber = beforeFirst(options.boot);
  }

  /** Rejects with `reroute` set where another node, or the same one later, may answer. */
  ask(to: StoreId, name: string, input: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#options.isUp(to)) return this.#ask({ to }, name, input, timeoutMs);
    const through = this.#options.relays.next(to);
    if (through === undefined) return Promise.reject(lost('no way leads there'));
    return this.#ask({ to, through }, relayedQuestion, [to, name, input], timeoutMs);
  }

  #ask(
    { to, through }: { readonly to: StoreId; readonly through?: StoreId },
    name: string,
    input: unknown,
    timeoutMs: number,
  ): Promise<unknown> {
    if (this.#asked.size >= openMax)
      return Promise.reject(
        new GreenroomError('OVERLOADED', `${openMax} questions are open on this node already`, { retryAfterMs: 500 }),
      );
    return new Promise((resolve, reject) => {
      const number = ++this.#lastNumber;
      const cancel = this.#options.clock.schedule(timeoutMs, () => {
        this.#asked.delete(number);
        reject(lost('it did not answer in time'));
      });
      this.#asked.set(number, { to, through, resolve, reject, cancel });
      if (this.#options.send(through ?? to, encodeCommandMessage({ type: 'query', number, name, input, timeoutMs })))
        return;
      this.#take(number);
      reject(lost('no way leads there'));
    });
  }

  received(from: StoreId, message: CommandMessage & { type: 'query' | 'result' | 'queryFailed' }): void {
    const { number } = message;
    if (message.type === 'query') {
      const send = (answer: CommandMessage) => void this.#options.send(from, encodeCommandMessage(answer));
      this.#answer(message.name, message.input, message.timeoutMs).then(
        (result) => send({ type: 'result', number, result }),
        (error: unknown) => {
          const reroute = error instanceof GreenroomError ? error.reroute : undefined;
          send({ type: 'queryFailed', number, error: errorToWire(error), reroute });
        },
      );
      return;
    }
    const asked = this.#take(number);
    if (!asked) return;
    const { to, through } = asked;
    if (through !== undefined) {
      if (message.type === 'result') this.#options.relays.works(to, through);
      else if (message.reroute !== undefined) this.#options.relays.fails(to, through);
    }
    if (message.type === 'result') asked.resolve(message.result);
    else if (message.reroute !== undefined) asked.reject(lost('the shard moved'));
    else asked.reject(errorFromWire(message.error));
  }

  async #answer(name: string, input: unknown, timeoutMs: number): Promise<unknown> {
    if (name !== relayedQuestion) return this.#options.answer(name, input, timeoutMs);
    const [to, question, its] = input as [StoreId, string, unknown];
    if (!this.#options.isUp(to)) throw lost('no way leads there');
    return this.#ask({ to }, question, its, timeoutMs);
  }

  linkDown(peer: StoreId): void {
    for (const [number, { to, through, reject }] of this.#asked) {
      if ((through ?? to) !== peer) continue;
      this.#take(number);
      reject(lost('the way there broke'));
    }
  }

  #take(number: number): Asked | undefined {
    const asked = this.#asked.get(number);
    if (!asked) return undefined;
    this.#asked.delete(number);
    asked.cancel();
    return asked;
  }
}

function lost(why: string): GreenroomError {
  return new GreenroomError('UNAVAILABLE', `the node that knows could not be asked: ${why}`, {
    retryAfterMs: 200,
    reroute: 'refused',
  });
}
