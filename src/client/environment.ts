/** What a client needs of the world, as arguments: the same code runs in browsers, on servers and under virtual time. */
import type { EndSignal } from './closing.ts';

export interface Environment {
  readonly fetch: typeof fetch;
  /** Milliseconds since some start; never falls. */
  nowMs(): number;
  /** Runs `task` once after `delayMs`. Returns what cancels it. */
  schedule(delayMs: number, task: () => void): () => void;
  /** Uniform in [0, 1). */
  random(): number;
  /** Whether the network stack may send a request a second time on its own, as browsers do when a kept connection breaks. */
  readonly resendsSilently: boolean;
}

/** The real one. */
export function realEnvironment(fetchFunction: typeof fetch | undefined): Environment {
  return {
    fetch: fetchFunction ?? ((input, init) => fetch(input, init)),
    nowMs: () => performance.now(),
    schedule(delayMs, task) {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
    resendsSilently: 'document' in globalThis || 'importScripts' in globalThis,
  };
}

/** Resolves after `delayMs`, or at once when `signal` aborts. */
export function pause(environment: Environment, delayMs: number, signal: EndSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = environment.schedule(delayMs, end);
    signal.addEventListener('abort', end);
  });
}

/** The pause before the next of several tries: doubles from the first on, with full jitter over its upper half. */
export function backoffMs(environment: Environment, failures: number, minMs: number, maxMs: number): number {
  const wholeMs = Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 20));
  return wholeMs / 2 + (wholeMs / 2) * environment.random();
}
