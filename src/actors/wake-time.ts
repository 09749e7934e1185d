/** When an actor has to be woken, as of the record that is about to be written: what goes into the record's head. */
import { unsentWakeAt } from '../persistence/record.ts';
import type { Activation } from './activation.ts';

/**
 * @param hasUnsent it has tells that are not known to have been recorded by their receivers
 * @returns milliseconds since 1970, {@link unsentWakeAt}, or 0 if there is nothing to do
 */
export function wakeTime({ memory, definition, sequenceNumber }: Activation, hasUnsent: boolean): number {
  if (hasUnsent) return unsentWakeAt;
  const { expireMs } = definition;
  const expires = expireMs !== undefined && memory.lastCommandAt > 0 && sequenceNumber > memory.deletedThrough;
  const at = Math.min(memory.reminders.nextAt, expires ? memory.lastCommandAt + expireMs : Number.POSITIVE_INFINITY);
  return at === Number.POSITIVE_INFINITY ? 0 : Math.max(Math.ceil(at), unsentWakeAt + 1);
}
