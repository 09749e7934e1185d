/**
 * How far this node may trust its own ears. A node whose main loop lagged has read nothing meanwhile: the frames that
 * it takes for missing wait in its own sockets. So from the end of a lag everybody's silence is counted anew (it accuses
 * nobody), and for a while all its time-outs are stretched, because one lag seldom comes alone.
 *
 * Invariant: the stretch is between 1 and `stretchMax`, and 1 again `stretchMax − 1` times `healMs` after the last lag.
 *
 * Source: Dadgar, Phillips, Currey: "Lifeguard: local health awareness for more accurate failure detection" (2018), §3;
 * hashicorp/memberlist, awareness.go.
 */

export interface OwnHealthOptions {
  /** A shorter lag of the own loop is nothing. Milliseconds; higher means less forgiving to others. */
  readonly ownLagMinMs: number;
  /** A lag of this length costs one point: time-outs become one time longer. Higher means less stretch. */
  readonly lagPerPointMs: number;
  /** Time-outs are at most this many times longer. Higher means slower detection by a node that is unwell. */
  readonly stretchMax: number;
  /** A point is forgiven after this. Higher means that a node stays cautious for longer. */
  readonly healMs: number;
}

/** What is left of `points` after a while without a lag. */
export function healedPoints(points: number, elapsedMs: number, healMs: number): number {
  return Math.max(0, points - Math.max(0, elapsedMs) / healMs);
}

/** The points after a lag, at most `stretchMax − 1`. Hearing of the same lag twice costs it once. */
export function pointsAfterLag(
  points: number,
  lagMs: number,
  isSameLag: boolean,
  { lagPerPointMs, stretchMax }: OwnHealthOptions,
): number {
  const added = lagMs / lagPerPointMs;
  return Math.min(stretchMax - 1, isSameLag ? Math.max(points, added) : points + added);
}

export class OwnHealth {
  readonly #options: OwnHealthOptions;
  #points = 0;
  #lagEndedMs = Number.NEGATIVE_INFINITY;

  constructor(options: OwnHealthOptions) {
    this.#options = options;
  }

  /** Nobody's silence began before this: until then this node heard nothing. */
  get listeningSinceMs(): number {
    return this.#lagEndedMs;
  }

  /** By how much time-outs are longer now: 1 when all is well. */
  stretch(nowMs: number): number {
    return 1 + healedPoints(this.#points, nowMs - this.#lagEndedMs, this.#options.healMs);
  }

  /** The own main loop was late by `lagMs`, until now. */
  lagged(lagMs: number, nowMs: number): void {
    if (lagMs < this.#options.ownLagMinMs) return;
    const isSameLag = nowMs - lagMs < this.#lagEndedMs;
    const points = healedPoints(this.#points, nowMs - this.#lagEndedMs, this.#options.healMs);
    this.#points = pointsAfterLag(points, lagMs, isSameLag, this.#options);
    this.#lagEndedMs = Math.max(this.#lagEndedMs, nowMs);
  }
}
