import { expect, test } from 'vitest';
import type { MemoryDefinition } from '../../src/actors/definition.ts';
import { previousAfter } from '../../src/actors/history.ts';
import { Recovery } from '../../src/actors/recovery.ts';
import type { ShardLog } from '../../src/actors/shard-log.ts';
import { actorHash } from '../../src/core/hash.ts';
import type { Position } from '../../src/core/ids.ts';
import { encodeCommandBody } from '../../src/persistence/codec.ts';
import type { ReadResult } from '../../src/persistence/journal.ts';
import { encodeRecord, type RecordHead } from '../../src/persistence/record.ts';

const sum: MemoryDefinition = {
  initialState: () => 0,
  events: new Map([
    ['Added', { name: 'Added', apply: (state, by) => (state as number) + (by as number), upcasters: [] }],
  ]),
  retired: new Map(),
  snapshotEvery: 1_000_000,
  snapshotVersion: 1,
  retentionMs: undefined,
};

/** The log of a shard whose every third record is this actor's, the n-th of which adds n. */
function logOf(events: number): { readonly log: ShardLog; readonly newest: RecordHead; readonly reads: Position[] } {
  const rows = new Map<Position, ReadResult>();
  const reads: Position[] = [];
  let newest: RecordHead | undefined;
  for (let n = 1; n <= events; n++) {
    const body = encodeCommandBody({
      commandId: `~session.${n}` as never,
      fingerprint: 0,
      events: [{ type: 'Added', version: 1, data: n }],
      reply: undefined,
      tells: [],
      tellsAcknowledged: 0,
      delivery: undefined,
    });
    const { head }: { readonly head: RecordHead } = encodeRecord(
      {
        kind: 'command',
        type: 'Sum' as never,
        id: 'one' as never,
        actorHash: actorHash('Sum', 'one'),
        firstSequence: n,
        eventCount: 1,
        ordinal: n,
        previous: newest ? previousAfter(newest) : [],
        body,
      },
      { position: 3 * n, epoch: 1, time: 1_000 + n, previousChain: 0 },
    );
    rows.set(head.position, { type: 'record', head, body });
    newest = head;
  }
  const read = (position: Position): ReadResult => {
    reads.push(position);
    return rows.get(position) ?? { type: 'absent' };
  };
  return { log: { read } as ShardLog, newest: newest!, reads };
}

test('a history is replayed with one read of each of its records', () => {
  const { log, newest, reads } = logOf(300);
  const recovery = new Recovery({ memory: sum, id: 'one', log, newest: newest.position });
  while (!recovery.step(() => true));
  expect(recovery.result.state).toBe((300 * 301) / 2);
  expect(reads).toEqual(Array.from({ length: 300 }, (_, index) => 3 * (300 - index)));
});

test('the next record points back from the newest one that was replayed', () => {
  const { log, newest } = logOf(300);
  const recovery = new Recovery({ memory: sum, id: 'one', log, newest: newest.position });
  recovery.step(() => false);
  expect(recovery.result).toMatchObject({ newest: 900, ordinal: 300, sequenceNumber: 300, eventsReplayed: 300 });
  // The one before, and the newest whose ordinals are multiples of 16 and of 256.
  expect(recovery.result.previous).toEqual([900, 3 * 288, 3 * 256]);
});
