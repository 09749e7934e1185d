import { eventSourced } from 'greenroom';
import { expect, test } from 'vitest';
import { defineActor } from '../../src/actors/definition.ts';
import { actorHash } from '../../src/core/hash.ts';
import type { ActorId, ActorTypeName, CommandId, NodeName } from '../../src/core/ids.ts';
import { encodeCommandBody, encodeSnapshotBody } from '../../src/persistence/codec.ts';
import { emptyTail } from '../../src/persistence/journal.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { encodeRecord } from '../../src/persistence/record.ts';
import { SnapshotFolds } from '../../src/testing/simulation/snapshot-folds.ts';

class Counter extends eventSourced({
  initialState: (): number => 0,
  events: { Added: (sum: number, by: number) => sum + by },
}) {}

const ignore = { durable() {}, failed() {} };
const actor = { type: 'Counter' as ActorTypeName, id: 'one' as ActorId, actorHash: actorHash('Counter', 'one') };

/** One event that adds 1, and a snapshot of that says `state`; committed. */
function fill(journal: MemoryJournal, state: number): void {
  const event = { type: 'Added', version: 1, data: 1 };
  const none = { tells: [], tellsAcknowledged: 0, delivery: undefined };
  const command = { commandId: 'c' as CommandId, fingerprint: 0, events: [event], reply: undefined, ...none };
  const rest = { window: [], previousSnapshot: 0, deletedThrough: 0, outbox: [], lastTellNumber: 0, marks: [] };
  const snapshot = { snapshotVersion: 1, sequenceNumber: 1, state, ...rest };
  const drafts = [
    { kind: 'command' as const, eventCount: 1, body: encodeCommandBody(command) },
    { kind: 'snapshot' as const, eventCount: 0, body: encodeSnapshotBody(snapshot) },
  ];
  for (const [index, draft] of drafts.entries()) {
    const { chain } = index === 0 ? emptyTail : journal.tail(0);
    const place = { ...actor, firstSequence: 1, ordinal: index + 1, previous: index === 0 ? [] : [1] };
    const at = { position: index + 1, epoch: 1, time: 1, previousChain: chain };
    journal.append(0, encodeRecord({ ...place, ...draft }, at), ignore);
  }
  journal.commit(0, 2);
}

test('a copy that was forgotten and filled again is folded from its beginning', async () => {
  const journal = new MemoryJournal({
    identity: { clusterId: 'test', node: 'a' as NodeName, storeId: 'a', shardCount: 1, replicas: 1 },
  });
  await journal.open();
  const folds = new SnapshotFolds(journal, [defineActor(Counter, { passivateAfterMs: 1_000 })]);
  const found = () => folds.take().map(({ snapshot, fold }) => `${snapshot} ${fold}`);
  fill(journal, 1);
  expect(found()).toEqual(['1 1']);
  journal.forget(0, ignore);
  expect(found()).toEqual([]);
  fill(journal, 7);
  expect(found()).toEqual(['7 1']);
});
