/**
 * A peer: another system that does the same work, a durable add to one of 10,000 counters (or the same in memory), under
 * the same load generator. Each installs itself into a scratch folder outside the repository, or is skipped with the reason.
 */

import { generateLoad } from '../../src/bench/load/generator.ts';
import type { KeyChoice } from '../../src/bench/load/keys.ts';
import type { Load } from '../../src/bench/load/workload.ts';

/** For slow ones; what is left untouched then is a part of their work. */
const touchWithinMs = 20_000;

/** What of Greenroom is measured in the same run: on one node, and on three with three copies of everything durable. */
export const ownFigures = [
  'persisted',
  'persisted over HTTP',
  'ask',
  'three copies',
  'three copies over HTTP',
  'ask among three nodes',
] as const;

export type OwnFigure = (typeof ownFigures)[number];

export interface Peer {
  readonly name: string;
  /** What one operation does, and how the load reaches it. */
  readonly operation: string;
  /** What an answer really guarantees. */
  readonly guarantees: string;
  /** What of Greenroom does the same. */
  readonly comparedWith: readonly OwnFigure[];
  /** Installs, starts, measures and stops. @throws Skipped with the reason, if it is not to be had here */
  run(context: PeerContext): Promise<PeerResult>;
}

export interface PeerContext {
  /** Kept between runs, so that what is installed need not be again. */
  readonly scratch: string;
  /** Empty; removed afterwards. */
  readonly data: string;
  readonly durationMs: number;
  /** One load each, in this order. */
  readonly inFlights: readonly number[];
  progress(message: string): void;
}

/** Why a peer was not measured. An answer, not a failure. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

export const keys: KeyChoice = { count: 10_000, distribution: 'uniform' };

export interface PeerRate {
  readonly inFlight: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface PeerResult {
  readonly version: string;
  readonly rates: readonly PeerRate[];
}

export function loadOf(inFlight: number, durationMs: number): Load {
  return { type: 'closed', inFlight, warmUpMs: durationMs / 3, durationMs };
}

/**
 * Runs the loads with the operations of a module (see generator.ts), after every key was touched once (within a
 * bound): what wakes or is made at first use is not part of the figures.
 *
 * @param on keys other than everybody's: its peer has to say why
 */
export async function measured(
  module: string,
  options: unknown,
  { durationMs, inFlights, progress }: PeerContext,
  on: KeyChoice = keys,
): Promise<readonly PeerRate[]> {
  const rates: PeerRate[] = [];
  progress('touching every key');
  await generateLoad({ module, options, keys: on, load: { type: 'each', inFlight: 64, withinMs: touchWithinMs } });
  for (const inFlight of inFlights) {
    progress(`${inFlight} in flight`);
    const load = loadOf(inFlight, durationMs);
    const result = await generateLoad({ module, options, keys: on, load });
    if (result.operations === 0) throw new Error(`nothing was answered; the first error: ${result.firstError}`);
    if (result.errors > result.operations / 100)
      throw new Error(`${result.errors} errors beside ${result.operations} answers; the first: ${result.firstError}`);
    const { p50Ms, p99Ms } = result.latency.summary();
    rates.push({ inFlight, perSecond: (result.operations * 1_000) / result.tookMs, p50Ms, p99Ms });
  }
  return rates;
}
