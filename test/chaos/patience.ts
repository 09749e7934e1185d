/** How callers of a cluster in trouble behave: they send a command again, under its key, until it is answered. */
import { GreenroomError } from 'greenroom';
import { pause } from './chaos-clients.ts';

/** It took longer than the plan allows. */
export class Late extends Error {}

export interface Patience {
  readonly giveUpAfterMs: number;
  /** Between two tries, if the answer does not say. */
  readonly againMs: number;
  /** Counted by code: what was tried again. */
  readonly errors: Record<string, number>;
}

/** Sends until it is answered. @throws Late */
export async function answered<T>(
  what: string,
  { giveUpAfterMs, againMs, errors }: Patience,
  send: () => Promise<T>,
): Promise<T> {
  const endMs = performance.now() + giveUpAfterMs;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof GreenroomError)) throw error;
      const isWorthAnother = error.retryable || error.code === 'OUTCOME_UNKNOWN';
      if (!isWorthAnother) throw error;
      errors[error.code] = (errors[error.code] ?? 0) + 1;
      if (performance.now() > endMs) throw new Late(`${what} was not answered: ${error.code}`);
      await pause(error.retryAfterMs ?? againMs);
    }
  }
}

/** Does `once` for each, `lanes` of them at a time. */
export async function inLanes<T>(all: readonly T[], lanes: number, once: (each: T, index: number) => Promise<void>) {
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < all.length; index = next++) await once(all[index]!, index);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
