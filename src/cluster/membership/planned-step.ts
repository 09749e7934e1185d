/**
 * What a plan is made from, and what it says. A step is proposed to the control log as it is; every one names the state
 * that it was decided in, so one that comes too late is void.
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { ClusterMap, MapChange } from './cluster-map.ts';
import { isDown, isLive, type Standing } from './eligibility.ts';
import type { Knows } from './owner-placement.ts';

export interface PlanLimits {
  /** Shards that move to or from one store at a time, for balance or to repair; failover does not wait. */
  readonly movesAtOnce: number;
  /** A member that is down for so long is replaced. Higher means fewer needless copies, and longer with one copy less. */
  readonly deadAfterMs: number;
}

export const defaultPlanLimits: PlanLimits = { movesAtOnce: 8, deadAfterMs: 10 * 60_000 };

export interface PlanView {
  readonly map: ClusterMap;
  /** A store that is missing is taken for unreachable. */
  readonly standings: ReadonlyMap<StoreId, Standing>;
  /** By shard, then by learner. What is missing is not caught up. */
  readonly learnerProgress: ReadonlyMap<`${ShardId}`, ReadonlyMap<StoreId, { readonly caughtUp: boolean }>>;
  /** Hand in the same function as long as it answers the same: its answers are remembered. */
  readonly knows?: Knows;
  readonly limits: PlanLimits;
}

export type StepReason = 'failover' | 'replicas' | 'balance' | 'learners' | 'drained';

/** Why a shard waits: nothing can be proposed until its stores come back, or an operator accepts the loss. */
export type StuckReason =
  | 'seal quorum is not live'
  /** Its stores cannot come back. */
  | 'seal quorum is lost'
  | 'too few copies are live'
  | 'no store can own it';

export type PlannedStep =
  | { readonly type: 'propose'; readonly reason: StepReason; readonly change: MapChange }
  /** Not serving, and cannot be helped. */
  | { readonly type: 'stuck'; readonly reason: StuckReason; readonly shards: readonly ShardId[] };

/** What the plan asks about members again and again. */
export class Roster {
  readonly #view: PlanView;

  constructor(view: PlanView) {
    this.#view = view;
  }

  isLive(store: StoreId): boolean {
    return isLive(this.#view.map.members.get(store), this.#view.standings.get(store));
  }

  isDown(store: StoreId): boolean {
    return isDown(this.#view.map.members.get(store), this.#view.standings.get(store));
  }

  liveOf(stores: readonly StoreId[]): number {
    let live = 0;
    for (const store of stores) if (this.isLive(store)) live++;
    return live;
  }

  /** The newest life of a store that the map knows. */
  bootOf(store: StoreId): number {
    return this.#view.map.members.get(store)?.boot ?? 0;
  }
}

export function isSameSet(a: readonly StoreId[], b: readonly StoreId[]): boolean {
  return a.length === b.length && a.every((store) => b.includes(store));
}
