import { describe, expect, test } from 'vitest';
import { type DesiredPlacement, desiredPlacement } from '../../src/cluster/membership/allocation.ts';
import type { ClusterMap } from '../../src/cluster/membership/cluster-map.ts';
import { preferredStores } from '../../src/cluster/membership/hash-ring.ts';
import { sealQuorum, writeQuorum } from '../../src/cluster/membership/quorum.ts';
import { eligible, foundedMap, member, ownedBy, settle, settledMap, store, withMember } from './map-fixture.ts';

describe('quorums', () => {
  test.each([
    [1, 1, 1],
    [2, 2, 1],
    [3, 2, 2],
    [4, 3, 2],
    [5, 3, 3],
    [6, 4, 3],
    [7, 4, 4],
  ])('of %i replicas %i must write and %i must seal', (replicas, write, seal) => {
    expect(writeQuorum(replicas)).toBe(write);
    expect(sealQuorum(replicas)).toBe(seal);
    expect(write + seal).toBe(replicas + 1);
    expect(2 * write).toBeGreaterThan(replicas);
  });

  test('an empty set has none', () => {
    expect(() => writeQuorum(0)).toThrow('at least one');
  });
});

describe('the ring', () => {
  const stores = (count: number) => Array.from({ length: count }, (_, i) => store(i));

  test('names every store once, the same whatever order they come in', () => {
    const orders = preferredStores(256, stores(9));
    for (const order of orders) expect([...order].sort()).toEqual(stores(9));
    expect(preferredStores(256, stores(9).reverse())).toBe(orders);
  });

  test.each([3, 6, 7, 13, 14, 27, 28])('a store that joins %i changes the order of no others', (count) => {
    const before = preferredStores(256, stores(count));
    const after = preferredStores(256, stores(count + 1));
    expect(after.map((order) => order.filter((it) => it !== store(count)))).toEqual(before);
  });

  test('the order of a subset is that of the whole without the others', () => {
    const subset = stores(9).filter((_, i) => i % 2 === 0);
    const whole = preferredStores(256, stores(9)).map((order) => order.filter((it) => subset.includes(it)));
    expect(preferredStores(256, subset)).toEqual(whole);
  });

  test('takes ids as they are, be they numbers or addresses', () => {
    const ids = ['10', '9', 'host:7400', '[::1]:7400', 'é'].map((id) => id as ReturnType<typeof store>);
    for (const order of preferredStores(16, ids)) expect([...order].sort()).toEqual([...ids].sort());
  });
});

interface Moved {
  readonly owners: readonly { readonly from: string; readonly to: string | undefined }[];
  readonly replicas: readonly { readonly from: readonly string[]; readonly to: readonly string[] }[];
}

function moved(map: ClusterMap, desired: readonly DesiredPlacement[]): Moved {
  const owners = desired
    .map(({ shard, owner }) => ({ from: map.shards[shard]!.assigned.owner, to: owner }))
    .filter(({ from, to }) => from !== to);
  const replicas = desired
    .map(({ shard, replicas: to }) => {
      const from = map.shards[shard]!.active.replicas;
      return { from: from.filter((it) => !to.includes(it)), to: to.filter((it) => !from.includes(it)) };
    })
    .filter(({ from, to }) => from.length + to.length > 0);
  return { owners, replicas };
}

const sizes = [64, 256, 1_024].flatMap((shards) => [3, 6, 7, 13, 28].map((nodes) => ({ shards, nodes })));

describe('a node that joins', () => {
  test.each(sizes)('takes its share of $shards shards from $nodes others, and nothing moves between those', (size) => {
    for (const replicas of [1, 2, 3]) {
      const before = settledMap(size.nodes, size.shards, replicas);
      const joiner = store(size.nodes);
      const map = withMember(before, member(size.nodes));
      const { owners, replicas: sets } = moved(map, desiredPlacement(map, eligible(map)));
      expect(owners.filter(({ to }) => to !== joiner)).toEqual([]);
      expect(sets.filter(({ to }) => to.some((it) => it !== joiner))).toEqual([]);
      const ideal = size.shards / (size.nodes + 1);
      expect(owners.length).toBeLessThanOrEqual(Math.ceil(1.05 * ideal));
      expect(owners.length).toBeGreaterThanOrEqual(Math.floor(0.9 * ideal) - 1);
      expect(sets.length).toBeLessThanOrEqual(Math.ceil(1.05 * replicas * ideal));
      expect(sets.length).toBeGreaterThanOrEqual(Math.floor(0.9 * replicas * ideal) - 1);
    }
  });
});

describe('a node that leaves', () => {
  test.each(sizes)(
    'of $nodes with $shards shards loses its shards, and no copy of others moves',
    ({ shards, nodes }) => {
      for (const replicas of [1, 2, 3]) {
        const before = settledMap(nodes, shards, replicas);
        const leaver = store(1);
        const map = withMember(before, member(1, { status: 'leaving' }));
        const { owners, replicas: sets } = moved(map, desiredPlacement(map, eligible(map)));
        // Where a store is short and holds none of the shards in question, an owner changes among its replicas.
        expect(owners.filter(({ from }) => from !== leaver).length).toBeLessThanOrEqual(shards / 64);
        expect(owners.filter(({ from }) => from === leaver).length).toBe(ownedBy(before).get(leaver));
        expect(sets.filter(({ from }) => from.some((it) => it !== leaver))).toEqual([]);
        expect(sets.length).toBe(before.shards.filter(({ active }) => active.replicas.includes(leaver)).length);
      }
    },
  );
});

describe('the load', () => {
  test.each(sizes)('of $shards shards on $nodes nodes stays bounded while nodes come and go', ({ shards, nodes }) => {
    let map = settledMap(nodes, shards);
    const checkBound = (count: number) => {
      const bound = Math.ceil((1.25 * shards) / count);
      for (const [storeId, owned] of ownedBy(map)) {
        expect(owned, `${storeId} of ${count}`).toBeLessThanOrEqual(bound);
      }
    };
    checkBound(nodes);
    for (const [i, change] of [1, -1, 1, 1, -1, -1, -1].entries()) {
      const up = [...map.members.values()].filter(({ status }) => status === 'up');
      if (change < 0 && up.length <= 2) continue;
      map = withMember(map, change > 0 ? member(`new-${i}`) : { ...up[i % up.length]!, status: 'removed' });
      map = settle(map);
      checkBound(up.length + change);
    }
  });
});

describe('zones', () => {
  test('two copies share one only when there is no other', () => {
    for (const zones of [2, 3, 4, 5]) {
      const members = Array.from({ length: 9 }, (_, i) => member(i, { zone: `z${Math.min(i, zones - 1)}` }));
      const map = settle(foundedMap(members, 256));
      for (const { active } of map.shards) {
        const used = new Set(active.replicas.map((it) => map.members.get(it)!.zone));
        expect(used.size).toBe(Math.min(zones, 3));
      }
    }
  });

  test('a first node in a new zone gets a copy of what has two in one', () => {
    const map = withMember(
      settle(
        foundedMap(
          [0, 1, 2].map((i) => member(i, { zone: i < 2 ? 'a' : 'b' })),
          64,
        ),
      ),
      member(3, { zone: 'c' }),
    );
    for (const { replicas } of desiredPlacement(map, eligible(map))) {
      expect(new Set(replicas.map((it) => map.members.get(it)!.zone)).size).toBe(3);
    }
  });
});

test('a settled placement is the desired one', () => {
  for (const { shards, nodes } of sizes) {
    const map = settledMap(nodes, shards);
    expect(moved(map, desiredPlacement(map, eligible(map)))).toEqual({ owners: [], replicas: [] });
  }
});

test('the same map gives the same placement, in whatever order it lists its members', () => {
  const map = withMember(settledMap(6, 256), member(6));
  const turned = { ...map, members: new Map([...map.members].reverse()) };
  expect(desiredPlacement(turned, eligible(turned))).toEqual(desiredPlacement(map, eligible(map)));
});

describe('who is given nothing', () => {
  test.each([
    ['stops', { stopping: true }, 'alive'],
    ['leaves', { status: 'leaving' }, 'alive'],
    ['is down', { status: 'down', downSinceMs: 0 }, 'dead'],
    ['is busy', {}, 'busy'],
  ] as const)('a member that %s owns nothing, and the others stay within the bound', (_, fields, standing) => {
    const map = withMember(settledMap(5, 256), member(2, fields));
    const standings = new Map(
      [...map.members.keys()].map((it) => [it, it === store(2) ? standing : ('alive' as const)]),
    );
    const desired = desiredPlacement(map, eligible(map, standings, 1_000));
    const { owners, replicas } = moved(map, desired);
    expect(desired.filter(({ owner }) => owner === store(2) || owner === undefined)).toEqual([]);
    expect(owners.filter(({ from }) => from !== store(2))).toEqual([]);
    const keepsCopies = map.members.get(store(2))!.status !== 'leaving';
    expect(replicas.length > 0).toBe(!keepsCopies);
    for (const it of map.members.keys()) {
      expect(desired.filter(({ owner }) => owner === it).length).toBeLessThanOrEqual(Math.ceil((1.25 * 256) / 4));
    }
  });

  test('one that is down is replaced after deadAfter, and not before', () => {
    const map = withMember(settledMap(5, 256), member(2, { status: 'down', downSinceMs: 1_000 }));
    const at = (nowMs: number) => moved(map, desiredPlacement(map, eligible(map, undefined, nowMs))).replicas.length;
    expect(at(600_999)).toBe(0);
    expect(at(601_000)).toBe(map.shards.filter(({ active }) => active.replicas.includes(store(2))).length);
  });
});

test('who does not know the actor types of a shard does not get it while others do', () => {
  const map = withMember(settledMap(3, 64), member(3));
  const knows = (it: string, shard: number) => it !== store(3) || shard % 8 === 0;
  const { owners } = moved(map, desiredPlacement(map, eligible(map), knows));
  expect(owners.length).toBeGreaterThan(0);
  expect(owners.length).toBeLessThanOrEqual(8);
});
