/** What an activation answers to commands that it does not run, and why it could not recover. */
import { GreenroomError } from '../core/errors.ts';
import { MemoryError } from './memory.ts';

/** Not executed here: whoever routed the command sends it to the new owner. */
export function movedRefusal(): GreenroomError {
  return new GreenroomError('UNAVAILABLE', 'the shard moved to another owner', {
    retryAfterMs: 100,
    reroute: 'refused',
  });
}

/** The stored event that nobody on this node knows, if that is why a recovery failed. */
export function unknownEventOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof MemoryError ? cause.unknownEvent : undefined;
}

export function tooLate(): GreenroomError {
  return new GreenroomError('UNAVAILABLE', 'the actor was busy until the deadline; the command was not executed');
}
