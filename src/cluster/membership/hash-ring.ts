/**
 * Which stores a shard prefers: a walk around a ketama ring, the owner first, then the replicas. A store that comes or
 * goes moves only its own points, so the order of all others stays as it was. That also makes the order of a subset the
 * order of the whole without the missing ones: the ring is built per set of members, not per state they are in.
 *
 * Two traps of the library are avoided here. Its default number of points is rounded through a float, and at 7, 14 or 28
 * stores moves shards between stores that did not change: so the number is given. And it reads `host:port` into names:
 * so it gets opaque ones. A look-up costs microseconds, so all shards are looked up once per set of members.
 */
import { Buffer } from 'node:buffer';
import HashRing from 'hashring';
import type { ShardId, StoreId } from '../../core/ids.ts';

/** Points per store, times four: ketama takes four from every digest. */
const digestsPerStore = 160;
/** Sets of members whose orders are kept. Beyond: the one asked for longest ago is built again. */
const ringsKeptMax = 4;

/** By shard: all stores, most preferred first. */
export type PreferredStores = readonly (readonly StoreId[])[];

const kept = new Map<string, PreferredStores>();

/**
 * The order in which each of `shardCount` shards prefers `stores`. A pure function of both; their order does not matter.
 * The last few results are kept, because membership changes seldom and everybody asks for the same.
 */
export function preferredStores(shardCount: number, stores: Iterable<StoreId>): PreferredStores {
  const sorted = [...stores].sort();
  const key = JSON.stringify([shardCount, sorted]);
  const known = kept.get(key);
  const orders = known ?? walkRing(shardCount, sorted);
  kept.delete(key);
  kept.set(key, orders);
  if (kept.size > ringsKeptMax) kept.delete(kept.keys().next().value!);
  return orders;
}

function walkRing(shardCount: number, stores: readonly StoreId[]): PreferredStores {
  const byName = new Map(stores.map((store) => [`s${Buffer.from(store).toString('hex')}`, store]));
  const points = Object.fromEntries([...byName.keys()].map((name) => [name, { vnodes: digestsPerStore }]));
  const ring = new HashRing(points as never, 'md5', { 'max cache size': 1 });
  return Array.from({ length: shardCount }, (_, shard: ShardId) =>
    stores.length === 0 ? [] : ring.range(`shard-${shard}`, stores.length).map((name) => byName.get(name)!),
  );
}
