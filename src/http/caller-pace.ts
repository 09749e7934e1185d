/** Writing no faster than the caller takes: what waits for a slow one waits where it comes from, and not in memory. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { stalledCallerMs } from './limits.ts';

/** Resolves when the caller has taken what was written, or `signal` aborts; one that takes nothing for too long is let go. */
export function untilTaken(response: ServerResponse, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted || !response.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const giveUp = clock.schedule(stalledCallerMs, () => response.destroy());
    const goOn = () => {
      giveUp();
      response.off('drain', goOn);
      signal.removeEventListener('abort', goOn);
      resolve();
    };
    response.once('drain', goOn);
    signal.addEventListener('abort', goOn);
  });
}
