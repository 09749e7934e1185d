/**
 * What happens to an actor that cannot recover: a pause that doubles (with jitter), and after some failures in a row
 * quarantine until an operator resumes it. Only recovery, replay and hooks count: a command that throws, however
 * often, locks nobody out.
 */
import type { Random } from '../core/random.ts';
import { backoffMaxMs, backoffMinMs, failuresBeforeQuarantine } from './limits.ts';

interface Trouble {
  failures: number;
  /** Monotonic; no activation is tried before. */
  untilMs: number;
  reason: string;
}

export type Standing =
  | { readonly type: 'fine' }
  | { readonly type: 'backingOff'; readonly retryAfterMs: number; readonly reason: string }
  | { readonly type: 'quarantined'; readonly reason: string };

const fine: Standing = { type: 'fine' };

export class Supervision {
  readonly #random: Random;
  readonly #troubles = new Map<string, Trouble>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many actors are quarantined. */
  get quarantined(): number {
    let count = 0;
    for (const trouble of this.#troubles.values()) if (trouble.failures >= failuresBeforeQuarantine) count += 1;
    return count;
  }

  standing(type: string, id: string, nowMs: number): Standing {
    if (this.#troubles.size === 0) return fine;
    const trouble = this.#troubles.get(`${type}/${id}`);
    if (!trouble) return fine;
    if (trouble.failures >= failuresBeforeQuarantine) return { type: 'quarantined', reason: trouble.reason };
    if (nowMs < trouble.untilMs)
      return { type: 'backingOff', retryAfterMs: trouble.untilMs - nowMs, reason: trouble.reason };
    return fine;
  }

  failed(type: string, id: string, reason: string, nowMs: number): Standing {
    const key = `${type}/${id}`;
    const trouble = this.#troubles.get(key) ?? { failures: 0, untilMs: 0, reason };
    trouble.failures += 1;
    trouble.reason = reason;
    const pauseMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** (trouble.failures - 1));
    trouble.untilMs = nowMs + pauseMs * (0.5 + this.#random.next() / 2);
    this.#troubles.set(key, trouble);
    return this.standing(type, id, nowMs);
  }

  /** It recovered, or an operator says to try again. */
  clear(type: string, id: string): void {
    if (this.#troubles.size > 0) this.#troubles.delete(`${type}/${id}`);
  }
}
