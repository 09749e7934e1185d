/**
 * Asks from inside a command pass the output gate, too: one leaves once what its actor recorded before is committed. The
 * command may rest on it, and what was asked would stay if the record were lost.
 */
import { GreenroomError } from '../core/errors.ts';
import type { AskTarget } from './ask-cycle.ts';
import { TurnCaller } from './callers.ts';
import type { Caller } from './envelope.ts';
import { askHeldMaxMs } from './limits.ts';
import type { PendingAppend } from './pending-append.ts';
import type { Turn } from './turn.ts';

/** @param send sends the ask, now or later; what it throws, the ask ends with */
export function askGated(turn: Turn, send: (answer: (target: AskTarget) => Caller) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sendNow = () => {
      try {
        send((target) => new TurnCaller(turn, target, resolve, reject));
      } catch (error) {
        reject(error);
      }
    };
    const { lastPending } = turn.activation;
    if (!lastPending || lastPending.isSettled) sendNow();
    else holdBack(turn, lastPending, sendNow, reject);
  });
}

function holdBack(turn: Turn, pending: PendingAppend, send: () => void, reject: (error: GreenroomError) => void): void {
  const { activation } = turn;
  const { host } = activation;
  let isHeld = true;
  const end = (then: () => void) => {
    if (!isHeld) return;
    isHeld = false;
    cancel();
    if (!host.isClosed && activation.turn === turn) then();
  };
  const cancel = host.clock.schedule(askHeldMaxMs, () => {
    const problem = 'what this actor recorded before is not durable yet, and an ask must wait for it';
    end(() => reject(new GreenroomError('UNAVAILABLE', problem, { retryAfterMs: 1_000 })));
  });
  // Who asked has left memory with a record that is lost, and hears no answer.
  pending.holdAsk({ release: () => end(send), lost: () => end(() => {}) });
}
