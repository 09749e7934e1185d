/**
 * What clients did and what they were told: the only thing that promises are checked against, besides what is there
 * in the end. Order is counted, not timed: `invoked` and `ended` are places in the history's own sequence of events.
 */

export type Outcome =
  | { readonly type: 'reply'; readonly reply: unknown; readonly replayed: boolean }
  | { readonly type: 'rejection'; readonly code: string }
  /** A failure that is an answer: nothing of the command was kept. */
  | { readonly type: 'failure'; readonly code: string }
  /** May have happened, may happen later, may never happen. */
  | { readonly type: 'unknown'; readonly code: string }
  /** Every attempt was refused before it began. */
  | { readonly type: 'notExecuted'; readonly code: string };

export interface Operation {
  readonly client: string;
  /** `type/id` */
  readonly actor: string;
  readonly command: string;
  readonly input: unknown;
  /** The client's own; empty where it took the one that the cluster gave. */
  readonly key: string;
  readonly invoked: number;
  readonly invokedAtMs: number;
  /** Infinity while it has not ended, and for ever if its outcome is unknown. */
  readonly ended: number;
  readonly endedAtMs: number;
  readonly attempts: number;
  readonly outcome: Outcome;
}

/** An operation that goes on. */
export interface OpenOperation {
  end(outcome: Outcome, attempts: number): void;
}

export type Invocation = Pick<Operation, 'client' | 'actor' | 'command' | 'input' | 'key'>;

export class History {
  readonly #nowMs: () => number;
  readonly #operations: Operation[] = [];
  #events = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** In the order of invocation. What has not ended is `unknown`. */
  get operations(): readonly Operation[] {
    return this.#operations;
  }

  begin(invocation: Invocation): OpenOperation {
    const index = this.#operations.length;
    this.#operations.push({
      ...invocation,
      invoked: this.#events++,
      invokedAtMs: this.#nowMs(),
      ended: Number.POSITIVE_INFINITY,
      endedAtMs: Number.POSITIVE_INFINITY,
      attempts: 0,
      outcome: { type: 'unknown', code: 'NOT_ENDED' },
    });
    return {
      end: (outcome, attempts) => {
        const ended = outcome.type === 'unknown' ? Number.POSITIVE_INFINITY : this.#events++;
        this.#operations[index] = {
          ...this.#operations[index]!,
          ended,
          endedAtMs: this.#nowMs(),
          attempts,
          outcome,
        };
      },
    };
  }

  /** By actor, each in the order of invocation. */
  byActor(): ReadonlyMap<string, readonly Operation[]> {
    const actors = new Map<string, Operation[]>();
    for (const operation of this.#operations) {
      const known = actors.get(operation.actor);
      if (known) known.push(operation);
      else actors.set(operation.actor, [operation]);
    }
    return actors;
  }
}

/** One line for a report. */
export function describeOperation({ client, actor, command, input, invoked, ended, outcome }: Operation): string {
  const answer = outcome.type === 'reply' ? JSON.stringify(outcome.reply) : `${outcome.type} ${outcome.code}`;
  const span = Number.isFinite(ended) ? `${invoked}…${ended}` : `${invoked}…`;
  return `[${span}] ${client}: ${actor}.${command}(${JSON.stringify(input) ?? ''}) → ${answer ?? 'nothing'}`;
}
