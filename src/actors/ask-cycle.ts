/**
 * Actors that wait for each other's current turn would wait until their time-outs; the ask that closes the cycle is
 * answered `ASK_CYCLE` at once instead. The wait-for graph is made of running turns and the asks they have open.
 */
import type { Activation } from './activation.ts';

/** Whether `target`'s current turn waits, directly or through others, for `waiter`. */
export function closesCycle(waiter: Activation, target: Activation): boolean {
  if (target === waiter) return true;
  const first = target.turn?.waitingOn;
  if (!first || first.length === 0) return false;
  const seen = new Set<Activation>([target]);
  const open = [...first];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next === waiter) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    if (next.turn?.waitingOn) open.push(...next.turn.waitingOn);
  }
  return false;
}
