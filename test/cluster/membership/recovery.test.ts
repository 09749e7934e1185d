/** What an operator is answered who accepts a loss. The whole of it is proved with real nodes, and in simulation. */
import { expect, test } from 'vitest';
import type { ClusterMember } from '../../../src/cluster/member.ts';
import { Recovery } from '../../../src/cluster/membership/recovery.ts';
import { settledMap } from '../map-fixture.ts';

test('a disk that fails while the new control log is begun on it is a "not now" to whoever asks', async () => {
  const map = settledMap(3, 1);
  const [self, ...others] = [...map.members.values()];
  const control = {
    voters: [...map.members.keys()],
    term: 3,
    isLeader: false,
    held: () => ({ state: { term: 3, entries: [] }, snapshot: { index: map.version, term: 3, data: map } }),
    beginAnew: () => Promise.reject(new Error('EIO: i/o error, fsync')),
  };
  const member = { storeId: self!.storeId, map, control, isUp: () => false } as unknown as ClusterMember;
  const recovery = new Recovery({ member, wallMs: () => 1, nowMs: () => 1, schedule: () => {} });
  const accepted = recovery.accept({ lost: others.map(({ node }) => node) });
  await expect(accepted).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('EIO') });
});
