/** The committed maps that any node ever came to know, as far as checks need them when everybody who knew is down. */
import type { ClusterMap } from '../../cluster/membership/cluster-map.ts';

export class KnownMaps {
  #newest: ClusterMap | undefined;
  readonly #stores = new Set<string>();
  readonly #versions = new Set<number>();
  /** By store and shard: the newest active epoch of a map that named the store in no set of the shard. */
  readonly #excluded = new Map<string, number>();

  get newest(): ClusterMap | undefined {
    return this.#newest;
  }

  add(map: ClusterMap): void {
    if (this.#versions.has(map.version)) return;
    this.#versions.add(map.version);
    const isStoreNew = [...map.members.keys()].filter((storeId) => !this.#stores.has(storeId)).length > 0;
    const before = isStoreNew ? undefined : this.#newest;
    for (const storeId of map.members.keys()) this.#stores.add(storeId);
    map.shards.forEach((placement, shard) => {
      if (placement === before?.shards[shard]) return;
      const { active, assigned, learners } = placement;
      const named = new Set<string>([...active.replicas, ...assigned.replicas, ...learners]);
      for (const storeId of this.#stores) {
        if (named.has(storeId)) continue;
        const key = `${storeId}/${shard}`;
        this.#excluded.set(key, Math.max(active.epoch, this.#excluded.get(key) ?? 0));
      }
    });
    if (map.version > (this.#newest?.version ?? -1)) this.#newest = map;
  }

  /** The newest active epoch of a map that named the store in no set of the shard; 0: none did. */
  excludedEpoch(storeId: string, shard: number): number {
    return this.#excluded.get(`${storeId}/${shard}`) ?? 0;
  }
}
