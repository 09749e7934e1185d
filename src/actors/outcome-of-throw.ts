/**
 * What a throw in a command becomes for its caller: a rejection is an answer; what an ask inside it answered may pass
 * through where it means the same for the command that asked; everything else is `COMMAND_FAILED`.
 */
import { type ErrorCode, GreenroomError, Rejection } from '../core/errors.ts';
import { findNotPlain } from '../core/plain-data.ts';
import type { Activation } from './activation.ts';
import type { Turn } from './turn.ts';

/** Codes that a nested ask may hand through to the caller of the command that asked. */
const passesThrough: ReadonlySet<ErrorCode> = new Set([
  'ASK_CYCLE',
  'ASK_AFTER_PERSIST',
  'OUTCOME_UNKNOWN',
  'INVALID_INPUT',
]);

/** What a throw in a command becomes for its caller. */
export function outcomeOfThrow(activation: Activation, turn: Turn, error: unknown): GreenroomError | Rejection {
  const { metrics } = activation.host;
  if (error instanceof Rejection) {
    const wrong = findNotPlain(error.details);
    if (!wrong && typeof error.code === 'string') {
      metrics.rejections += 1;
      return error;
    }
    error = new TypeError(`the details of the rejection${wrong?.path ?? ''} ${wrong?.problem ?? 'have no code'}`);
  }
  if (error instanceof GreenroomError) {
    if (error.reroute !== undefined) return error;
    if (passesThrough.has(error.code)) return error;
    if (error.code === 'UNAVAILABLE' || error.code === 'OVERLOADED' || error.code === 'QUARANTINED') {
      return turn.askCommitted
        ? new GreenroomError(
            'OUTCOME_UNKNOWN',
            `an actor it asked answered ${error.code} after another had recorded its part: ${error.message}`,
            { cause: error },
          )
        : error;
    }
  }
  metrics.failures += 1;
  const { definition } = activation;
  const name = `${definition.name}.${turn.envelope?.command.name}`;
  activation.diagnostics.warn(`${name} failed; nothing of it was kept`, { error });
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof GreenroomError && error.code === 'COMMAND_FAILED'
    ? error
    : new GreenroomError('COMMAND_FAILED', `${name} failed: ${message}`, { cause: error });
}

/** An answer that says "not now": a tell stays in its sender's outbox, a tick is tried again. */
export function isForLater(answer: GreenroomError | Rejection): boolean {
  return answer instanceof GreenroomError && answer.retryable;
}
