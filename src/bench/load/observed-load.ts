/**
 * An open loop of which every single call is remembered: whom it called, when it was due, how long it took. It runs until
 * it is stopped, while something else happens to the system (a node joins, an owner dies), and afterwards each shard can
 * be looked at by itself. Times are on the clock of the machine (milliseconds since 1970), so that the calls of several
 * processes, and what was done to the system, stand on one line.
 */
import type { KeyChoice } from './keys.ts';
import { keyChooser } from './keys.ts';
import { type LoopTime, type OpenLoop, openLoop } from './open-loop.ts';

/** Columns of the same length: one entry a call. */
export interface ObservedCalls {
  readonly keys: readonly number[];
  readonly dueMs: readonly number[];
  /** From when it was due until it was over; of calls that were never answered, until they were given up. */
  readonly tookMs: readonly number[];
  /** Of the calls that failed, by their index. */
  readonly failures: readonly (readonly [index: number, error: string])[];
}

/** Beyond, calls are made and not remembered: {@link ObservedLoad.stop} rejects then. */
const callsMax = 5_000_000;
/** How long open calls are waited for after the stop: more than a caller's own deadline. */
const drainMs = 15_000;
const sliceMs = 60_000;

/**
 * Looks at the clock about once a millisecond, not in each turn: nodes that spin would take the processor from each
 * other, and be what is measured. A call may start that much after it was due, which counts as its latency.
 */
const pacedTime: LoopTime = {
  nowMs: () => performance.now(),
  turn: () => new Promise((resolve) => setTimeout(resolve, 1)),
};

export class ObservedLoad {
  readonly #keys: number[] = [];
  readonly #dueMs: number[] = [];
  readonly #tookMs: number[] = [];
  readonly #failures: [number, string][] = [];
  readonly #over: Promise<unknown>;
  #isStopped = false;

  /** Begins at once. */
  constructor(loop: OpenLoop, keys: KeyChoice, once: (key: number) => Promise<unknown>, time = pacedTime) {
    const nextKey = keyChooser(keys);
    const observed = async (dueMs: number): Promise<void> => {
      const key = nextKey();
      const index = this.#keys.push(key) - 1;
      if (index < callsMax) {
        this.#dueMs.push(performance.timeOrigin + dueMs);
        this.#tookMs.push(-1);
      }
      try {
        await once(key);
      } catch (error) {
        if (index < callsMax) this.#failures.push([index, String(error)]);
      }
      if (index < callsMax) this.#tookMs[index] = time.nowMs() - dueMs;
    };
    this.#over = openLoop({ drainMs, sliceMs, ...loop }, observed, time, () => this.#isStopped);
  }

  /** @throws Error if there were more calls than can be remembered */
  async stop(): Promise<ObservedCalls> {
    this.#isStopped = true;
    await this.#over;
    if (this.#keys.length > callsMax) throw new Error(`an observed load has at most ${callsMax} calls`);
    const nowMs = performance.timeOrigin + performance.now();
    const failures = [...this.#failures];
    const tookMs = this.#tookMs.map((took, index) => {
      if (took >= 0) return took;
      failures.push([index, 'not answered']);
      return nowMs - this.#dueMs[index]!;
    });
    return { keys: this.#keys, dueMs: this.#dueMs, tookMs, failures };
  }
}
