/**
 * Timers in memory: commands that an actor sends to itself after a while, for as long as it is in memory. What has to
 * happen for sure is a reminder.
 */
import { GreenroomError } from '../core/errors.ts';
import type { Activation } from './activation.ts';
import { timersMax } from './limits.ts';

/** A timer that a turn asked for; it begins when the turn has ended well. */
export interface TimerRequest {
  readonly delayMs: number;
  /** The actor does not leave memory before it has struck. */
  readonly keepAwake: boolean;
  readonly command: string;
  readonly input: unknown;
  cancelled: boolean;
  cancel: (() => void) | undefined;
}

export class ActorTimers {
  readonly #activation: Activation;
  readonly #running = new Set<TimerRequest>();
  #keepingAwake = 0;

  constructor(activation: Activation) {
    this.#activation = activation;
  }

  get keepsAwake(): boolean {
    return this.#keepingAwake > 0;
  }

  /** @throws GreenroomError `OVERLOADED` if there are too many with these */
  makeRoom(more: number): void {
    if (this.#running.size + more <= timersMax) return;
    throw new GreenroomError('OVERLOADED', `an actor has at most ${timersMax} timers; use reminders for what is many`);
  }

  start(request: TimerRequest): void {
    if (request.cancelled) return;
    const { host } = this.#activation;
    this.#running.add(request);
    if (request.keepAwake) this.#keepingAwake += 1;
    const end = () => {
      if (!this.#running.delete(request)) return;
      if (request.keepAwake) this.#keepingAwake -= 1;
    };
    const cancelTimer = host.clock.schedule(request.delayMs, () => {
      end();
      host.timerStruck(this.#activation, request.command, request.input);
    });
    request.cancel = () => {
      cancelTimer();
      end();
      if (this.#activation.isIdle) host.schedule(this.#activation);
    };
  }

  /** The actor leaves memory. */
  cancelAll(): void {
    for (const request of [...this.#running]) {
      request.cancelled = true;
      request.cancel?.();
    }
  }
}
