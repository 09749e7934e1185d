/**
 * Failover: every shard whose owner is lost gets a new one, all of them in one change.
 *
 * An owner is lost when the map says it is down, when it stops, when it has begun another life (it never resumes an
 * epoch), or when it is too busy to answer. A shard is also taken in hand when members that are down leave it without a
 * write quorum, be it in the epoch that serves or in one that was assigned and cannot become active any more. An epoch
 * whose owner is alive and can get there is left alone, so that a slow start is not started over again and again.
 *
 * The new epoch starts from the active set: S live members of it hold everything that was acknowledged. Its replicas
 * are the active set, and nothing else; without a write quorum it shrinks to those that are not down. Where that would
 * leave fewer than `minCopies`, live spares fill it up: the owner copies to them before the epoch serves.
 *
 * A shard of which an operator accepted a loss begins from every store that was left (loss.ts), all of them live, on those
 * that should hold it; its owner copies the best log that any of them has.
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { DesiredPlacement } from './allocation.ts';
import type { Assignment, ClusterMap, ShardPlacement } from './cluster-map.ts';
import type { Eligible } from './eligibility.ts';
import { Load } from './even-load.ts';
import { isLost, isRecovering, sealSet } from './loss.ts';
import { isSameSet, type PlannedStep, type PlanView, Roster, type StuckReason } from './planned-step.ts';
import { writeQuorum } from './quorum.ts';

export interface FailoverPlan {
  readonly steps: readonly PlannedStep[];
  /** Shards that nothing else may be proposed for now. */
  readonly shards: ReadonlySet<ShardId>;
}

type Rescue =
  | { readonly type: 'assign'; readonly assignment: Assignment }
  | { readonly type: 'stuck'; readonly reason: StuckReason }
  /** It serves on as it is, or is on its way. */
  | { readonly type: 'wait' };

/** Two nodes, or one: a single copy is better than none that serves. Beyond, a shard keeps two. */
export function minCopies(map: ClusterMap): number {
  let members = 0;
  for (const { status } of map.members.values()) if (status !== 'removed' && status !== 'leaving') members++;
  return members <= 2 ? 1 : Math.min(2, map.replicas);
}

export function planFailover(view: PlanView, eligible: Eligible, desired: readonly DesiredPlacement[]): FailoverPlan {
  const rescues = new Rescues(view, eligible, desired);
  const assignments: Assignment[] = [];
  const stuck = new Map<StuckReason, ShardId[]>();
  const shards = new Set<ShardId>();
  view.map.shards.forEach((placement, shard) => {
    if (!rescues.isNeeded(placement)) return;
    shards.add(shard);
    const rescue = rescues.of(shard, placement);
    if (rescue.type === 'assign') assignments.push(rescue.assignment);
    if (rescue.type === 'stuck') stuck.set(rescue.reason, [...(stuck.get(rescue.reason) ?? []), shard]);
  });
  const steps: PlannedStep[] = [];
  if (assignments.length > 0)
    steps.push({ type: 'propose', reason: 'failover', change: { type: 'assign', assignments } });
  for (const [reason, waiting] of stuck) steps.push({ type: 'stuck', reason, shards: waiting });
  return { steps, shards };
}

class Rescues {
  readonly #view: PlanView;
  readonly #eligible: Eligible;
  readonly #desired: readonly DesiredPlacement[];
  readonly #roster: Roster;
  readonly #minCopies: number;
  /** What each store owns, with what was given in this plan. */
  readonly #load = new Load();

  constructor(view: PlanView, eligible: Eligible, desired: readonly DesiredPlacement[]) {
    this.#view = view;
    this.#eligible = eligible;
    this.#desired = desired;
    this.#roster = new Roster(view);
    this.#minCopies = minCopies(view.map);
    for (const { assigned } of view.map.shards) this.#load.add(assigned.owner);
  }

  isNeeded({ assigned, active }: ShardPlacement): boolean {
    if (this.#isLost(assigned.owner, assigned.boot)) return true;
    const set = assigned.epoch > active.epoch ? assigned.replicas : active.replicas;
    return this.#lacksQuorum(set);
  }

  of(shard: ShardId, placement: ShardPlacement): Rescue {
    const { assigned, active } = placement;
    if (isLost(this.#view.map, placement)) return { type: 'stuck', reason: 'seal quorum is lost' };
    const seal = sealSet(placement);
    if (this.#roster.liveOf(seal.stores) < seal.needed) return { type: 'stuck', reason: 'seal quorum is not live' };
    const isFresh = active.epoch === 0 || isRecovering(placement);
    const base = isFresh ? this.#desired[shard]!.replicas : active.replicas;
    const replicas = this.#replicasFrom(shard, base);
    if (replicas.length === 0 || this.#roster.liveOf(replicas) < writeQuorum(replicas.length)) {
      return { type: 'stuck', reason: 'too few copies are live' };
    }
    const owner = this.#ownerAmong(
      shard,
      replicas.filter((store) => base.includes(store)),
    );
    if (owner === undefined) return this.#withoutOwner(placement);
    const boot = this.#roster.bootOf(owner);
    if (owner === assigned.owner && boot === assigned.boot && isSameSet(replicas, assigned.replicas)) {
      return { type: 'wait' };
    }
    this.#load.add(assigned.owner, -1);
    this.#load.add(owner);
    return { type: 'assign', assignment: { shard, after: assigned.epoch, owner, boot, replicas } };
  }

  #isLost(owner: StoreId, boot: number): boolean {
    const member = this.#view.map.members.get(owner);
    if (!member || this.#roster.isDown(owner)) return true;
    return member.stopping || member.boot > boot || this.#view.standings.get(owner) === 'busy';
  }

  #lacksQuorum(set: readonly StoreId[]): boolean {
    return this.#roster.liveOf(set) < writeQuorum(set.length) && set.some((store) => this.#roster.isDown(store));
  }

  #replicasFrom(shard: ShardId, base: readonly StoreId[]): readonly StoreId[] {
    if (base.length === 0 || !this.#lacksQuorum(base)) return base;
    const left = base.filter((store) => !this.#roster.isDown(store));
    const spares = [...this.#desired[shard]!.replicas, ...[...this.#eligible.newHolders].sort()].filter(
      (store, i, all) => this.#eligible.newHolders.has(store) && !left.includes(store) && all.indexOf(store) === i,
    );
    return left.concat(spares.slice(0, Math.max(0, this.#minCopies - left.length)));
  }

  /** Who owns it still, if it may; else who should; else who owns least. A leaving one only if nobody else is there. */
  #ownerAmong(shard: ShardId, stores: readonly StoreId[]): StoreId | undefined {
    const may = stores.filter((store) => this.#eligible.newOwners.has(store));
    const knowing = may.filter((store) => this.#view.knows?.(store, shard) ?? true);
    const candidates = knowing.length > 0 ? knowing : may;
    const current = this.#view.map.shards[shard]!.assigned.owner;
    if (candidates.includes(current)) return current;
    const desired = this.#desired[shard]!.owner;
    if (desired !== undefined && candidates.includes(desired)) return desired;
    const isLeaving = (store: StoreId) => this.#view.map.members.get(store)?.status === 'leaving';
    return this.#load.lowest(candidates) ?? stores.find((store) => isLeaving(store) && this.#roster.isLive(store));
  }

  /** A store that stops or is busy serves as long as it can; one that is gone or began anew does not. */
  #withoutOwner({ assigned }: ShardPlacement): Rescue {
    const isThere = this.#roster.isLive(assigned.owner) && this.#roster.bootOf(assigned.owner) === assigned.boot;
    return isThere ? { type: 'wait' } : { type: 'stuck', reason: 'no store can own it' };
  }
}
