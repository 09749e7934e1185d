/**
 * Physical limits: what the disk, the wire and the processor do by themselves, without actors. Measured in the same run
 * as everything else, so that a figure can be read as a share of its limit, which means something on any machine.
 */
import { type Summary, summarize } from '../measure.ts';

export type LimitName =
  | 'fdatasync'
  | 'leveldbBatch256'
  | 'leveldbBatch4096'
  | 'pointRead'
  | 'websocketFrame'
  | 'websocketBatch'
  | 'httpEcho64'
  | 'httpEcho256'
  | 'pack'
  | 'unpack'
  | 'loopTurns'
  | 'promiseCall';

export interface LimitProbe {
  readonly name: LimitName;
  /** What is done, for people. */
  readonly about: string;
  /** @returns how many per second */
  measure(context: ProbeContext): Promise<number>;
}

export interface ProbeContext {
  /** An empty directory, which is removed afterwards. */
  readonly directory: string;
  readonly durationMs: number;
}

export interface Limit extends Summary {
  readonly limit: LimitName;
}

/** Samples of limits, as they come in over a run: the machine's speed drifts, so it is measured more than once. */
export class Limits {
  readonly #samples = new Map<LimitName, { readonly about: string; readonly values: number[] }>();

  add(name: LimitName, about: string, value: number): void {
    const known = this.#samples.get(name);
    if (known) known.values.push(value);
    else this.#samples.set(name, { about, values: [value] });
  }

  /** `value` (per second) as a share of the limit's median: 0.5 is half of it. undefined if the limit is not known. */
  shareOf(name: LimitName, value: number): number | undefined {
    const samples = this.#samples.get(name);
    if (!samples) return undefined;
    const { median } = summarize(name, '/s', samples.values);
    return median > 0 ? value / median : undefined;
  }

  all(): readonly Limit[] {
    return [...this.#samples].map(([limit, { about, values }]) => ({ limit, ...summarize(about, '/s', values) }));
  }
}
