/**
 * SIGINT and SIGTERM: the first asks for an ordered stop, the second stops at once. One press of Ctrl-C can arrive
 * twice (the terminal signals the whole process group, and npm passes its own on), so a second one within a moment
 * is taken for the same press.
 */
import { exitCodes } from './exit-codes.ts';

/** Signals closer together than this are one. */
export const samePressMs = 250;

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface StopSignals {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  /** Gives the signals back to Node. */
  release(): void;
}

/** @param atOnce called on the second signal, with the exit code that belongs to it */
export function listenForStop(atOnce: (exitCode: number) => void): StopSignals {
  let firstMs: number | undefined;
  let resolve!: (signal: StopSignal) => void;
  const first = new Promise<StopSignal>((settle) => {
    resolve = settle;
  });
  const onSignal = (signal: StopSignal) => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      resolve(signal);
    } else if (nowMs - firstMs > samePressMs) {
      atOnce(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
    }
  };
  const signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    first,
    release: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
