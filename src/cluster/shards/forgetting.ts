/**
 * Forgetting copies of shards that moved away (DESIGN §6, R4): a log is deleted only if one version of the map names this
 * store neither among the active nor the assigned replicas nor the learners, and this store has promised no epoch above
 * the active one of that version; and only after a grace period, for a copy that is still there is soon filled again.
 *
 * Why a promise above it forbids it: the map is older than what this store agreed to since. It may be a replica again,
 * and what it acknowledged may be needed.
 *
 * Three things more than the rule asks. Nothing is deleted while an epoch is assigned and not active: its owner is copying
 * logs. Nor while the shard lacks a copy, fills one, or has one on a node that is not up: should its set be lost, whoever
 * has more than is left of it is asked (recovery.ts). And the promise is raised to the active epoch first: an owner of an earlier one, who does not know yet that it is
 * over, is refused, instead of sealing with the empty log of a store that had more.
 *
 * Nobody reads such a copy: an owner seals and fetches from the active set, of an epoch that this store promised.
 */
import type { Position, ShardId, StoreId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { type Journal, unheard } from '../../persistence/journal.ts';
import type { ClusterMap, ShardPlacement } from '../membership/cluster-map.ts';
import type { Mistaken } from '../mistakes.ts';

/** Whether the shard has all its copies, on nodes that are up, and nobody is being filled. */
export function isWhole({ replicas, members }: ClusterMap, { active, learners }: ShardPlacement): boolean {
  return (
    learners.length === 0 &&
    active.replicas.length >= replicas &&
    active.replicas.every((store) => members.get(store)?.status === 'up')
  );
}

/** Whether the map names this store in no set of the shard. */
export function isExcluded({ active, assigned, learners }: ShardPlacement, storeId: StoreId): boolean {
  return ![active.replicas, assigned.replicas, learners].some((set) => set.includes(storeId));
}

export interface CopyStanding {
  readonly placement: ShardPlacement;
  /** See {@link isWhole}. */
  readonly isWhole: boolean;
  readonly storeId: StoreId;
  /** The highest epoch this store has promised for the shard; 0: none. */
  readonly promisedEpoch: number;
  /** Since it was first seen that the map does not name the store; each time it is named it begins anew. */
  readonly excludedForMs: number;
  readonly forgetAfterMs: number;
}

/** R4, for a map version that is committed. */
export function mayForget(copy: CopyStanding): boolean {
  const { active, assigned } = copy.placement;
  return (
    isExcluded(copy.placement, copy.storeId) &&
    copy.isWhole &&
    active.epoch > 0 &&
    assigned.epoch === active.epoch &&
    copy.promisedEpoch <= active.epoch &&
    copy.excludedForMs >= copy.forgetAfterMs
  );
}

export interface ForgettingOptions {
  readonly journal: Journal;
  readonly storeId: StoreId;
  readonly log: Log;
  readonly mistaken: Mistaken;
  readonly forgetAfterMs: number;
  /** This store owns the shard, or owned it until this turn. */
  readonly isOwned: (shard: ShardId) => boolean;
}

export class Forgetting {
  readonly #options: ForgettingOptions;
  /** By shard: since when the map has not named this store, and how long the log was when it was looked at last. */
  readonly #excluded = new Map<ShardId, { sinceMs: number; tail: Position }>();
  #map: ClusterMap | undefined;
  #isBusy = false;
  #forgottenTotal = 0;

  constructor(options: ForgettingOptions) {
    this.#options = options;
  }

  /** Copies that were forgotten in this life. */
  get forgottenTotal(): number {
    return this.#forgottenTotal;
  }

  /** A newer map is known. */
  see(map: ClusterMap, nowMs: number): void {
    const before = this.#map;
    this.#map = map;
    map.shards.forEach((placement, shard) => {
      if (placement === before?.shards[shard]) return;
      if (!isExcluded(placement, this.#options.storeId)) {
        if (!this.#options.mistaken('forgets by grace time alone')) this.#excluded.delete(shard);
      } else if (!this.#excluded.has(shard)) this.#excluded.set(shard, { sinceMs: nowMs, tail: 0 });
    });
  }

  /** Forgets one copy, if there is one whose time has come; the next one once that is durable. */
  sweep(nowMs: number): void {
    const { journal, mistaken, isOwned, storeId, forgetAfterMs } = this.#options;
    if (this.#isBusy || journal.status !== 'open') return;
    for (const [shard, excluded] of this.#excluded) {
      const { position: tail } = journal.tail(shard);
      // A log that still grows, or was begun again, is filled by somebody: its time begins anew.
      if (tail > excluded.tail) excluded.sinceMs = nowMs;
      excluded.tail = tail;
      const excludedForMs = nowMs - excluded.sinceMs;
      if (tail === 0 || excludedForMs < forgetAfterMs || isOwned(shard)) continue;
      const placement = this.#map!.shards[shard]!;
      const promisedEpoch = journal.hardState(shard)?.promisedEpoch ?? 0;
      const isWholeNow = isWhole(this.#map!, placement);
      const copy = { placement, isWhole: isWholeNow, storeId, promisedEpoch, excludedForMs, forgetAfterMs };
      if (mayForget(copy) || mistaken('forgets by grace time alone')) {
        this.#forget(shard, placement);
        return;
      }
    }
  }

  #forget(shard: ShardId, { active, assigned }: ShardPlacement): void {
    const { journal, log } = this.#options;
    const promised = journal.hardState(shard)?.promisedEpoch ?? 0;
    if (promised < active.epoch)
      journal.setHardState(shard, { promisedEpoch: active.epoch, promisedTo: assigned.owner }, unheard);
    const { position } = journal.tail(shard);
    this.#isBusy = true;
    journal.forget(shard, {
      durable: () => {
        this.#isBusy = false;
        this.#forgottenTotal += 1;
        log.info('forgot the copy of a shard that moved away', { shard, records: position, activeEpoch: active.epoch });
      },
      failed() {},
    });
  }
}
