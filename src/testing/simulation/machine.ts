/**
 * A machine: a computer on which one process lives at a time. It has a clock that drifts and a wall clock that can be
 * set; it can be paused (as SIGSTOP does: timers and deliveries wait, then all come at once), be slow, crash, and
 * start again. What belonged to a life that is over never runs again.
 */
import { assert } from '../../core/assert.ts';
import type { Clock } from '../../core/clock.ts';
import { virtualStartMs } from '../virtual-clock.ts';
import type { World } from './world.ts';

/** One life of a machine's process: what is scheduled in it ends with it. */
export interface Life {
  readonly machine: Machine;
  /** Counts the machine's lives, from 1. */
  readonly number: number;
  readonly clock: Clock;
  readonly isOver: boolean;
  /** An exception that nobody caught: the process dies of it. */
  fail(error: unknown): void;
  /** Called once, when this life is over. */
  onEnd(listener: () => void): void;
}

/**
 * Keys that callers choose are remembered for 15 minutes by the clock (P4): between two clocks, or before and after a jump,
 * there is less.
 */
const wallOffsetMaxMs = 7 * 60_000;

/** What wall clocks showed, milliseconds since 1970. */
export interface WallSpan {
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface MachineOptions {
  readonly name: string;
  /** How fast its clocks run: 1 is right. */
  readonly rate?: number;
  /** By how much its wall clock is off at the start. */
  readonly wallOffsetMs?: number;
  /** Told when its process dies of an exception. */
  readonly onDefect?: (error: unknown) => void;
}

class ProcessLife implements Life {
  readonly machine: Machine;
  readonly number: number;
  readonly clock: Clock;
  readonly #onDefect: (error: unknown) => void;
  readonly #listeners: (() => void)[] = [];
  #isOver = false;

  constructor(machine: Machine, number: number, clock: (life: Life) => Clock, onDefect: (error: unknown) => void) {
    this.machine = machine;
    this.number = number;
    this.clock = clock(this);
    this.#onDefect = onDefect;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  fail(error: unknown): void {
    this.#onDefect(error);
  }

  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  end(): void {
    this.#isOver = true;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

export class Machine {
  readonly name: string;
  readonly #world: World;
  readonly #rate: number;
  readonly #onDefect: (error: unknown) => void;
  #wallOffsetMs: number;
  /** How its wall clock was set, and since when. */
  readonly #wallSettings: { readonly sinceMs: number; readonly offsetMs: number }[] = [];
  #life: ProcessLife | undefined;
  #lives = 0;
  #isPaused = false;
  #stepMs = 0;
  #busyUntilMs = 0;
  /** What came while it could not run, in order. */
  #backlog: { readonly life: Life; readonly task: () => void }[] = [];
  #wakeIsPlanned = false;

  constructor(world: World, options: MachineOptions) {
    this.name = options.name;
    this.#world = world;
    this.#rate = options.rate ?? 1;
    this.#wallOffsetMs = options.wallOffsetMs ?? 0;
    this.#wallSettings.push({ sinceMs: world.nowMs, offsetMs: this.#wallOffsetMs });
    this.#onDefect =
      options.onDefect ??
      ((error) => {
        throw error;
      });
  }

  /** The life of the process that runs now. */
  get life(): Life | undefined {
    return this.#life;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** A process starts. */
  boot(): Life {
    assert(this.#life === undefined, `one process at a time lives on ${this.name}`);
    this.#lives += 1;
    const bornMs = this.#world.nowMs;
    this.#life = new ProcessLife(this, this.#lives, (life) => this.#clockOf(life, bornMs), this.#onDefect);
    return this.#life;
  }

  /** The process is gone, at once and without a word. */
  crash(): void {
    const life = this.#life;
    this.#life = undefined;
    this.#backlog = [];
    this.#isPaused = false;
    this.#busyUntilMs = 0;
    life?.end();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#planWake(0);
  }

  /** From now on each of its events takes this long; 0: no time, as usual. */
  slow(stepMs: number): void {
    this.#stepMs = stepMs;
  }

  /** Sets its wall clock forward or back, never further from the right time than {@link wallOffsetMaxMs}. */
  shiftWall(byMs: number): void {
    this.#wallOffsetMs = Math.min(wallOffsetMaxMs, Math.max(-wallOffsetMaxMs, this.#wallOffsetMs + byMs));
    this.#wallSettings.push({ sinceMs: this.#world.nowMs, offsetMs: this.#wallOffsetMs });
  }

  /**
   * The least and the most that its wall clock showed, or would have shown, between two of the world's times, both
   * included; undefined if it was not there yet.
   */
  wallBetween(fromMs: number, toMs: number): WallSpan | undefined {
    let span: WallSpan | undefined;
    this.#wallSettings.forEach(({ sinceMs, offsetMs }, index) => {
      const untilMs = this.#wallSettings[index + 1]?.sinceMs ?? Number.POSITIVE_INFINITY;
      if (sinceMs > toMs || untilMs < fromMs) return;
      const first = this.#wallAt(Math.max(sinceMs, fromMs), offsetMs);
      const last = this.#wallAt(Math.min(untilMs, toMs), offsetMs);
      span = { leastMs: Math.min(span?.leastMs ?? first, first), mostMs: Math.max(span?.mostMs ?? last, last) };
    });
    return span;
  }

  #wallAt(nowMs: number, offsetMs: number): number {
    return Math.round(virtualStartMs + nowMs * this.#rate + offsetMs);
  }

  /** @internal Keeps the task for later if the machine cannot run just now. */
  holds(life: Life, task: () => void): boolean {
    const isBusy = this.#busyUntilMs > this.#world.nowMs;
    if (!this.#isPaused && !isBusy && this.#backlog.length === 0) return false;
    this.#backlog.push({ life, task });
    if (!this.#isPaused) this.#planWake(Math.max(0, this.#busyUntilMs - this.#world.nowMs));
    return true;
  }

  /** @internal An event of it runs now. */
  ran(): void {
    if (this.#stepMs > 0) this.#busyUntilMs = this.#world.nowMs + this.#stepMs;
  }

  #planWake(delayMs: number): void {
    if (this.#wakeIsPlanned) return;
    this.#wakeIsPlanned = true;
    this.#world.after(delayMs, () => {
      this.#wakeIsPlanned = false;
      this.#workOff();
    });
  }

  /** One piece of the backlog, in a turn of its own. */
  #workOff(): void {
    if (this.#isPaused) return;
    const waitMs = this.#busyUntilMs - this.#world.nowMs;
    if (waitMs > 0) {
      this.#planWake(waitMs);
      return;
    }
    const next = this.#backlog.shift();
    if (!next) return;
    if (this.#backlog.length > 0) this.#planWake(this.#stepMs);
    if (next.life.isOver) return;
    this.ran();
    try {
      next.task();
    } catch (error) {
      next.life.fail(error);
    }
  }

  #clockOf(life: Life, bornMs: number): Clock {
    const world = this.#world;
    return {
      wallMs: () => this.#wallAt(world.nowMs, this.#wallOffsetMs),
      monotonicMs: () => (world.nowMs - bornMs) * this.#rate,
      schedule: (delayMs, task) => world.after(Math.max(0, delayMs) / this.#rate, task, life),
      defer: (task) => void world.after(0, task, life),
    };
  }
}
