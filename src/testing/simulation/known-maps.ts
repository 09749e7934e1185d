/**
 * The committed maps that any node ever came to know, as far as checks need them when everybody who knew is down.
 *
 * A control log that begins anew after a loss may use version numbers again that only lost members knew: a map in which
 * more losses are accepted is a newer one.
 */
import type { ClusterMap } from '../../cluster/membership/cluster-map.ts';

export class KnownMaps {
  #newest: ClusterMap | undefined;
  readonly #stores = new Set<string>();
  readonly #versions = new Set<string>();
  /** By store and shard: the newest active epoch of a map that named the store in no set of the shard. */
  readonly #excluded = new Map<string, number>();

  get newest(): ClusterMap | undefined {
    return this.#newest;
  }

  add(map: ClusterMap): void {
    const losses = lossesIn(map);
    const version = `${losses}/${map.version}`;
    if (this.#versions.has(version)) return;
    this.#versions.add(version);
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
    const known = this.#newest;
    const more = losses - (known ? lossesIn(known) : 0);
    if (!known || more > 0 || (more === 0 && map.version > known.version)) this.#newest = map;
  }

  /** The newest active epoch of a map that named the store in no set of the shard; 0: none did. */
  excludedEpoch(storeId: string, shard: number): number {
    return this.#excluded.get(`${storeId}/${shard}`) ?? 0;
  }
}

function lossesIn(map: ClusterMap): number {
  return map.shards.reduce((sum, { loss }) => sum + (loss?.times ?? 0), 0);
}
