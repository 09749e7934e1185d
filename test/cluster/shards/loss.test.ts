/** An owner that begins after an accepted loss: whom it asks, whom it waits for, and whose log it goes on with. */
import { expect, test } from 'vitest';
import type { ClusterMap } from '../../../src/cluster/membership/cluster-map.ts';
import { applyChange } from '../../../src/cluster/membership/map-changes.ts';
import { noMistakes } from '../../../src/cluster/mistakes.ts';
import {
  decodeShardMessage,
  encodeShardMessage,
  type ShardMessage,
} from '../../../src/cluster/shards/shard-messages.ts';
import { Shards } from '../../../src/cluster/shards/shards.ts';
import type { NodeName, StoreId } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { settledMap, store } from '../map-fixture.ts';
import { records } from './told.ts';

const shard = 0;
const rows = records(3);

interface Sent {
  readonly to: StoreId;
  readonly message: ShardMessage;
}

/** One shard on five stores, of which a loss was accepted; it is assigned to an owner with an empty disk. */
function afterLoss(): { readonly map: ClusterMap; readonly owner: StoreId; readonly others: readonly StoreId[] } {
  const settled = settledMap(5, 1);
  const lost = settled.shards[shard]!.active.replicas.slice(0, 2);
  let map: ClusterMap = settled;
  for (const storeId of lost)
    map = applyChange(map, { type: 'memberDown', storeId, boot: 1, atMs: 1 }, map.version + 1)!;
  const lives = lost.map((storeId) => ({ storeId, boot: 1 }));
  map = applyChange(map, { type: 'lossAccepted', lost: lives, shards: [shard], atMs: 2 }, map.version + 1)!;
  const left = [...map.members.values()].filter(({ status }) => status === 'up').map(({ storeId }) => storeId);
  const [owner, ...others] = left;
  const assignment = { shard, after: map.shards[shard]!.assigned.epoch, owner: owner!, boot: 1, replicas: left };
  map = applyChange(map, { type: 'assign', assignments: [assignment] }, map.version + 1)!;
  return { map, owner: owner!, others };
}

async function ownerOf({ map, owner }: ReturnType<typeof afterLoss>) {
  const clock = new VirtualClock();
  const journal = new MemoryJournal({
    identity: { clusterId: 'test', node: 'o' as NodeName, storeId: owner, shardCount: 1, replicas: 3 },
    defer: (task) => clock.defer(task),
  });
  await journal.open();
  const sent: Sent[] = [];
  const shards = new Shards({
    journal,
    storeId: owner,
    boot: 1,
    clock,
    log: silentLog,
    mistaken: noMistakes,
    send: (to, bytes) => {
      sent.push({ to, message: decodeShardMessage(bytes) });
      return true;
    },
    isUp: () => true,
    refusal: () => undefined,
    proposeActivation: () => {},
    served: () => {},
    fencing: () => {},
    fenced: () => {},
    repaired: () => {},
  });
  shards.applyMap(map);
  await journal.flush();
  await new Promise((resolve) => setImmediate(resolve));
  const sentTo = (type: ShardMessage['type']) =>
    sent.filter(({ message }) => message.type === type).map(({ to }) => to);
  const { epoch } = map.shards[shard]!.assigned;
  const promises = (from: StoreId, held: number) => {
    const { head } = rows[held - 1] ?? { head: { epoch: 0, chain: 0 } };
    const tail = { position: held, epoch: head.epoch, chain: head.chain };
    shards.receive(from, encodeShardMessage({ type: 'promised', shard, epoch, tail, commit: 0 }));
  };
  return { shards, sentTo, promises, phase: () => shards.owned(shard)!.phase };
}

test('it asks everyone who is left, waits for the last of them, and copies the best log that any of them has', async () => {
  const loss = afterLoss();
  const { sentTo, promises, phase } = await ownerOf(loss);
  const [first, last] = loss.others;
  expect(new Set(sentTo('promise'))).toEqual(new Set(loss.others));
  promises(first!, 2);
  expect(phase()).toBe('sealing');
  expect(sentTo('fetch')).toEqual([]);
  promises(last!, 3);
  expect(phase()).toBe('copying');
  expect(sentTo('fetch')).toEqual([last]);
});

test('where nobody has anything it begins with nothing', async () => {
  const loss = afterLoss();
  const { shards, promises, phase } = await ownerOf(loss);
  for (const other of loss.others) promises(other, 0);
  expect(phase()).toBe('starting');
  expect(shards.owned(shard)!.inheritedAt).toBe(0);
});

test('a store that was given up and comes back is not heard', async () => {
  const loss = afterLoss();
  const { promises, phase } = await ownerOf(loss);
  const gone = [...loss.map.members.values()].filter(({ status }) => status === 'removed');
  expect(gone).toHaveLength(2);
  for (const { storeId } of gone) promises(storeId, 3);
  promises(loss.others[0]!, 1);
  expect(phase()).toBe('sealing');
  promises(store('never seen'), 3);
  expect(phase()).toBe('sealing');
});
