import { expect, test } from 'vitest';
import { clusterInfo, shardInfos } from '../../../src/cluster/membership/cluster-info.ts';
import type { NodeName, StoreId } from '../../../src/core/ids.ts';
import { member, settledMap, store, withMember } from '../map-fixture.ts';

/** Node 2 lost its disk and came back on an empty one, which holds nothing yet. */
function viewOfReplacedDisk() {
  const lost = withMember(settledMap(3, 4), member(2, { status: 'removed' }));
  const map = withMember(lost, { ...member(2), storeId: store('2-anew') });
  const voters = [0, 1, 2].map(store);
  return { map, voters, leader: store(0), storeId: store(0), isUp: (peer: StoreId) => peer !== store(2) };
}

test('a copy on a lost disk is not one on the disk that took its place', () => {
  for (const { replicas } of shardInfos(viewOfReplacedDisk(), false))
    expect([...replicas].sort()).toEqual(['node-0', 'node-1']);
});

test('a lost disk does not vote, whatever its node’s name is', () => {
  expect(clusterInfo(viewOfReplacedDisk(), 'node-0' as NodeName).voters).toEqual(['node-0', 'node-1']);
});
