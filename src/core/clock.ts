/** Time as an argument: everything that needs it gets a {@link Clock}; only drivers make the real one. */

export interface Clock {
  /** Milliseconds since 1970. Goes back and forth with the machine's settings: never orders, never fences. */
  wallMs(): number;
  /** Milliseconds since some start; never falls. What deadlines and idle times are counted in. */
  monotonicMs(): number;
  /** Runs `task` once, not before `delayMs` have passed. Returns what cancels it. */
  schedule(delayMs: number, task: () => void): () => void;
  /** Runs `task` in the next turn of the event loop, after I/O that is already waiting. */
  defer(task: () => void): void;
}
