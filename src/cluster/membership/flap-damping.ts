/**
 * A peer that dies and comes back again and again costs an epoch of its shards each time. So one that fell more than
 * `fallsFree` times within `flapWindowMs` is believed only some time after its return, and that time doubles with each
 * further fall. It is bounded, and what lies further back than the window is forgotten: nobody is punished for ever.
 *
 * Source: the exponential penalty of route flap damping (RFC 2439), without its decay: a window is easier to explain.
 */

export interface FlapOptions {
  /** Falls that lie further back do not count. Milliseconds; higher means a longer memory. */
  readonly flapWindowMs: number;
  /** So many falls within the window cost nothing: a restart or two are ordinary. */
  readonly fallsFree: number;
  /** The first wait before a return is believed. Higher means calmer shards, and less use of shaky nodes. */
  readonly trustMinMs: number;
  /** The longest wait. Higher means the same. */
  readonly trustMaxMs: number;
}

/** Falls remembered per peer; more would not make the wait longer. */
export const fallsMax = 32;

/** How long a return is not believed after `falls` falls within the window: 0, then doubling up to `trustMaxMs`. */
export function trustDelayMs(falls: number, { fallsFree, trustMinMs, trustMaxMs }: FlapOptions): number {
  if (falls <= fallsFree) return 0;
  return Math.min(trustMaxMs, trustMinMs * 2 ** (falls - fallsFree - 1));
}

/** The falls of one peer. */
export class FlapRecord {
  readonly #options: FlapOptions;
  #fallsMs: number[] = [];
  #trustedFromMs = Number.NEGATIVE_INFINITY;

  constructor(options: FlapOptions) {
    this.#options = options;
  }

  /** It was taken for dead, and now gave a sign of life. */
  returned(nowMs: number): void {
    const recent = this.#fallsMs.filter((fellMs) => nowMs - fellMs < this.#options.flapWindowMs);
    this.#fallsMs = [...recent, nowMs].slice(-fallsMax);
    this.#trustedFromMs = nowMs + trustDelayMs(this.#fallsMs.length, this.#options);
  }

  isTrusted(nowMs: number): boolean {
    return nowMs >= this.#trustedFromMs;
  }
}
