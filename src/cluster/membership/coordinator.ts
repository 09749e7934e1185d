/**
 * What the leader of the control log does for the cluster: declares members down and back, moves shards to where they
 * belong, drains owners before they are relieved, and keeps the number of voters right. A machine: `tick` is asked every
 * now and then, and answers what to do; nothing of it is remembered by the next leader, who finds out by itself.
 */
import type { StoreId } from '../../core/ids.ts';
import type { Assignment, ClusterMap, MapChange, Member } from './cluster-map.ts';
import type { Standing } from './eligibility.ts';
import type { ObserverReport, Standing as PeerStanding } from './failure-detector.ts';
import type { ShardOfEpoch } from './member-messages.ts';
import { defaultPlanLimits, type PlanLimits } from './planned-step.ts';
import { Probation } from './probation.ts';
import { writeQuorum } from './quorum.ts';
import { planSteps } from './rebalance-plan.ts';
import { type Life, type QuorumNeed, Suspicions } from './suspicions.ts';
import { planVoters, successor } from './voter-plan.ts';

export type CoordinatorAction =
  | { readonly type: 'propose'; readonly change: MapChange }
  | { readonly type: 'drain'; readonly owner: StoreId; readonly shards: readonly ShardOfEpoch[] }
  | { readonly type: 'voters'; readonly voters: readonly StoreId[] }
  /** Another voter is to lead. */
  | { readonly type: 'handOver' };

export interface CoordinatorView {
  readonly map: ClusterMap;
  readonly nowMs: number;
  readonly wallMs: number;
  readonly voters: readonly StoreId[];
  /** What this node's failure detector thinks of a peer. */
  standing(peer: StoreId): PeerStanding;
  /** Messages go both ways. */
  isUp(peer: StoreId): boolean;
  /** Whether the store serves every actor type that any live member serves. */
  knowsAll(peer: StoreId): boolean;
}

export interface CoordinatorOptions {
  readonly limits: PlanLimits;
  /** How long an owner may take to finish what runs before its shards are assigned to others all the same. */
  readonly drainMs: number;
  /** A voter that is down for so long is replaced, if there is another member to take its place. */
  readonly voterDeadAfterMs: number;
}

export const coordinatorDefaults: CoordinatorOptions = {
  limits: defaultPlanLimits,
  drainMs: 1_500,
  voterDeadAfterMs: 10_000,
};

/** What a member tells with each heartbeat. */
export interface MemberReport {
  readonly report: ObserverReport;
  /** Learners of its shards that hold nearly everything. */
  readonly caughtUp: readonly (readonly [number, readonly StoreId[]])[];
  /** Nothing can be recorded there. */
  readonly cannotRecord: boolean;
}

interface Heard {
  readonly boot: number;
  readonly sinceMs: number;
  readonly atMs: number;
  readonly cannotRecord: boolean;
}

interface Drain {
  readonly epoch: number;
  readonly askedMs: number;
  isDone: boolean;
}

/** What a member said is forgotten after this. */
const heartbeatExpiresMs = 2_000;
/** Between two tries: an even number of voters is fragile, so the next follows as soon as the log lets it. */
const votersPauseMs = 100;
/** How long a member is heard before it may become a voter. */
const settledAfterMs = 500;

export class Coordinator {
  readonly #self: StoreId;
  readonly #options: CoordinatorOptions;
  readonly #suspicions: Suspicions;
  readonly #probation: Probation;
  readonly #heard = new Map<StoreId, Heard>();
  readonly #caughtUp = new Map<StoreId, ReadonlyMap<number, readonly StoreId[]>>();
  readonly #drains = new Map<number, Drain>();
  #knowing: ReadonlySet<StoreId> = new Set();
  #knows: ((store: StoreId) => boolean) | undefined;
  #votersChangedMs = Number.NEGATIVE_INFINITY;
  #map: ClusterMap | undefined;

  constructor(self: StoreId, options: Partial<CoordinatorOptions> = {}) {
    this.#self = self;
    this.#options = { ...coordinatorDefaults, ...options };
    this.#suspicions = new Suspicions(self);
    this.#probation = new Probation(self);
  }

  /** A heartbeat of a member, or the leader's own view. */
  report(from: Life, { report, caughtUp, cannotRecord }: MemberReport, nowMs: number): void {
    const before = this.#heard.get(from.storeId);
    const sinceMs = before?.boot === from.boot ? before.sinceMs : nowMs;
    this.#heard.set(from.storeId, { boot: from.boot, sinceMs, atMs: nowMs, cannotRecord });
    this.#caughtUp.set(from.storeId, new Map(caughtUp));
    this.#suspicions.report(from, report, nowMs);
  }

  drained(shards: readonly ShardOfEpoch[]): void {
    for (const { shard, epoch } of shards) {
      const drain = this.#drains.get(shard);
      if (drain?.epoch === epoch) drain.isDone = true;
    }
  }

  tick(view: CoordinatorView): readonly CoordinatorAction[] {
    const { map } = view;
    if (map !== this.#map) {
      this.#map = map;
      const lives = [...map.members.values()].filter((member) => isExpected(member));
      this.#suspicions.setMembers(lives.map(({ storeId, boot }) => ({ storeId, boot })));
    }
    const onProbation = this.#probation.needed(view);
    const standing = (peer: StoreId): PeerStanding => (onProbation.has(peer) ? { type: 'alive' } : view.standing(peer));
    const believing = { ...view, standing };
    const members = this.#memberChanges(believing, onProbation);
    if (members.length > 0) return members;
    return [...this.#steps(believing), ...this.#voterChanges(believing)];
  }

  #memberChanges(
    { map, nowMs, wallMs, standing }: CoordinatorView,
    onProbation: ReadonlySet<StoreId>,
  ): CoordinatorAction[] {
    const changes: MapChange[] = [];
    for (const { storeId, boot } of this.#suspicions.downs(nowMs))
      if (!onProbation.has(storeId)) changes.push({ type: 'memberDown', storeId, boot, atMs: wallMs });
    for (const { storeId, boot, downSinceMs, status } of map.members.values()) {
      if (downSinceMs === 0 || status === 'removed') continue;
      const heard = this.#heard.get(storeId);
      if (heard?.boot === boot && nowMs - heard.atMs < heartbeatExpiresMs && standing(storeId).type === 'alive')
        changes.push({ type: 'memberUp', storeId, boot });
    }
    return changes.map((change) => ({ type: 'propose', change }));
  }

  #steps(view: CoordinatorView): CoordinatorAction[] {
    const { map, nowMs, wallMs } = view;
    const standings = this.#standings(view);
    const learnerProgress = new Map<`${number}`, Map<StoreId, { readonly caughtUp: boolean }>>();
    map.shards.forEach(({ assigned, learners }, shard) => {
      if (learners.length === 0) return;
      const caughtUp = this.#caughtUp.get(assigned.owner)?.get(shard) ?? [];
      learnerProgress.set(`${shard}`, new Map(caughtUp.map((store) => [store, { caughtUp: true }])));
    });
    const { limits } = this.#options;
    const knows = this.#knowsFunction(view);
    const actions: CoordinatorAction[] = [];
    const planned = planSteps({ map, standings, learnerProgress, limits, ...(knows ? { knows } : {}) }, wallMs);
    const toDrain = new Map<StoreId, ShardOfEpoch[]>();
    for (const step of planned) {
      if (step.type !== 'propose') continue;
      if (step.change.type !== 'assign') {
        // Who still votes stays until another does in its place.
        if (step.change.type === 'memberRemoved' && view.voters.includes(step.change.storeId)) continue;
        actions.push({ type: 'propose', change: step.change });
        continue;
      }
      const ready = step.change.assignments.filter((assignment) =>
        this.#isDrained(view, standings, assignment, toDrain),
      );
      if (ready.length > 0) actions.push({ type: 'propose', change: { type: 'assign', assignments: ready } });
    }
    for (const [owner, shards] of toDrain) {
      for (const { shard, epoch } of shards) this.#drains.set(shard, { epoch, askedMs: nowMs, isDone: false });
      actions.push({ type: 'drain', owner, shards });
    }
    return actions;
  }

  /** An owner that serves finishes what runs first. One that cannot be asked, or takes too long, is not waited for. */
  #isDrained(
    { map, nowMs, isUp }: CoordinatorView,
    standings: ReadonlyMap<StoreId, Standing>,
    { shard, after }: Assignment,
    toDrain: Map<StoreId, ShardOfEpoch[]>,
  ): boolean {
    const { assigned, active } = map.shards[shard]!;
    const owner = map.members.get(assigned.owner);
    const isServing =
      active.epoch === assigned.epoch &&
      owner?.boot === assigned.boot &&
      isExpected(owner) &&
      (assigned.owner === this.#self || (standings.get(assigned.owner) === 'alive' && isUp(assigned.owner)));
    if (!isServing) return true;
    const drain = this.#drains.get(shard);
    if (drain?.epoch === after) return drain.isDone || nowMs - drain.askedMs >= this.#options.drainMs;
    const shards = toDrain.get(assigned.owner) ?? [];
    shards.push({ shard, epoch: after });
    toDrain.set(assigned.owner, shards);
    return false;
  }

  #standings(view: CoordinatorView): ReadonlyMap<StoreId, Standing> {
    const standings = new Map<StoreId, Standing>();
    for (const { storeId } of view.map.members.values()) {
      const { type } = view.standing(storeId);
      const isThere = type === 'alive' && view.isUp(storeId);
      standings.set(storeId, isThere ? 'alive' : type === 'busy' || type === 'dead' ? type : 'unreachable');
    }
    standings.set(this.#self, 'alive');
    for (const owner of this.#cutOffOwners(view, standings)) standings.set(owner, 'busy');
    const full = [...standings].filter(([store, standing]) => standing === 'alive' && this.#isFull(store));
    const alive = [...standings.values()].filter((standing) => standing === 'alive').length;
    if (full.length < alive) for (const [store] of full) standings.set(store, 'busy');
    return standings;
  }

  /** It lives, and what it owns cannot be written: others would do better. */
  #isFull(store: StoreId): boolean {
    return this.#heard.get(store)?.cannotRecord ?? false;
  }

  /** Owners that cannot reach a write quorum, where others could. */
  #cutOffOwners({ map, nowMs }: CoordinatorView, standings: ReadonlyMap<StoreId, Standing>): ReadonlySet<StoreId> {
    const needs = new Map<string, QuorumNeed>();
    for (const { assigned, active } of map.shards) {
      if (assigned.epoch !== active.epoch || assigned.replicas.length < 2) continue;
      const key = `${assigned.owner} ${assigned.replicas.join(' ')}`;
      const { owner, replicas } = assigned;
      if (!needs.has(key)) needs.set(key, { owner, replicas, writeQuorum: writeQuorum(replicas.length) });
    }
    const cutOff = new Set<StoreId>();
    for (const need of this.#suspicions.unreachableOwners(nowMs, [...needs.values()])) {
      const others = need.replicas.filter((store) => store !== need.owner && standings.get(store) === 'alive');
      if (others.length >= need.writeQuorum) cutOff.add(need.owner);
    }
    return cutOff;
  }

  /** The same function as long as it answers the same: the plan remembers by it. */
  #knowsFunction({ map, knowsAll }: CoordinatorView): ((store: StoreId) => boolean) | undefined {
    const knowing = new Set<StoreId>();
    for (const storeId of map.members.keys()) if (knowsAll(storeId)) knowing.add(storeId);
    const isSame = knowing.size === this.#knowing.size && [...knowing].every((each) => this.#knowing.has(each));
    if (!isSame) {
      this.#knowing = knowing;
      this.#knows = undefined;
    }
    if (knowing.size === map.members.size || knowing.size === 0) return undefined;
    this.#knows ??= (store) => knowing.has(store);
    return this.#knows;
  }

  #voterChanges(view: CoordinatorView): CoordinatorAction[] {
    const { map, voters, nowMs, wallMs } = view;
    if (nowMs - this.#votersChangedMs < votersPauseMs) return [];
    const seen = { self: this.#self, map, voters, isUp: (peer: StoreId) => view.isUp(peer) };
    const wanted = planVoters({
      ...seen,
      wallMs,
      deadAfterMs: this.#options.voterDeadAfterMs,
      isSettled: (peer) => this.#isSettled(peer, nowMs),
    });
    const actions: CoordinatorAction[] = wanted ? [{ type: 'voters', voters: wanted }] : [];
    // It could not take itself out: the next leader does.
    if (map.members.get(this.#self)?.status === 'leaving' && successor(seen)) actions.push({ type: 'handOver' });
    if (actions.length > 0) this.#votersChangedMs = nowMs;
    return actions;
  }

  /** It has been heard for a while: it is not likely to be gone in the next moment. */
  #isSettled(storeId: StoreId, nowMs: number): boolean {
    const heard = this.#heard.get(storeId);
    return heard !== undefined && nowMs - heard.sinceMs >= settledAfterMs;
  }
}

/** Not known to be down. */
function isExpected({ status, downSinceMs }: Member): boolean {
  return status !== 'removed' && status !== 'down' && downSinceMs === 0;
}
