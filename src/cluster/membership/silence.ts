/**
 * When silence begins to mean something. Heartbeats leave every `heartbeatMs`, and any frame counts as one; so the
 * longest silence within each heartbeat's time is what a peer and the network to it are used to. φ says how unusual the
 * present silence is: −log₁₀ of the probability that an arrival is still to come. φ 1 is wrong once in 10 times, φ 8
 * once in 100 million, as far as the past tells the future. A floor keeps a very regular past from making it hasty,
 * a ceiling keeps a very irregular past from making it blind.
 *
 * Source: Hayashibara, Défago, Yared, Katayama: "The φ accrual failure detector" (2004), §4; Akka's
 * PhiAccrualFailureDetector for the logistic approximation of the normal distribution.
 */

export interface SilenceOptions {
  /** How often a peer speaks when it has nothing to say. Milliseconds; higher means less traffic, slower detection. */
  readonly heartbeatMs: number;
  /** φ from which silence is suspicious. Higher means fewer false suspicions, slower detection. */
  readonly phiMin: number;
  /** No shorter silence is suspicious, whatever φ. Higher means more patience with short pauses, slower detection. */
  readonly silenceMinMs: number;
  /** Any longer silence is suspicious, whatever φ. Higher means more patience with peers that were always slow. */
  readonly silenceMaxMs: number;
  /** Added steadiness: a past more regular than this is not believed. Higher means slower detection. */
  readonly deviationMinMs: number;
  /** Heartbeats remembered per peer. Higher means that a change of the network's mood is noticed later. */
  readonly samplesMax: number;
}

/**
 * −log₁₀ P(the next arrival comes after `silenceMs`), for silences that are normally distributed. Grows with silence;
 * 0.3 at the mean, 8 at about the mean plus 5.2 deviations. Never infinite.
 */
export function phi(silenceMs: number, meanMs: number, deviationMs: number): number {
  const deviations = (silenceMs - meanMs) / deviationMs;
  const exponent = deviations * (1.5976 + 0.070566 * deviations * deviations);
  // log₁₀(1 + eˣ), which is x / ln 10 long before eˣ overflows.
  return (exponent > 30 ? exponent : Math.log1p(Math.exp(exponent))) / Math.LN10;
}

/** Whether a silence is suspicious: unusual and not short, or too long for any excuse. */
export function isSuspicious(silenceMs: number, past: SilenceStatistics, options: SilenceOptions): boolean {
  if (silenceMs < options.silenceMinMs) return false;
  if (silenceMs >= options.silenceMaxMs) return true;
  return phi(silenceMs, past.meanMs, past.deviationMs) >= options.phiMin;
}

export interface SilenceStatistics {
  /** Never below `heartbeatMs`: a peer that has much to say now may have nothing to say next. */
  readonly meanMs: number;
  /** Never below `deviationMinMs`. */
  readonly deviationMs: number;
}

/** The longest silence in each of the last heartbeats, and what is usual among them. One number per heartbeat. */
export class SilenceHistory implements SilenceStatistics {
  readonly #options: SilenceOptions;
  /** A ring: `#next` is the oldest once it is full. */
  readonly #samplesMs: number[] = [];
  #next = 0;
  #meanMs: number;
  #deviationMs: number;
  /** Of the heartbeat that is running. */
  #longestMs = 0;
  #elapsedMs = 0;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#meanMs = options.heartbeatMs;
    // Nothing is known yet: as Akka does, a quarter of the heartbeat.
    this.#deviationMs = Math.max(options.deviationMinMs, options.heartbeatMs / 4);
  }

  get meanMs(): number {
    return this.#meanMs;
  }

  get deviationMs(): number {
    return this.#deviationMs;
  }

  /** A silence of `silenceMs` ended. Called for every frame, so it does the sums only once per heartbeat. */
  ended(silenceMs: number): void {
    this.#longestMs = Math.max(this.#longestMs, silenceMs);
    this.#elapsedMs += silenceMs;
    if (this.#elapsedMs < this.#options.heartbeatMs) return;
    this.#samplesMs[this.#next] = Math.min(this.#longestMs, this.#options.silenceMaxMs);
    this.#next = (this.#next + 1) % this.#options.samplesMax;
    this.#longestMs = 0;
    this.#elapsedMs = 0;
    this.#sumUp();
  }

  #sumUp(): void {
    const count = this.#samplesMs.length;
    let sum = 0;
    for (const sampleMs of this.#samplesMs) sum += sampleMs;
    const mean = sum / count;
    let squares = 0;
    for (const sampleMs of this.#samplesMs) squares += (sampleMs - mean) ** 2;
    this.#meanMs = Math.max(this.#options.heartbeatMs, mean);
    this.#deviationMs = Math.max(this.#options.deviationMinMs, Math.sqrt(squares / count));
  }
}
