/** What runs of every kind have in common: a world whose time passes until something is so, and what was found wrong in it. */
import type { World } from './world.ts';

/** Something that must not be, and which check saw it. */
export interface Violation {
  /** `P1` … `P8`, `early`, `I1` … `I12`, or `defect`. */
  readonly check: string;
  readonly what: string;
}

const lookEveryMs = 100;

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
}
