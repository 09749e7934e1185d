/**
 * Which actor is called next. Sequences are drawn before the clock runs and cycled through, so that choosing costs a
 * look-up; the same seed gives the same sequence.
 *
 * Source: for Zipf, "Quickly generating billion-record synthetic databases" (Gray et al., 1994), section 3.2, as in YCSB.
 */
import { assert } from '../../core/assert.ts';
import { type Random, seededRandom } from '../../core/random.ts';

export interface KeyChoice {
  /** Keys are 0 to `count` − 1. */
  readonly count: number;
  /** `zipf`: key 0 most often, key n about 1 / (n + 1)^`exponent` as often. */
  readonly distribution: 'uniform' | 'zipf';
  /** For `zipf`, above 0 and below 1; default 0.99, which is what YCSB takes. */
  readonly exponent?: number;
  readonly seed?: number;
}

/** Long enough that a cycle is not noticed, short enough to stay in a processor's cache beside the work. */
const sequenceLength = 1 << 17;

/** Returns the next key, for ever. */
export function keyChooser(choice: KeyChoice): () => number {
  const keys = keySequence(choice, sequenceLength);
  let next = 0;
  return () => {
    const key = keys[next]!;
    next = (next + 1) & (sequenceLength - 1);
    return key;
  };
}

/** The first `length` keys. */
export function keySequence(choice: KeyChoice, length: number): Uint32Array {
  const { count, distribution, exponent = 0.99, seed = 1 } = choice;
  assert(Number.isSafeInteger(count) && count > 0, () => `there is at least one key, got ${count}`);
  const random = seededRandom(seed);
  const draw = distribution === 'zipf' ? zipf(count, exponent, random) : () => Math.floor(random.next() * count);
  return Uint32Array.from({ length }, draw);
}

function zipf(count: number, exponent: number, random: Random): () => number {
  assert(exponent > 0 && exponent < 1, () => `Zipf's exponent is between 0 and 1, got ${exponent}`);
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += 1 / rank ** exponent;
  const zetaOfTwo = 1 + 0.5 ** exponent;
  const alpha = 1 / (1 - exponent);
  const eta = (1 - (2 / count) ** (1 - exponent)) / (1 - zetaOfTwo / zeta);
  return () => {
    const at = random.next();
    const scaled = at * zeta;
    if (scaled < 1) return 0;
    if (scaled < zetaOfTwo) return Math.min(1, count - 1);
    return Math.min(count - 1, Math.floor(count * (eta * at - eta + 1) ** alpha));
  };
}
