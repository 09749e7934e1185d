/**
 * Where the control leader gathers what the members think of each other, and decides who is down. One observer may be
 * wrong about its own network, so it takes two: the leader and somebody else. It is only a hint all the same: a wrong
 * guess costs an epoch, never data.
 *
 * ## Who is down
 *
 * A life of a member is down if the leader itself suspects it, or thinks it dead, and
 * - another observer does so too, or
 * - there is no other observer left to ask. (So two nodes work. A leader that is itself cut off may come to this
 *   conclusion about everybody; then it has no majority of voters either, and nothing it decides is committed.)
 *
 * That its process died, said by anyone who counts, is enough as soon as the leader has no link to it either.
 *
 * ## Who counts
 *
 * A member that the leader holds nothing against: one that is suspected, dead or busy is neither heard nor waited for.
 * What it said counts for `reportExpiresMs`, and only against lives that are still the newest.
 *
 * A new leader begins with an empty one of these, and hears everybody within a heartbeat. Times are monotonic.
 * Source: DESIGN "Failure detection"; the second observer is what SWIM's indirect probes are for (Das et al. 2002, §4).
 */
import type { StoreId } from '../../core/ids.ts';
import type { Accusation, DeathCause, ObserverReport } from './failure-detector.ts';

export interface SuspicionsOptions {
  /** What an observer said is forgotten after this. Higher means that lost heartbeats matter less. */
  readonly reportExpiresMs: number;
  /** An owner that cannot reach a write quorum for this long is to be relieved. Higher means calmer shards. */
  readonly cutOffAfterMs: number;
}

/** Four heartbeats; and what DESIGN says. */
export const suspicionsDefaults: SuspicionsOptions = { reportExpiresMs: 2_000, cutOffAfterMs: 2_000 };

/** One life of a member. */
export interface Life {
  readonly storeId: StoreId;
  readonly boot: number;
}

export interface Downfall extends Life {
  readonly why: 'suspect' | DeathCause;
  /** Who said so beside the leader; nobody, if there was nobody to ask. */
  readonly witnesses: readonly StoreId[];
}

/** What an owner needs to commit. The caller may put more into it (which shards). */
export interface QuorumNeed {
  readonly owner: StoreId;
  /** The owner included, if it is one of them. */
  readonly replicas: readonly StoreId[];
  /** How many of them must have a record durable. */
  readonly writeQuorum: number;
}

interface Observer {
  boot: number;
  reportedMs: number;
  accusations: ReadonlyMap<StoreId, Accusation>;
  reachable: ReadonlySet<StoreId>;
  /** Members that it cannot reach, and since which report. */
  unreachableSinceMs: ReadonlyMap<StoreId, number>;
}

export class Suspicions {
  readonly #self: StoreId;
  readonly #options: SuspicionsOptions;
  /** Boot by store: who is not down by the map. */
  #members = new Map<StoreId, number>();
  readonly #observers = new Map<StoreId, Observer>();

  /** @param self the leader */
  constructor(self: StoreId, options: Partial<SuspicionsOptions> = {}) {
    this.#self = self;
    this.#options = { ...suspicionsDefaults, ...options };
  }

  /**
   * The members that may speak and may be spoken of, in their newest lives: those that the map does not call down or
   * removed, the leader included. What was said by and about others is forgotten.
   */
  setMembers(members: readonly Life[]): void {
    this.#members = new Map(members.map(({ storeId, boot }) => [storeId, boot]));
    for (const [storeId, { boot }] of this.#observers) {
      const newest = this.#members.get(storeId);
      if (newest === undefined || boot < newest) this.#observers.delete(storeId);
    }
  }

  /** A heartbeat of a member, or the leader's own view of things. Takes the place of what it said before. */
  report(from: Life, { accusations, reachable }: ObserverReport, nowMs: number): void {
    const newest = this.#members.get(from.storeId);
    if (newest === undefined || from.boot < newest) return;
    const before = this.#observers.get(from.storeId);
    if (before && from.boot < before.boot) return;
    const reached = new Set(reachable);
    const unreachableSinceMs = new Map<StoreId, number>();
    const sinceBefore = before?.boot === from.boot ? before.unreachableSinceMs : undefined;
    for (const storeId of this.#members.keys()) {
      if (storeId === from.storeId || reached.has(storeId)) continue;
      unreachableSinceMs.set(storeId, sinceBefore?.get(storeId) ?? nowMs);
    }
    this.#observers.set(from.storeId, {
      boot: from.boot,
      reportedMs: nowMs,
      accusations: new Map(accusations.map((accusation) => [accusation.peer, accusation])),
      reachable: reached,
      unreachableSinceMs,
    });
  }

  /** Who is to be declared down. The same answer until the members are set anew, or somebody changes their mind. */
  downs(nowMs: number): readonly Downfall[] {
    const downs: Downfall[] = [];
    for (const [storeId, boot] of this.#members) {
      if (storeId === this.#self) continue;
      const down = this.#judge({ storeId, boot }, nowMs);
      if (down) downs.push(down);
    }
    return downs;
  }

  /**
   * The needs that their owners say they cannot meet, for `cutOffAfterMs` without a break: too many replicas are out of
   * reach, each of them since then. Whether another owner would do better is for the allocation to say. An owner that
   * says nothing is a case for {@link downs}.
   */
  unreachableOwners<Need extends QuorumNeed>(nowMs: number, quorumNeeds: readonly Need[]): readonly Need[] {
    return quorumNeeds.filter(({ owner, replicas, writeQuorum }) => {
      const observer = this.#fresh(owner, nowMs);
      if (!observer) return false;
      const lost = replicas.filter((storeId) => {
        if (observer.reachable.has(storeId)) return false;
        // Down by the map, and no link: that took longer.
        if (!this.#members.has(storeId)) return true;
        const sinceMs = observer.unreachableSinceMs.get(storeId);
        return sinceMs !== undefined && nowMs - sinceMs >= this.#options.cutOffAfterMs;
      });
      return replicas.length - lost.length < writeQuorum;
    });
  }

  #judge(life: Life, nowMs: number): Downfall | undefined {
    const own = this.#fresh(this.#self, nowMs);
    if (!own) return undefined;
    const ownAccusation = accusationOf(own, life);
    const judges = [...this.#members.keys()].filter(
      (storeId) => storeId !== this.#self && storeId !== life.storeId && this.#counts(storeId, own),
    );
    const said = judges.map((storeId) => ({ storeId, what: this.#heldAgainst(life, storeId, nowMs) }));
    const sawItDie = said.filter(({ what }) => what === 'process died').map(({ storeId }) => storeId);
    if ((sawItDie.length > 0 || ownAccusation === 'process died') && !own.reachable.has(life.storeId)) {
      return { ...life, why: 'process died', witnesses: sawItDie };
    }
    if (ownAccusation === undefined) return undefined;
    const witnesses = said.filter(({ what }) => what !== undefined).map(({ storeId }) => storeId);
    return judges.length === 0 || witnesses.length > 0 ? { ...life, why: ownAccusation, witnesses } : undefined;
  }

  /** Whether the leader waits for the observer's word: it holds nothing against it. */
  #counts(storeId: StoreId, own: Observer): boolean {
    const accusation = own.accusations.get(storeId);
    return accusation === undefined || accusation.boot < (this.#members.get(storeId) ?? 0);
  }

  #heldAgainst(life: Life, observer: StoreId, nowMs: number): Downfall['why'] | undefined {
    const fresh = this.#fresh(observer, nowMs);
    return fresh && accusationOf(fresh, life);
  }

  #fresh(storeId: StoreId, nowMs: number): Observer | undefined {
    const observer = this.#observers.get(storeId);
    return observer && nowMs - observer.reportedMs < this.#options.reportExpiresMs ? observer : undefined;
  }
}

/** What the observer holds against this life: a busy one is no case for being declared down. */
function accusationOf({ accusations }: Observer, { storeId, boot }: Life): Downfall['why'] | undefined {
  const accusation = accusations.get(storeId);
  if (!accusation || accusation.boot < boot || accusation.what === 'busy') return undefined;
  return accusation.what;
}
