/**
 * Pacing: how many shards are moving to or from each store. A shard is in transit while an epoch of it is assigned but
 * not active, and while it has learners: these are charged to the owner that fills them and to the one that will own the
 * shard with them. The map does not say who owned it before, so an epoch that waits is charged to every store of its
 * sets: rather a move too few than one too many.
 */
import type { StoreId } from '../../core/ids.ts';
import type { DesiredPlacement } from './allocation.ts';
import type { ClusterMap } from './cluster-map.ts';

export class Transit {
  readonly #movesAtOnce: number;
  readonly #counts = new Map<StoreId, number>();

  constructor(map: ClusterMap, desired: readonly DesiredPlacement[], movesAtOnce: number) {
    this.#movesAtOnce = movesAtOnce;
    map.shards.forEach(({ assigned, active, learners }, shard) => {
      if (assigned.epoch > active.epoch) this.#charge([...assigned.replicas, ...active.replicas, ...learners]);
      else if (learners.length > 0)
        this.#charge([assigned.owner, ...learners, desired[shard]?.owner ?? assigned.owner]);
    });
  }

  /** Begins a move that these stores take part in, unless one of them has enough. */
  begin(...stores: readonly StoreId[]): boolean {
    if (stores.some((store) => (this.#counts.get(store) ?? 0) >= this.#movesAtOnce)) return false;
    this.#charge(stores);
    return true;
  }

  #charge(stores: readonly StoreId[]): void {
    for (const store of new Set(stores)) this.#counts.set(store, (this.#counts.get(store) ?? 0) + 1);
  }
}
