/**
 * Commands of one client to one actor stand in line: the next is sent when the one before has its answer, so that
 * they arrive in the order they were called (P6), also through retries. Commands to different actors do not wait for
 * each other. Everything in line is bounded, and a call whose time ends while it waits was never sent.
 */
import { GreenroomError } from '../core/errors.ts';
import type { Environment } from './environment.ts';
import { queuedPerActorMax, queuedPerClientMax } from './limits.ts';

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: GreenroomError) => void;
  stopTimer: () => void;
}

export class ActorLines {
  readonly #environment: Environment;
  /** An actor with a command on its way has a line, perhaps an empty one. */
  readonly #lines = new Map<string, Set<Waiting>>();
  #waiting = 0;
  #closed: GreenroomError | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /**
   * Runs `send` when it is this call's turn.
   *
   * @param deadlineMs on the environment's clock
   * @throws GreenroomError `OVERLOADED` if the line is full, `UNAVAILABLE` if the time ended in line; neither was sent
   */
  async inTurn<T>(actor: string, deadlineMs: number, send: () => Promise<T>): Promise<T> {
    if (this.#closed) throw this.#closed;
    const line = this.#lines.get(actor);
    if (line) await this.#wait(line, deadlineMs);
    else this.#lines.set(actor, new Set());
    try {
      return await send();
    } finally {
      this.#next(actor);
    }
  }

  /** Refuses what waits, and everything from now on. */
  close(reason: GreenroomError): void {
    this.#closed = reason;
    for (const line of this.#lines.values()) {
      for (const waiting of line) {
        this.#leave(line, waiting);
        waiting.refuse(reason);
      }
    }
  }

  #wait(line: Set<Waiting>, deadlineMs: number): Promise<void> {
    if (line.size >= queuedPerActorMax || this.#waiting >= queuedPerClientMax) {
      const whose = line.size >= queuedPerActorMax ? 'this actor' : 'this client';
      throw new GreenroomError(
        'OVERLOADED',
        `too many commands of ${whose} wait for their turn; await some answers first`,
      );
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { start: resolve, refuse: reject, stopTimer: () => {} };
      waiting.stopTimer = this.#environment.schedule(deadlineMs - this.#environment.nowMs(), () => {
        this.#leave(line, waiting);
        reject(
          new GreenroomError(
            'UNAVAILABLE',
            'the time ended while earlier commands to this actor waited for their answers',
          ),
        );
      });
      line.add(waiting);
      this.#waiting += 1;
    });
  }

  #leave(line: Set<Waiting>, waiting: Waiting): void {
    waiting.stopTimer();
    if (line.delete(waiting)) this.#waiting -= 1;
  }

  #next(actor: string): void {
    const line = this.#lines.get(actor)!;
    for (const waiting of line) {
      this.#leave(line, waiting);
      waiting.start();
      return;
    }
    this.#lines.delete(actor);
  }
}
