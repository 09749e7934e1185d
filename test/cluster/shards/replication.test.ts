import { expect, test } from 'vitest';
import { noMistakes } from '../../../src/cluster/mistakes.ts';
import type { OwnerHome } from '../../../src/cluster/shards/owned-shard.ts';
import { Replication } from '../../../src/cluster/shards/replication.ts';
import { decodeShardMessage } from '../../../src/cluster/shards/shard-messages.ts';
import type { NodeName } from '../../../src/core/ids.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { store } from '../map-fixture.ts';
import { records, start } from './told.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a learner that dropped its log has caught up only when it is filled again', async () => {
  const journal = new MemoryJournal({
    identity: { clusterId: 'test', node: 'o' as NodeName, storeId: store('o'), shardCount: 1, replicas: 1 },
  });
  await journal.open();
  for (const record of records(5)) journal.append(0, record, { durable() {}, failed() {} });
  const sent: number[] = [];
  const home: Partial<OwnerHome> = {
    journal,
    storeId: store('o'),
    limits: { fillBytesMax: 1_000_000, fetchBytesMax: 1_000_000, caughtUpWithin: 0, forgetAfterMs: 0 },
    mistaken: noMistakes,
    isUp: () => true,
    send: (_to, bytes) => {
      const message = decodeShardMessage(bytes);
      if (message.type === 'append') sent.push(message.previous.position + message.rows.length);
      return true;
    },
  };
  const owner = {
    ...{ shard: 0, epoch: 1, tail: 5, committed: 5, commitToTell: 5, isServing: true, isOver: false },
    unreadable() {},
    acknowledged() {},
  };
  const replication = new Replication(home as OwnerHome, owner, []);
  const learner = store('l');
  replication.start();
  replication.setLearners([learner]);
  expect(sent).toEqual([5]);
  replication.appended(learner, 5);
  expect(replication.caughtUpLearners).toEqual([learner]);

  // It answers a later append: nothing is there.
  replication.mismatched(learner, start, 0, 0);
  replication.mismatched(learner, start, 0, 0);
  replication.appended(learner, 0);
  await turn();
  expect(sent).toEqual([5, 5, 0, 5]);
  expect(replication.caughtUpLearners).toEqual([]);
  replication.appended(learner, 5);
  expect(replication.caughtUpLearners).toEqual([learner]);
});
