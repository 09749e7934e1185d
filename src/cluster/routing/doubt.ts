/**
 * What may be said of a command that was tried before: an attempt that came to nothing says nothing of the one before it.
 * (Found in simulation: a command that was recorded as its owner was fenced came back, waited for its busy actor until
 * its deadline, and was said not to have been executed.)
 */
import type { Caller } from '../../actors/envelope.ts';
import { GreenroomError, type Rejection } from '../../core/errors.ts';

/** Tells a caller of a later attempt, after one whose outcome is not known. */
export function callerInDoubt(caller: Caller): Caller {
  return {
    replied: (reply, facts) => caller.replied(reply, facts),
    failed: (error, facts) => caller.failed(inDoubt(error), facts),
    ...(caller.moved && { moved: caller.moved.bind(caller) }),
  };
}

/** "Not executed" is true of this attempt only. */
export function inDoubt(error: GreenroomError | Rejection): GreenroomError | Rejection {
  const isOfThisAttempt =
    error instanceof GreenroomError && (error.code === 'UNAVAILABLE' || error.code === 'OVERLOADED');
  return isOfThisAttempt ? unknown(error.message) : error;
}

export function unknown(reason: string): GreenroomError {
  return new GreenroomError('OUTCOME_UNKNOWN', `it is not known whether the command was executed: ${reason}`);
}
