/** What an activation answers to commands that it does not run, and why it could not recover. */
import { GreenroomError } from '../core/errors.ts';
import { MemoryError } from './memory.ts';

/** Nothing was recorded here: the new owner runs it, and what it asked of others is not repeated. */
export function movedRefusal(message = 'the shard moved to another owner'): GreenroomError {
  return new GreenroomError('UNAVAILABLE', message, { retryAfterMs: 100, reroute: 'refused' });
}

/** The stored event that nobody on this node knows, if that is why a recovery failed. */
export function unknownEventOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof MemoryError ? cause.unknownEvent : undefined;
}

export function tooLate(): GreenroomError {
  return new GreenroomError('UNAVAILABLE', 'the actor was busy until the deadline; the command was not executed');
}
