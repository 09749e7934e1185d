/** What runs of every kind have in common: a world whose time passes until something is so, and what was found wrong in it. */
import type { Counters } from './counters.ts';
import type { FaultSchedule } from './fault-schedule.ts';
import type { History } from './history.ts';
import { longestPauses } from './promises.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Tuning } from './tuning.ts';
import type { World } from './world.ts';

/** Something that must not be, and which check saw it. */
export interface Violation {
  /** `P1` … `P8`, `early`, `I1` … `I12`, or `defect`. */
  readonly check: string;
  readonly what: string;
}

export interface SimulationOutcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Depends on everything that happened: equal in every run of the seed. */
  readonly hash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly undecided: number;
  readonly longestSilenceMs: number;
  readonly longestCommandMs: number;
  readonly counters: Counters;
  readonly schedule: FaultSchedule;
  readonly tuning: Tuning;
  /** The newest lines of the trace. */
  readonly tail: readonly string[];
}

/** What a run was, beside what was found. */
export interface Course {
  readonly seed: number;
  readonly cluster: SimulatedCluster;
  readonly history: History;
  readonly schedule: FaultSchedule;
  readonly tuning: Tuning;
  readonly undecided: number;
}

const lookEveryMs = 100;
const answered: ReadonlySet<string> = new Set(['reply', 'rejection', 'failure']);

/** `a`, `b`, … */
export function machineNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => String.fromCharCode('a'.charCodeAt(0) + index));
}

export class Trial {
  readonly violations: Violation[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  found(check: string, what: string): void {
    this.#world.note('checks', `VIOLATION of ${check}: ${what}`);
    this.violations.push({ check, what });
  }

  /** Lets time pass until it is so. @returns false, and it is a violation (I12), if it is not so in time */
  async comes(what: string, isSo: () => boolean, withinMs: number): Promise<boolean> {
    const untilMs = this.#world.nowMs + withinMs;
    while (!this.#world.isStopped) {
      if (isSo()) return true;
      if (this.#world.nowMs >= untilMs) {
        this.found('I12', `${what} within ${withinMs} ms`);
        return false;
      }
      await this.#world.run(Math.min(untilMs, this.#world.nowMs + lookEveryMs));
    }
    return false;
  }

  /** Lets time pass until the promise has settled. */
  async lets(promise: Promise<unknown>): Promise<void> {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    while (!isSettled && !this.#world.isStopped) await this.#world.run(this.#world.nowMs + lookEveryMs);
  }

  outcome({ seed, cluster, history, schedule, tuning, undecided }: Course): SimulationOutcome {
    const { trace, nowMs } = this.#world;
    const pauses = longestPauses(history);
    return {
      seed,
      violations: this.violations,
      hash: trace.hash,
      steps: trace.steps,
      virtualMs: nowMs,
      operations: history.operations.length,
      acknowledged: history.operations.filter(({ outcome }) => answered.has(outcome.type)).length,
      undecided,
      longestSilenceMs: pauses.silenceMs,
      longestCommandMs: pauses.commandMs,
      counters: cluster.counters,
      schedule,
      tuning,
      tail: trace.tail,
    };
  }
}
