/**
 * A workload as data: what is called on whom, how often, for how long. It is the same for one node in this process, for
 * node processes, and for peers; so it goes between processes, and a result names it.
 */
import { assert } from '../../core/assert.ts';
import { type ClosedLoop, closedLoop } from './closed-loop.ts';
import { type EachOnce, eachOnce } from './each-once.ts';
import { type KeyChoice, keyChooser } from './keys.ts';
import type { LoadResult } from './load-result.ts';
import { type OpenLoop, openLoop } from './open-loop.ts';

export type Load =
  | ({ readonly type: 'closed' } & ClosedLoop)
  | ({ readonly type: 'open' } & OpenLoop)
  | ({ readonly type: 'each' } & EachOnce);

const eachOnceMaxMs = 30 * 60_000;

/** One kind of call. */
export interface Call {
  readonly actorType: string;
  readonly command: string;
  readonly input?: unknown;
  /** Of all calls, relative to the others' shares; default 1. */
  readonly share?: number;
}

export interface Workload {
  readonly calls: readonly Call[];
  /** `tell`: sends `inFlight` without waiting, then one ask behind them, and so on; counts the tells. */
  readonly how: 'ask' | 'tell';
  /** Actor ids are this and the key. */
  readonly idPrefix: string;
  readonly keys: KeyChoice;
  readonly load: Load;
}

/** Whatever takes calls by key: a node's refs, a pool of connections. */
export interface Operations {
  once(key: number): Promise<unknown>;
  close(): Promise<void>;
}

/** Runs the load, each operation on the next key (in `each`: on every key, in their order). */
export function runOnKeys(load: Load, keys: KeyChoice, once: (key: number) => Promise<unknown>): Promise<LoadResult> {
  if (load.type === 'each') return eachOnce(load, keys.count, once);
  const nextKey = keyChooser(keys);
  if (load.type === 'closed') return closedLoop(load, () => once(nextKey()));
  return openLoop(load, () => once(nextKey()));
}

/** How long a load takes when all goes well; `each` takes as long as it takes, up to this. */
export function longestMs(load: Load): number {
  if (load.type === 'each') return load.withinMs ?? eachOnceMaxMs;
  return load.warmUpMs + load.durationMs + (load.type === 'open' ? (load.drainMs ?? 0) : 0);
}

/** A load's part for one of several generators that run at the same time. */
export function shareOfLoad(load: Load, index: number, of: number): Load {
  assert(index >= 0 && index < of, () => `the generator is one of ${of}, got ${index}`);
  if (load.type === 'open')
    return { ...load, perSecond: load.perSecond / of, inFlightMax: Math.max(1, Math.ceil(load.inFlightMax / of)) };
  const inFlight = Math.floor(load.inFlight / of) + (index < load.inFlight % of ? 1 : 0);
  if (load.type === 'closed') return { ...load, inFlight };
  const { from = 0, step = 1 } = load;
  return { ...load, inFlight: Math.max(1, inFlight), from: from + index * step, step: step * of };
}

/** Chooses calls by their shares, in an order that is the same each time and mixes evenly. */
export function callChooser(calls: readonly { readonly share?: number }[]): () => number {
  if (calls.length === 1) return () => 0;
  const total = calls.reduce((sum, { share = 1 }) => sum + share, 0);
  const owed = calls.map(() => 0);
  return () => {
    let most = 0;
    for (const [index, { share = 1 }] of calls.entries()) {
      owed[index]! += share;
      if (owed[index]! > owed[most]!) most = index;
    }
    owed[most]! -= total;
    return most;
  };
}
