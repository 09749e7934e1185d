/**
 * A cluster as the planner sees it, as small as it can be and still lose data when the planner is wrong: stores live
 * and die, every shard has a log of which only the length is kept, and steps are applied as the protocol applies them.
 * An epoch becomes active when S of the active set and W of the new one answer; what S hold must then be everything
 * that was ever acknowledged, or the model fails.
 */
import { expect } from 'vitest';
import type { Assignment, ClusterMap, MapChange, ShardPlacement } from '../../src/cluster/membership/cluster-map.ts';
import { eligibleStores, type Standing } from '../../src/cluster/membership/eligibility.ts';
import type { PlannedStep, PlanView } from '../../src/cluster/membership/planned-step.ts';
import { sealQuorum, writeQuorum } from '../../src/cluster/membership/quorum.ts';
import { planSteps } from '../../src/cluster/membership/rebalance-plan.ts';
import type { ShardId, StoreId } from '../../src/core/ids.ts';
import { deadAfterMs, member } from './map-fixture.ts';

type Proposed = Extract<PlannedStep, { type: 'propose' }>;

interface ModelShard {
  /** Length of what was acknowledged. */
  acknowledged: number;
  readonly held: Map<StoreId, number>;
  /** Who owned the epoch that is active. */
  owner: StoreId | undefined;
  /** What began the epoch that is not active yet. */
  reason: Proposed['reason'] | undefined;
}

export class AllocationModel {
  map: ClusterMap;
  nowMs = 1_000_000;
  readonly running = new Set<StoreId>();
  readonly standings = new Map<StoreId, Standing>();
  readonly shards: ModelShard[];
  readonly movesAtOnce: number;
  movedOwners = 0;
  /** Sources and targets of what the last plan began. */
  #began = new Set<StoreId>();
  copies = 0;
  rounds = 0;
  knows: PlanView['knows'];
  readonly #learned = new Map<string, number>();

  constructor(map: ClusterMap, movesAtOnce = 8) {
    this.map = map;
    this.movesAtOnce = movesAtOnce;
    for (const storeId of map.members.keys()) this.#alive(storeId);
    this.shards = map.shards.map(({ assigned, active }) => ({
      acknowledged: 0,
      held: new Map(active.replicas.map((it) => [it, 0])),
      owner: active.epoch > 0 ? assigned.owner : undefined,
      reason: undefined,
    }));
  }

  join(name: string | number, zone = ''): void {
    const joiner = member(name, { zone });
    this.#withMember(joiner.storeId, joiner);
    this.#alive(joiner.storeId);
  }

  kill(store: StoreId): void {
    this.running.delete(store);
    this.standings.set(store, 'dead');
  }

  declareDown(store: StoreId): void {
    const { status } = this.map.members.get(store)!;
    if (status === 'up' && !this.running.has(store)) {
      this.#withMember(store, { status: 'down', downSinceMs: this.nowMs });
    }
  }

  start(store: StoreId): void {
    const { boot, status } = this.map.members.get(store)!;
    this.#withMember(store, {
      boot: boot + 1,
      stopping: false,
      status: status === 'down' ? 'up' : status,
      downSinceMs: 0,
    });
    this.#alive(store);
  }

  stop(store: StoreId): void {
    this.#withMember(store, { stopping: true });
  }

  leave(store: StoreId): void {
    this.#withMember(store, { status: 'leaving' });
  }

  view(): PlanView {
    const learnerProgress = new Map<`${ShardId}`, Map<StoreId, { caughtUp: boolean }>>();
    this.map.shards.forEach(({ learners }, shard) => {
      if (learners.length === 0) return;
      learnerProgress.set(
        `${shard}`,
        new Map(learners.map((it) => [it, { caughtUp: (this.#learned.get(`${shard}/${it}`) ?? 0) >= 2 }])),
      );
    });
    return {
      map: this.map,
      standings: this.standings,
      learnerProgress,
      ...(this.knows ? { knows: this.knows } : {}),
      limits: { movesAtOnce: this.movesAtOnce, deadAfterMs },
    };
  }

  /** Plans, checks every step, and applies those that `arrives` lets through. */
  plan(arrives: (step: Proposed) => boolean = () => true): readonly PlannedStep[] {
    this.rounds++;
    const steps = planSteps(this.view(), this.nowMs);
    const proposed = steps.filter((step) => step.type === 'propose');
    expect(proposed.filter(({ reason }) => reason === 'failover').length).toBeLessThanOrEqual(1);
    const assigned = proposed.flatMap(({ change }) =>
      change.type === 'assign' ? change.assignments.map(({ shard }) => shard) : [],
    );
    const touched = proposed.flatMap(({ change }) =>
      change.type === 'learners' ? change.changes.map(({ shard }) => shard) : [],
    );
    expect(new Set([...assigned, ...touched]).size, 'one step per shard').toBe(assigned.length + touched.length);
    this.#began = new Set();
    for (const step of proposed) {
      this.#check(step);
      if (arrives(step)) this.#apply(step);
    }
    this.#checkPace();
    return steps;
  }

  /** Owners seal and replicate; `reaches` lets some be slow. */
  activate(reaches: (shard: ShardId) => boolean = () => true): void {
    const shards = this.map.shards.map((placement, shard): ShardPlacement => {
      const { assigned, active } = placement;
      const state = this.shards[shard]!;
      if (assigned.epoch === active.epoch || !reaches(shard)) return placement;
      const { owner, boot } = assigned;
      if (!this.running.has(owner) || this.map.members.get(owner)!.boot !== boot) return placement;
      const sealed = active.replicas.filter((it) => this.running.has(it));
      if (active.epoch > 0 && sealed.length < sealQuorum(active.replicas.length)) return placement;
      const live = assigned.replicas.filter((it) => this.running.has(it));
      if (live.length < writeQuorum(assigned.replicas.length)) return placement;
      const best = Math.max(0, ...sealed.map((it) => state.held.get(it) ?? 0));
      expect(best, `shard ${shard} holds what it acknowledged`).toBeGreaterThanOrEqual(state.acknowledged);
      for (const it of live) state.held.set(it, best);
      for (const it of state.held.keys()) {
        if (!assigned.replicas.includes(it) && !placement.learners.includes(it)) state.held.delete(it);
      }
      if (state.owner !== owner) this.movedOwners++;
      state.owner = owner;
      state.reason = undefined;
      return { ...placement, active: { epoch: assigned.epoch, replicas: assigned.replicas } };
    });
    this.map = { ...this.map, version: this.map.version + 1, shards };
  }

  /** Commands commit where they can: on the owner and just enough replicas, `pick` says which. */
  write(pick: (count: number) => number): void {
    this.map.shards.forEach(({ assigned, active }, shard) => {
      const state = this.shards[shard]!;
      if (assigned.epoch !== active.epoch || !this.running.has(assigned.owner)) return;
      if (this.map.members.get(assigned.owner)!.boot !== assigned.boot) return;
      const others = active.replicas.filter((it) => it !== assigned.owner && this.running.has(it));
      const needed = writeQuorum(active.replicas.length) - 1;
      if (others.length < needed) return;
      state.acknowledged = (state.held.get(assigned.owner) ?? 0) + 1;
      const first = pick(others.length);
      const writers = Array.from({ length: needed }, (_, i) => others[(first + i) % others.length]!);
      for (const it of [assigned.owner, ...writers]) state.held.set(it, state.acknowledged);
    });
  }

  learn(): void {
    this.map.shards.forEach(({ assigned, learners }, shard) => {
      for (const learner of learners) {
        if (!this.running.has(assigned.owner) || !this.running.has(learner)) continue;
        const key = `${shard}/${learner}`;
        this.#learned.set(key, (this.#learned.get(key) ?? 0) + 1);
      }
    });
  }

  /** Rounds until nothing is proposed. Fails beyond `roundsMax`. */
  converge(roundsMax: number): number {
    for (let round = 0; round < roundsMax; round++) {
      const steps = this.plan();
      const isMoving = this.map.shards.some(({ assigned, active }) => assigned.epoch > active.epoch);
      const isLearning = this.map.shards.some(({ learners }) => learners.length > 0);
      if (steps.every(({ type }) => type === 'stuck') && !isMoving && !isLearning) return round;
      this.activate();
      this.learn();
      this.write(() => 0);
    }
    throw new Error(`no fixed point after ${roundsMax} rounds: ${JSON.stringify(this.plan()).slice(0, 1_000)}`);
  }

  eligible() {
    return eligibleStores(this.map, this.standings, deadAfterMs, this.nowMs);
  }

  owned(): Record<string, number> {
    const owned: Record<string, number> = {};
    for (const { assigned } of this.map.shards) owned[assigned.owner] = (owned[assigned.owner] ?? 0) + 1;
    return owned;
  }

  #alive(store: StoreId): void {
    this.running.add(store);
    this.standings.set(store, 'alive');
  }

  #withMember(store: StoreId, fields: Partial<ReturnType<typeof member>>): void {
    const known = this.map.members.get(store);
    const members = new Map(this.map.members).set(store, { ...(known ?? member(0)), ...fields });
    this.map = { ...this.map, version: this.map.version + 1, members };
  }

  #isLive(store: StoreId): boolean {
    const { status } = this.map.members.get(store)!;
    return this.standings.get(store) === 'alive' && (status === 'up' || status === 'leaving');
  }

  #check({ change, reason }: Proposed): void {
    if (change.type === 'assign')
      for (const assignment of change.assignments) this.#checkAssignment(assignment, reason);
    if (change.type === 'learners') {
      for (const { shard, epoch, learners } of change.changes) {
        const { assigned, active } = this.map.shards[shard]!;
        expect(epoch).toBe(assigned.epoch);
        expect(active.epoch).toBe(epoch);
        expect(learners.filter((it) => active.replicas.includes(it) || !this.#isLive(it))).toEqual([]);
      }
    }
  }

  #checkAssignment({ shard, after, owner, boot, replicas }: Assignment, reason: Proposed['reason']): void {
    const { assigned, active } = this.map.shards[shard]!;
    expect(after).toBe(assigned.epoch);
    expect(boot).toBe(this.map.members.get(owner)!.boot);
    expect(replicas).toContain(owner);
    expect(new Set(replicas).size).toBe(replicas.length);
    expect(this.#isLive(owner), 'the owner is live').toBe(true);
    const same = owner === assigned.owner && boot === assigned.boot;
    expect(same && String([...replicas].sort()) === String([...assigned.replicas].sort()), 'changes something').toBe(
      false,
    );
    const live = (stores: readonly StoreId[]) => stores.filter((it) => this.#isLive(it)).length;
    expect(live(replicas), 'the new set can write').toBeGreaterThanOrEqual(writeQuorum(replicas.length));
    if (active.epoch === 0) return;
    expect(live(active.replicas), 'the active set can seal').toBeGreaterThanOrEqual(sealQuorum(active.replicas.length));
    expect(replicas.filter((it) => active.replicas.includes(it)).length, 'a holder stays').toBeGreaterThan(0);
    if (reason === 'failover') expect(active.replicas, 'the owner was a replica').toContain(owner);
    else expect(assigned.epoch).toBe(active.epoch);
    if (reason !== 'replicas') return;
    const progress = this.view().learnerProgress.get(`${shard}`);
    const unready = replicas.filter((it) => !active.replicas.includes(it) && !progress?.get(it)?.caughtUp);
    expect(unready, 'who comes in has caught up').toEqual([]);
  }

  #apply({ change, reason }: Proposed): void {
    const shards = [...this.map.shards];
    if (change.type === 'assign') {
      for (const { shard, after, owner, boot, replicas } of change.assignments) {
        const { active, learners } = shards[shard]!;
        const assigned = { epoch: after + 1, owner, boot, replicas };
        for (const it of replicas) {
          if (active.epoch > 0 && !active.replicas.includes(it)) this.copies++;
          this.#learned.delete(`${shard}/${it}`);
        }
        if (reason === 'balance') for (const it of [owner, shards[shard]!.assigned.owner]) this.#began.add(it);
        shards[shard] = { assigned, active, learners: learners.filter((it) => !replicas.includes(it)) };
        this.shards[shard]!.reason = reason;
      }
    } else if (change.type === 'learners') {
      for (const { shard, learners } of change.changes) {
        const { assigned, learners: before } = shards[shard]!;
        const added = learners.filter((it) => !before.includes(it));
        if (added.length > 0) for (const it of [assigned.owner, ...added]) this.#began.add(it);
        for (const it of shards[shard]!.learners) if (!learners.includes(it)) this.#learned.delete(`${shard}/${it}`);
        shards[shard] = { ...shards[shard]!, learners };
      }
    } else if (change.type === 'memberRemoved') {
      this.#checkIsEmpty(change);
      this.#withMember(change.storeId, { status: 'removed' });
      this.running.delete(change.storeId);
    }
    this.map = { ...this.map, version: this.map.version + 1, shards };
  }

  #checkIsEmpty({ storeId }: Extract<MapChange, { type: 'memberRemoved' }>): void {
    const holding = this.map.shards.filter(
      ({ assigned, active, learners }) =>
        assigned.replicas.includes(storeId) || active.replicas.includes(storeId) || learners.includes(storeId),
    );
    expect(holding).toEqual([]);
  }

  /** A plan begins nothing at a store beyond the limit. What failover moves does not count. */
  #checkPace(): void {
    const counts = new Map<StoreId, number>();
    this.map.shards.forEach(({ assigned, active, learners }, shard) => {
      const { reason, owner } = this.shards[shard]!;
      const isMoving = assigned.epoch > active.epoch;
      if (isMoving && reason === 'failover') return;
      if (!isMoving && learners.length === 0) return;
      const entering = isMoving ? assigned.replicas.filter((it) => !active.replicas.includes(it)) : [];
      for (const it of new Set([assigned.owner, owner ?? assigned.owner, ...entering, ...learners])) {
        counts.set(it, (counts.get(it) ?? 0) + 1);
      }
    });
    for (const it of this.#began) expect(counts.get(it), `moves of ${it}`).toBeLessThanOrEqual(this.movesAtOnce);
  }
}
