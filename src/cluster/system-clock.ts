/** The real clock and the real randomness. Timers do not keep a process alive; sockets and pending I/O do. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  defer(task) {
    setImmediate(task);
  },
};

export const systemRandom: Random = {
  next: () => randomBytes(4).readUInt32BE() / 4_294_967_296,
};
