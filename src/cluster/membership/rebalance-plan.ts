/**
 * The steps from the placement that is to the one that should be. Only the leader of the control log asks, and proposes
 * what it is told; asking again in the same state gives the same steps, and in the desired state none.
 *
 * First failover, whole (failover-plan.ts). Then, for shards that serve, in this order: a learner that has caught up
 * becomes a replica and what it replaces goes; an owner changes among replicas; learners are appointed. All of that is
 * paced (transit.ts). What only serves balance waits while a member is unreachable: it may be about to be declared down,
 * and then what should move is something else. Copies that are missing do not wait for that.
 *
 * No step is taken from an active set that cannot seal, or to a set that cannot write; every new set shares a store
 * with the one before it.
 */
import type { ShardId, StoreId } from '../../core/ids.ts';
import { type DesiredPlacement, desiredPlacement } from './allocation.ts';
import type { Assignment, ClusterMap, LearnerChange, ShardPlacement } from './cluster-map.ts';
import { type Eligible, eligibleStores } from './eligibility.ts';
import { planFailover } from './failover-plan.ts';
import { sealSet } from './loss.ts';
import type { Knows } from './owner-placement.ts';
import { isSameSet, type PlannedStep, type PlanView, Roster } from './planned-step.ts';
import { sealQuorum, writeQuorum } from './quorum.ts';
import { Transit } from './transit.ts';

/** What to propose now. `nowMs` is the wall clock that `downSinceMs` was taken from. */
export function planSteps(view: PlanView, nowMs: number): readonly PlannedStep[] {
  const { map, standings, limits } = view;
  const eligible = eligibleStores(map, standings, limits.deadAfterMs, nowMs);
  const desired = rememberedPlacement(map, eligible, view.knows);
  const failover = planFailover(view, eligible, desired);
  const moves = new Moves(view, eligible, desired);
  map.shards.forEach((placement, shard) => {
    if (placement.assigned.epoch === placement.active.epoch && !failover.shards.has(shard))
      moves.plan(shard, placement);
  });
  return [...failover.steps, ...moves.steps(), ...removals(map, nowMs)];
}

class Moves {
  readonly #view: PlanView;
  readonly #eligible: Eligible;
  readonly #desired: readonly DesiredPlacement[];
  readonly #roster: Roster;
  readonly #transit: Transit;
  /** Somebody does not answer and is not down yet. */
  readonly #isUncertain: boolean;
  readonly #replicas: Assignment[] = [];
  readonly #balance: Assignment[] = [];
  readonly #learners: LearnerChange[] = [];

  constructor(view: PlanView, eligible: Eligible, desired: readonly DesiredPlacement[]) {
    this.#view = view;
    this.#eligible = eligible;
    this.#desired = desired;
    this.#roster = new Roster(view);
    this.#transit = new Transit(view.map, desired, view.limits.movesAtOnce);
    this.#isUncertain = [...view.map.members.values()].some(({ storeId, status }) => {
      const standing = view.standings.get(storeId) ?? 'unreachable';
      return status === 'up' && (standing === 'unreachable' || standing === 'dead');
    });
  }

  steps(): readonly PlannedStep[] {
    const steps: PlannedStep[] = [];
    const [replicas, balance, changes] = [this.#replicas, this.#balance, this.#learners];
    if (replicas.length > 0) {
      steps.push({ type: 'propose', reason: 'replicas', change: { type: 'assign', assignments: replicas } });
    }
    if (balance.length > 0) {
      steps.push({ type: 'propose', reason: 'balance', change: { type: 'assign', assignments: balance } });
    }
    if (changes.length > 0) steps.push({ type: 'propose', reason: 'learners', change: { type: 'learners', changes } });
    return steps;
  }

  /** One shard that serves: at most one step. */
  plan(shard: ShardId, placement: ShardPlacement): void {
    const { assigned, active, learners } = placement;
    const desired = this.#desired[shard]!;
    const current = active.replicas;
    if (desired.replicas.length === 0 || this.#roster.liveOf(current) < sealQuorum(current.length)) return;
    if (desired.owner === assigned.owner && learners.length === 0 && isSameSet(desired.replicas, current)) return;
    const mustMove = !this.#eligible.owners.has(assigned.owner);
    const isOwnerLive = this.#roster.isLive(assigned.owner);
    // An owner that is drained serves until the set without it takes over: each epoch is a pause.
    const mayStay = isOwnerLive && this.#view.map.members.get(assigned.owner)?.status === 'leaving';
    if (mustMove && !mayStay && this.#moveOwner(shard, placement)) return;
    // Copies come from the owner.
    if (!isOwnerLive) return;
    if (this.#changeReplicas(shard, placement)) return;
    if (this.#appointLearners(shard, placement)) return;
    if ((!mustMove || mayStay) && learners.length === 0) this.#moveOwner(shard, placement);
  }

  /** Learners that have caught up come in; as many of those that should not be there go. */
  #changeReplicas(shard: ShardId, { assigned, active, learners }: ShardPlacement): boolean {
    const { owner: desiredOwner, replicas: desired } = this.#desired[shard]!;
    const current = active.replicas;
    const progress = this.#view.learnerProgress.get(`${shard}`);
    const coming = desired.filter(
      (store) =>
        !current.includes(store) &&
        learners.includes(store) &&
        this.#roster.isLive(store) &&
        progress?.get(store)?.caughtUp === true,
    );
    const owner = this.#nextOwner(desiredOwner, coming, assigned.owner, current);
    const going = current
      .filter((store) => !desired.includes(store) && store !== owner)
      // Those that are gone already go first, the owner last.
      .sort((a, b) => this.#lastsLonger(a, assigned.owner) - this.#lastsLonger(b, assigned.owner))
      .slice(0, Math.max(0, current.length + coming.length - desired.length));
    // A new set without anybody of the old one would stand on copies alone: the old one leaves in the next step.
    const leaving = going.length === current.length ? [] : going;
    if (coming.length === 0 && leaving.length === 0) return false;
    const replicas = [...current.filter((store) => !leaving.includes(store)), ...coming];
    if (this.#roster.liveOf(replicas) < writeQuorum(replicas.length)) return false;
    // A learner that comes in has its place in transit since it was appointed.
    if (coming.length === 0 && !this.#transit.begin(owner, ...leaving)) return false;
    this.#replicas.push({ shard, after: assigned.epoch, owner, boot: this.#roster.bootOf(owner), replicas });
    return true;
  }

  /** Who owns the shard with its new set: with learners that come in, its owner changes in the same epoch. */
  #nextOwner(
    desired: StoreId | undefined,
    coming: readonly StoreId[],
    owner: StoreId,
    current: readonly StoreId[],
  ): StoreId {
    if (desired === undefined || coming.length === 0) return owner;
    const mayOwn = coming.includes(desired) || this.#mayOwn(desired, owner, current);
    return mayOwn ? desired : owner;
  }

  #lastsLonger(store: StoreId, owner: StoreId): number {
    return (store === owner ? 2 : 0) + (this.#roster.isLive(store) ? 1 : 0);
  }

  /** Among replicas: nothing is copied. */
  #moveOwner(shard: ShardId, { assigned, active }: ShardPlacement): boolean {
    const owner = this.#desired[shard]!.owner;
    if (owner === undefined || owner === assigned.owner || !this.#mayOwn(owner, assigned.owner, active.replicas))
      return false;
    if (this.#roster.liveOf(active.replicas) < writeQuorum(active.replicas.length)) return false;
    if (!this.#transit.begin(owner, assigned.owner)) return false;
    const boot = this.#roster.bootOf(owner);
    this.#balance.push({ shard, after: assigned.epoch, owner, boot, replicas: active.replicas });
    return true;
  }

  /** One of the replicas may take over now. */
  #mayOwn(store: StoreId, owner: StoreId, replicas: readonly StoreId[]): boolean {
    const isForBalance = this.#eligible.owners.has(owner);
    return replicas.includes(store) && this.#roster.isLive(store) && !(isForBalance && this.#isUncertain);
  }

  #appointLearners(shard: ShardId, { assigned, active, learners }: ShardPlacement): boolean {
    const { owner = assigned.owner, replicas: desired } = this.#desired[shard]!;
    const current = active.replicas;
    const missing = desired.filter((store) => !current.includes(store) && this.#eligible.newHolders.has(store));
    const isRepair = current.length < desired.length || current.some((store) => !this.#eligible.holders.has(store));
    const staying = learners.filter((store) => missing.includes(store));
    const added = missing.filter(
      (store) =>
        !staying.includes(store) &&
        (isRepair || !this.#isUncertain) &&
        this.#transit.begin(store, assigned.owner, owner),
    );
    const wanted = [...staying, ...added];
    // Those that find no room yet are waited for: the owner changes with them.
    if (isSameSet(wanted, learners)) return learners.length + missing.length > 0;
    this.#learners.push({ shard, epoch: assigned.epoch, learners: wanted });
    return true;
  }
}

/** A leaving member that holds nothing any more is gone. */
function removals(map: ClusterMap, nowMs: number): readonly PlannedStep[] {
  const leaving = [...map.members.values()].filter(({ status }) => status === 'leaving');
  if (leaving.length === 0) return [];
  const needed = new Set(
    map.shards.flatMap((placement) => [
      placement.assigned.owner,
      ...placement.assigned.replicas,
      ...placement.active.replicas,
      ...placement.learners,
      ...sealSet(placement).stores,
    ]),
  );
  return leaving
    .filter(({ storeId }) => !needed.has(storeId))
    .map(({ storeId }) => ({
      type: 'propose',
      reason: 'drained',
      change: { type: 'memberRemoved', storeId, atMs: nowMs },
    }));
}

interface Remembered {
  readonly key: string;
  readonly knows: Knows | undefined;
  readonly desired: readonly DesiredPlacement[];
}

/** By the shards of a map, which are one value as long as none of them changes. */
const remembered = new WeakMap<ClusterMap['shards'], Remembered>();

/** The desired placement, computed only when something changed that it depends on. */
function rememberedPlacement(
  map: ClusterMap,
  eligible: Eligible,
  knows: Knows | undefined,
): readonly DesiredPlacement[] {
  const members = [...map.members.values()].map(({ storeId, status, zone }) => [storeId, status === 'removed', zone]);
  const sets = [eligible.holders, eligible.newHolders, eligible.owners, eligible.newOwners].map((set) => [...set]);
  const key = JSON.stringify([map.replicas, members, sets]);
  const known = remembered.get(map.shards);
  if (known && known.key === key && known.knows === knows) return known.desired;
  const desired = desiredPlacement(map, eligible, knows);
  remembered.set(map.shards, { key, knows, desired });
  return desired;
}
