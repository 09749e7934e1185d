/**
 * Actors that wait for each other's current turn would wait until their time-outs; the ask that closes the cycle is
 * answered `ASK_CYCLE` at once instead. The wait-for graph is made of running turns and the asks they have open. Of actors
 * on other nodes a node knows what an ask brings along: the chain of actors that wait for its answer.
 */
import type { Activation } from './activation.ts';
import { TurnCaller } from './callers.ts';
import type { Turn } from './turn.ts';

/** An actor on another node that a turn waits for. */
export interface RemoteTarget {
  /** `type/id` */
  readonly key: string;
}

/** Whom a turn waits for. */
export type AskTarget = Activation | RemoteTarget;

/** Actors in one chain of asks. Beyond: the ask is refused, as a cycle that nobody saw would be. */
export const askChainMax = 64;

/** Whether `target`'s current turn waits, directly or through others, for `waiter` or one of those that wait for it. */
export function closesCycle(waiter: Activation, target: Activation): boolean {
  return waitsFor(target, (each) => each === waiter);
}

/** The same for an ask that came from another node: `chain` are the actors that wait for its answer. */
export function closesRemoteCycle(chain: readonly string[], target: Activation): boolean {
  return waitsFor(target, (each) => chain.includes(keyOf(each)));
}

function waitsFor(target: Activation, isSought: (target: AskTarget) => boolean): boolean {
  if (isSought(target)) return true;
  const first = target.turn?.waitingOn;
  if (!first || first.length === 0) return false;
  const seen = new Set<AskTarget>([target]);
  const open = [...first];
  for (let next = open.pop(); next; next = open.pop()) {
    if (isSought(next)) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    if ('turn' in next && next.turn?.waitingOn) open.push(...next.turn.waitingOn);
  }
  return false;
}

/** Everyone who waits for what this turn asks: its own actor first. */
export function askChain(turn: Turn): readonly string[] {
  const chain: string[] = [];
  for (let at: Turn | undefined = turn; at && chain.length <= askChainMax; ) {
    chain.push(keyOf(at.activation));
    const envelope: Turn['envelope'] = at.envelope;
    if (envelope?.chain) chain.push(...envelope.chain);
    at = envelope?.caller instanceof TurnCaller ? envelope.caller.turn : undefined;
  }
  return chain;
}

function keyOf(target: AskTarget): string {
  return 'key' in target ? target.key : `${target.definition.name}/${target.id}`;
}
