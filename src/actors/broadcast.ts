/** Asking many actors the same thing, a bounded number of them at a time. */
import { GreenroomError } from '../core/errors.ts';
import type { Actor, ActorRef, ActorType, Client, CommandName, InputOf } from './actor.ts';

/** Asks that are open at one time unless it is said otherwise. */
export const broadcastParallelDefault = 64;

export interface BroadcastOptions {
  /** Asks open at one time. Default 64. */
  readonly parallel?: number;
}

/** Refs, or the ids of actors of one type. */
export type BroadcastTargets<A extends Actor> =
  | Iterable<ActorRef<A>>
  | { readonly from: Client; readonly type: ActorType<A>; readonly ids: Iterable<string> };

/**
 * Sends a command to many actors and waits for all answers: in the order of the targets, each an answer or why there
 * is none, as of `Promise.allSettled`. One that fails holds up no other.
 *
 *     await broadcast({ from: node, type: Stock, ids }, 'reprice', { percent: 5 }, { parallel: 16 });
 *
 * Inside an actor its asks are those of the command: before it records anything. Where no answer is needed,
 * `for (const ref of refs) this.tell(ref).command(input)` costs less and leaves with the record.
 */
export async function broadcast<A extends Actor, K extends CommandName<A>>(
  targets: BroadcastTargets<A>,
  command: K,
  ...rest: InputOf<A[K]> extends readonly []
    ? [input?: undefined, options?: BroadcastOptions]
    : [...input: InputOf<A[K]>, options?: BroadcastOptions]
): Promise<PromiseSettledResult<AnswerOf<A, K>>[]>;
export async function broadcast(
  targets: BroadcastTargets<Actor>,
  command: string,
  input?: unknown,
  options: BroadcastOptions = {},
): Promise<PromiseSettledResult<unknown>[]> {
  const { parallel = broadcastParallelDefault } = options;
  if (!Number.isSafeInteger(parallel) || parallel < 1)
    throw new GreenroomError('BAD_REQUEST', `parallel is ${parallel}; it is a whole number from 1`);
  const outcomes: PromiseSettledResult<unknown>[] = [];
  const refs = refsOf(targets)[Symbol.iterator]();
  let next = 0;
  const askOneByOne = async (): Promise<void> => {
    for (let step = refs.next(); !step.done; step = refs.next()) {
      const place = next++;
      const ref = step.value as unknown as Record<string, (input: unknown) => Promise<unknown>>;
      const [outcome] = await Promise.allSettled([ref[command]!(input)]);
      outcomes[place] = outcome;
    }
  };
  await Promise.all(Array.from({ length: parallel }, askOneByOne));
  return outcomes;
}

type AnswerOf<A, K extends keyof A> = A[K] extends (...args: never[]) => infer R ? Awaited<R> : never;

function* refsOf(targets: BroadcastTargets<Actor>): Iterable<ActorRef<Actor>> {
  if (Symbol.iterator in targets) yield* targets;
  else for (const id of targets.ids) yield targets.from.actor(targets.type, id);
}
