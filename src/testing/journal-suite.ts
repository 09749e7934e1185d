/**
 * The conformance suite of journals: every clause of the contract in `persistence/journal.ts` is a test here, and
 * every journal passes it. It needs no test runner of its own:
 *
 * ```ts
 * import { test } from 'vitest';
 * journalSuite({ test, create: async () => myJournalUnderTest() });
 * ```
 *
 * The last part runs random operations against a model that is a list; a failure names the seed that replays it.
 */
import assert from 'node:assert/strict';
import { actorHash } from '../core/hash.ts';
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import { type Random, seededRandom } from '../core/random.ts';
import type { Completion, Journal, LogTail, ReadResult } from '../persistence/journal.ts';
import { type EncodedRecord, encodeRecord, lastSequence, nextChain, type RecordKind } from '../persistence/record.ts';
import { forgetSuite } from './forget-suite.ts';
import { counter, draft, idIn, ignore, suiteShardCount, Writer } from './record-writer.ts';
import { allWakes, expectedWakes, wakeSuite } from './wake-suite.ts';

export { idIn, suiteShardCount, Writer } from './record-writer.ts';

export interface JournalUnderTest {
  /** Open. Its store has {@link suiteShardCount} shards. */
  readonly journal: Journal;
  /** Closes it and opens the same store again. */
  reopen(): Promise<Journal>;
  /** Ends it as a dying process would: what is not synced may be lost. Absent if that cannot be done here. */
  crash?(): Promise<Journal>;
  /** From now on every write fails. Absent if that cannot be done here. */
  failWrites?(): void;
  destroy(): Promise<void>;
}

export interface JournalSuiteOptions {
  /** Registers a test with the runner in use. */
  readonly test: (title: string, run: () => Promise<void>) => void;
  /** A journal on a new store. Small limits make rare paths frequent: give them for some of the runs. */
  readonly create: () => Promise<JournalUnderTest>;
  /** Seeds of the random runs; default ten. */
  readonly seeds?: readonly number[];
  /** Operations in a random run; default 400. */
  readonly operations?: number;
}

export function journalSuite({ test, create, seeds, operations = 400 }: JournalSuiteOptions): void {
  const withJournal = (title: string, run: (under: JournalUnderTest) => Promise<void>): void =>
    test(title, async () => {
      const under = await create();
      try {
        await run(under);
      } finally {
        await under.destroy();
      }
    });

  withJournal('a new store is open, empty and started for the first time', async ({ journal, reopen }) => {
    assert.equal(journal.status, 'open');
    assert.deepEqual(journal.tail(0), { position: 0, epoch: 0, chain: 0, time: 0 });
    assert.equal(journal.hardState(0), undefined);
    assert.equal(journal.control('vote'), undefined);
    assert.equal(journal.committed(0), 0);
    assert.deepEqual(journal.read(0, 0), { type: 'absent' });
    assert.deepEqual(journal.read(0, 1), { type: 'absent' });
    assert.deepEqual(await journal.readRange(0, 1, 1000), []);
    assert.deepEqual(await journal.listActors(counter, undefined, 10), []);
    assert.equal(journal.pendingBytes, 0);
    const identity = journal.identity;
    assert.deepEqual((await reopen()).identity, identity);
  });

  withJournal(
    'completions are told once, in the order of the calls, and never during the call',
    async ({ journal }) => {
      const writer = new Writer(journal);
      const told: number[] = [];
      const tell = (n: number): Completion => ({ durable: () => told.push(n), failed: unexpected });
      writer.append(0, 'a', {}, tell(1));
      journal.setHardState(1, { promisedEpoch: 1, promisedTo: 's' }, tell(2));
      journal.setControl('vote', Buffer.from('x'), tell(3));
      writer.append(0, 'a', {}, tell(4));
      writer.append(2, 'b', {}, tell(5));
      journal.truncate(2, 0, tell(6));
      journal.commit(0, 2);
      journal.hollow(0, [1], tell(7));
      assert.deepEqual(told, []);
      assert.ok(journal.pendingBytes > 0);
      await journal.flush();
      assert.deepEqual(told, [1, 2, 3, 4, 5, 6, 7]);
      assert.equal(journal.pendingBytes, 0);
      await journal.flush();
      assert.equal(told.length, 7);
    },
  );

  withJournal('what a completion adds goes into a later batch and is told later', async ({ journal }) => {
    const writer = new Writer(journal);
    const told: string[] = [];
    await new Promise<void>((resolve) => {
      writer.append(
        0,
        'a',
        {},
        {
          durable() {
            told.push('first');
            const durable = (): void => {
              told.push('second');
              resolve();
            };
            writer.append(0, 'a', {}, { durable, failed: unexpected });
            told.push('added');
          },
          failed: unexpected,
        },
      );
    });
    assert.deepEqual(told, ['first', 'added', 'second']);
  });

  withJournal(
    'what was appended is read at once, while it is being synced, after it, and after a reopen',
    async (under) => {
      const { journal } = under;
      const writer = new Writer(journal);
      const records = [
        writer.append(0, 'a'),
        writer.append(0, 'b'),
        writer.append(0, 'a', { body: Buffer.alloc(70_000, 7) }),
      ];
      const check = (from: Journal): void => {
        for (const record of records) assertRecord(from.read(0, record.head.position), record);
        assert.deepEqual(from.tail(0), tailOf(records.at(-1)!));
        assert.deepEqual(from.read(0, 4), { type: 'absent' });
      };
      check(journal);
      const flushed = journal.flush();
      await new Promise(setImmediate);
      check(journal);
      await flushed;
      check(journal);
      check(await under.reopen());
    },
  );

  withJournal('only tail + 1, chained to the tail, in its actor’s shard, is appended', async ({ journal }) => {
    const writer = new Writer(journal);
    const first = writer.append(0, 'a');
    const bad = (record: EncodedRecord, shard = 0): void => {
      assert.throws(() => journal.append(shard, record, ignore), { name: 'AssertionFailure' });
    };
    bad(first);
    bad(draft(0, { ...journal.tail(0), position: 2 }, 'a'));
    bad(draft(0, { ...journal.tail(0), chain: 12345 }, 'a'));
    bad(draft(0, { position: 0, epoch: 0, chain: 0, time: 0 }, 'a'), 1);
    assert.throws(() => journal.append(suiteShardCount, first, ignore), { name: 'AssertionFailure' });
    await journal.flush();
    assert.equal(journal.tail(0).position, 1);
  });

  withJournal('a hard state is the last one set, per shard, also after a reopen', async ({ journal, reopen }) => {
    journal.setHardState(1, { promisedEpoch: 3, promisedTo: 'store-x' }, ignore);
    journal.setHardState(2, { promisedEpoch: 1, promisedTo: 'é' }, ignore);
    journal.setHardState(1, { promisedEpoch: 4_000_000_000, promisedTo: 'store-y' }, ignore);
    assert.deepEqual(journal.hardState(1), { promisedEpoch: 4_000_000_000, promisedTo: 'store-y' });
    const again = await reopen();
    assert.deepEqual(again.hardState(1), { promisedEpoch: 4_000_000_000, promisedTo: 'store-y' });
    assert.deepEqual(again.hardState(2), { promisedEpoch: 1, promisedTo: 'é' });
    assert.equal(again.hardState(0), undefined);
  });

  withJournal('a control row is the last one set, by name, also after a reopen', async ({ journal, reopen }) => {
    const value = Buffer.from([0, 1, 255]);
    journal.setControl('term', value, ignore);
    value[0] = 9;
    journal.setControl('empty', Buffer.alloc(0), ignore);
    journal.setControl('log/1', Buffer.from('old'), ignore);
    journal.setControl('log/1', Buffer.from('new'), ignore);
    const check = (from: Journal): void => {
      assert.deepEqual([...from.control('term')!], [0, 1, 255]);
      assert.equal(from.control('empty')?.length, 0);
      assert.equal(from.control('log/1')?.toString(), 'new');
      assert.equal(from.control('log'), undefined);
    };
    check(journal);
    assert.throws(() => journal.setControl('no\nname', value, ignore), { name: 'AssertionFailure' });
    check(await reopen());
  });

  withJournal(
    'commit never falls, never passes the tail, and is not above what a reopened store holds',
    async (under) => {
      const { journal } = under;
      const writer = new Writer(journal);
      for (let i = 0; i < 5; i++) writer.append(0, 'a');
      journal.commit(0, 3);
      journal.commit(0, 2);
      assert.equal(journal.committed(0), 3);
      assert.throws(() => journal.commit(0, 6), { name: 'AssertionFailure' });
      await journal.flush();
      const again = await under.reopen();
      assert.ok(again.committed(0) <= 3);
    },
  );

  withJournal(
    'truncate drops what lies after a position, for good, and what is appended then takes its place',
    async (under) => {
      const { journal } = under;
      const writer = new Writer(journal);
      const kept = [writer.append(0, 'a'), writer.append(0, 'b')];
      await journal.flush();
      writer.append(0, 'a');
      writer.append(0, 'c');
      await journal.flush();
      writer.append(0, 'c');
      journal.truncate(0, 2, ignore);
      assert.deepEqual(journal.tail(0), tailOf(kept[1]!));
      assert.deepEqual(journal.read(0, 3), { type: 'absent' });
      assert.equal(journal.actor(0, counter, idIn(0, 'a'))?.newestPosition, 1);
      assert.equal(journal.actor(0, counter, idIn(0, 'c')), undefined);
      writer.forget(0);
      const other = writer.append(0, 'd', { epoch: 7 });
      assertRecord(journal.read(0, 3), other);
      await journal.flush();
      assertRecord(journal.read(0, 3), other);
      const again = await under.reopen();
      assertRecord(again.read(0, 2), kept[1]!);
      assertRecord(again.read(0, 3), other);
      assert.deepEqual(again.read(0, 4), { type: 'absent' });
      assert.equal(again.actor(0, counter, idIn(0, 'c')), undefined);
      assert.equal(again.actor(0, counter, idIn(0, 'd'))?.newestPosition, 3);
    },
  );

  withJournal('nothing at or below the commit is truncated', async ({ journal }) => {
    const writer = new Writer(journal);
    for (let i = 0; i < 4; i++) writer.append(0, 'a');
    journal.commit(0, 3);
    assert.throws(() => journal.truncate(0, 2, ignore), { name: 'AssertionFailure' });
    assert.throws(() => journal.truncate(0, 5, ignore), { name: 'AssertionFailure' });
    journal.truncate(0, 3, ignore);
    await journal.flush();
    assert.equal(journal.tail(0).position, 3);
  });

  withJournal('a hollow record keeps its place, epoch, hashes and chain; its body is gone', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    const records = Array.from({ length: 200 }, (_, i) => writer.append(0, i % 3 === 0 ? 'a' : 'b'));
    await journal.flush();
    journal.commit(0, 190);
    const positions = [1, 2, 3, 5, 64, 65, 127, 128, 129, 130];
    journal.hollow(0, positions, ignore);
    const check = async (from: Journal): Promise<void> => {
      for (const { head } of records) {
        const result = from.read(0, head.position);
        if (!positions.includes(head.position)) {
          assert.equal(result.type, 'record');
          continue;
        }
        const { position, epoch, actorHash: hash, bodyCrc, chain } = head;
        assert.deepEqual(result, { type: 'hollow', position, epoch, actorHash: hash, bodyCrc, chain });
      }
      assertChained(await readAll(from, 0));
    };
    await check(journal);
    await journal.flush();
    await check(journal);
    // Again, with neighbours, absent ones and ones that are hollow already.
    positions.push(4, 6, 131);
    journal.hollow(0, [4, 5, 6, 131, 0, 1000], ignore);
    await check(journal);
    const again = await under.reopen();
    await check(again);
    assert.deepEqual(again.tail(0), tailOf(records.at(-1)!));
  });

  withJournal(
    'an uncommitted record may not become hollow, and an actor’s newest and newest snapshot stay',
    async ({ journal }) => {
      const writer = new Writer(journal);
      writer.append(0, 'a');
      writer.append(0, 'a');
      assert.throws(() => journal.hollow(0, [1], ignore), { name: 'AssertionFailure' });
      writer.append(0, 'a', { kind: 'snapshot', events: 0 });
      writer.append(0, 'a');
      journal.commit(0, 4);
      journal.hollow(0, [1, 2, 3, 4], ignore);
      await journal.flush();
      assert.deepEqual(
        [1, 2, 3, 4].map((position) => journal.read(0, position).type),
        ['hollow', 'hollow', 'record', 'record'],
      );
    },
  );

  withJournal('a copy is filled from what is read of another log, hollow records too', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    for (let i = 0; i < 150; i++) writer.append(0, i % 2 === 0 ? 'a' : 'b');
    journal.commit(0, 150);
    journal.hollow(0, [1, 2, 3, 10, 11, 63, 64, 65, 66, 148], ignore);
    await journal.flush();
    const source = await readAll(journal, 0);
    const copyUnder = await create();
    try {
      const copy = copyUnder.journal;
      for (const result of source) appendCopy(copy, 0, result);
      assert.deepEqual(copy.tail(0), journal.tail(0));
      assert.deepEqual(await readAll(copy, 0), source);
      await copy.flush();
      const again = await copyUnder.reopen();
      assert.deepEqual(await readAll(again, 0), source);
      assert.deepEqual(again.actor(0, counter, idIn(0, 'a')), journal.actor(0, counter, idIn(0, 'a')));
    } finally {
      await copyUnder.destroy();
    }
  });

  withJournal('hollow records above the commit are truncated like others', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    const first = writer.append(0, 'a');
    let tail = tailOf(first);
    for (let position = 2; position <= 70; position++) {
      const hollow = hollowAfter(tail, position);
      journal.appendHollow(0, hollow, ignore);
      tail = { ...hollow, time: tail.time };
    }
    await journal.flush();
    journal.truncate(0, 5, ignore);
    assert.equal(journal.tail(0).position, 5);
    writer.forget(0);
    const other = writer.append(0, 'b');
    const check = async (from: Journal): Promise<void> => {
      assert.equal(from.read(0, 5).type, 'hollow');
      assertRecord(from.read(0, 6), other);
      assert.equal(from.read(0, 7).type, 'absent');
      assertChained(await readAll(from, 0));
    };
    await check(journal);
    await check(await under.reopen());
  });

  withJournal('readRange gives rows in order, at least one, and no more bytes than asked', async ({ journal }) => {
    const writer = new Writer(journal);
    for (let i = 0; i < 50; i++) writer.append(0, 'a', { body: Buffer.alloc(1000, i) });
    await journal.flush();
    for (let i = 0; i < 5; i++) writer.append(0, 'a', { body: Buffer.alloc(1000, i) });
    assert.deepEqual(positionsOf(await journal.readRange(0, 1, 1)), [1]);
    assert.deepEqual(positionsOf(await journal.readRange(0, 7, 5000)).slice(0, 2), [7, 8]);
    assert.ok((await journal.readRange(0, 7, 5000)).length <= 4);
    assert.deepEqual(positionsOf(await journal.readRange(0, 48, 1e9)), [48, 49, 50, 51, 52, 53, 54, 55]);
    assert.deepEqual(positionsOf(await journal.readRange(0, 54, 1e9)), [54, 55]);
    assert.deepEqual(await journal.readRange(0, 56, 1e9), []);
    await journal.flush();
  });

  withJournal('a view is what was committed, and stays so while the journal goes on', async ({ journal }) => {
    const writer = new Writer(journal);
    const records = ['a', 'a', 'b', 'a'].map((name) => writer.append(1, name, { events: 1 }));
    await journal.flush();
    journal.commit(1, 3);
    const view = await journal.view();
    writer.append(1, 'a', { kind: 'snapshot', events: 0 });
    journal.commit(1, 5);
    journal.hollow(1, [1], ignore);
    await journal.flush();
    assert.equal(view.tails[1]!.chain, records[2]!.head.chain);
    const seen: Buffer[] = [];
    for await (const rows of view.rows(1)) for (const row of rows) if (row.type === 'record') seen.push(row.bytes);
    assert.deepEqual(
      seen,
      records.slice(0, 3).map(({ bytes }) => bytes),
    );
    for await (const rows of view.rows(0)) assert.deepEqual(rows, []);
    await view.close();
  });

  withJournal(
    'the index knows an actor’s sequence number, newest record, newest snapshot and deletion',
    async (under) => {
      const { journal } = under;
      const writer = new Writer(journal);
      const at = (from: Journal) => from.actor(0, counter, idIn(0, 'a'));
      assert.equal(at(journal), undefined);
      writer.append(0, 'a', { events: 2 });
      assert.deepEqual(at(journal), {
        sequenceNumber: 2,
        newestPosition: 1,
        snapshotPosition: 0,
        deleted: false,
        wakeAt: 0,
      });
      writer.append(0, 'other');
      writer.append(0, 'a', { kind: 'snapshot', events: 0 });
      assert.deepEqual(at(journal), {
        sequenceNumber: 2,
        newestPosition: 3,
        snapshotPosition: 3,
        deleted: false,
        wakeAt: 0,
      });
      writer.append(0, 'a', { events: 0 });
      writer.append(0, 'a', { events: 1 });
      assert.deepEqual(at(journal), {
        sequenceNumber: 3,
        newestPosition: 5,
        snapshotPosition: 3,
        deleted: false,
        wakeAt: 0,
      });
      journal.commit(0, 5);
      const second = await under.reopen();
      assert.deepEqual(at(second), {
        sequenceNumber: 3,
        newestPosition: 5,
        snapshotPosition: 3,
        deleted: false,
        wakeAt: 0,
      });
      const more = new Writer(second, writer);
      more.append(0, 'a', { events: 1 });
      assert.deepEqual(at(second), {
        sequenceNumber: 4,
        newestPosition: 6,
        snapshotPosition: 3,
        deleted: false,
        wakeAt: 0,
      });
      more.append(0, 'a', { kind: 'deleted', events: 0 });
      assert.deepEqual(at(second), {
        sequenceNumber: 4,
        newestPosition: 7,
        snapshotPosition: 7,
        deleted: true,
        wakeAt: 0,
      });
      more.append(0, 'a', { kind: 'snapshot', events: 0 });
      assert.equal(at(second)?.deleted, true);
      second.commit(0, 8);
      const third = await under.reopen();
      assert.equal(at(third)?.deleted, true);
      const last = new Writer(third, more);
      last.append(0, 'a', { events: 1 });
      assert.deepEqual(at(third), {
        sequenceNumber: 5,
        newestPosition: 9,
        snapshotPosition: 8,
        deleted: false,
        wakeAt: 0,
      });
      assert.equal(third.actor(0, counter, 'nobody' as ActorId), undefined);
      assert.equal(third.actor(0, 'Other' as ActorTypeName, idIn(0, 'a')), undefined);
      await third.flush();
    },
  );

  withJournal(
    'actors are listed over all shards by the bytes of their ids, a page at a time, without deleted ones',
    async (under) => {
      const { journal } = under;
      const writer = new Writer(journal);
      const ids = [
        'b',
        'a',
        'aa',
        'é',
        'Z',
        '😀',
        '\uffee',
        'a0',
        'a-',
        'zzzz',
        ...Array.from({ length: 60 }, (_, i) => `n${i}`),
      ];
      const deleted = new Set(['a0', 'n7', 'n33']);
      for (const id of ids) writer.appendFor(counter, id as ActorId);
      for (const id of ids) writer.appendFor('Counted' as ActorTypeName, id as ActorId);
      for (const shard of shards()) journal.commit(shard, journal.tail(shard).position);
      await journal.flush();
      for (const id of deleted) writer.appendFor(counter, id as ActorId, { kind: 'deleted', events: 0 });
      const expected = ids
        .filter((id) => !deleted.has(id))
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const check = async (from: Journal): Promise<void> => {
        for (const limit of [1, 7, 1000]) {
          const listed: string[] = [];
          let after: string | undefined;
          for (;;) {
            const page = await from.listActors(counter, after, limit);
            for (const { id, shard, ...entry } of page) {
              listed.push(id);
              assert.equal(shard, actorHash(counter, id) % suiteShardCount);
              assert.deepEqual(entry, from.actor(shard, counter, id));
            }
            if (page.length < limit) break;
            after = page.at(-1)!.id;
          }
          assert.deepEqual(listed, expected);
        }
      };
      await check(journal);
      for (const shard of shards()) journal.commit(shard, journal.tail(shard).position);
      const again = await under.reopen();
      await check(again);
    },
  );

  forgetSuite(withJournal);
  wakeSuite(withJournal);

  withJournal('reopening closes, and opens the same store', async (under) => {
    const before = under.journal;
    const again = await under.reopen();
    assert.equal(again.status, 'open');
    assert.equal(before.status, 'closed');
  });

  withJournal('a closed journal takes nothing, and closing it again is fine', async ({ journal }) => {
    const writer = new Writer(journal);
    let told = false;
    writer.append(0, 'a', {}, { durable: () => (told = true), failed: unexpected });
    await Promise.all([journal.close(), journal.close()]);
    assert.equal(told, true);
    assert.equal(journal.status, 'closed');
    assert.throws(() => journal.setControl('x', Buffer.of(1), ignore), { name: 'AssertionFailure' });
  });

  test('after a failed write all completions fail, the owner is told once, and reads go on', async () => {
    const under = await create();
    try {
      if (!under.failWrites) return;
      const { journal } = under;
      const writer = new Writer(journal);
      const kept = writer.append(0, 'a');
      await journal.flush();
      const told: string[] = [];
      const completion = (name: string): Completion => ({
        durable: () => told.push(`${name} durable`),
        failed: (error) => told.push(`${name} ${(error as { code?: string }).code}`),
      });
      let failures = 0;
      journal.onFailure(() => (failures += 1));
      under.failWrites();
      const record = writer.append(0, 'b', {}, completion('first'));
      journal.setControl('x', Buffer.of(1), completion('second'));
      await assert.rejects(journal.flush(), { code: 'STORE_FAILED' });
      assert.deepEqual(told, ['first STORE_FAILED', 'second STORE_FAILED']);
      assert.equal(journal.status, 'failed');
      assertRecord(journal.read(0, 1), kept);
      assertRecord(journal.read(0, 2), record);
      writer.append(0, 'b', {}, completion('third'));
      assert.equal(told.length, 2);
      await assert.rejects(journal.flush(), { code: 'STORE_FAILED' });
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      assert.deepEqual(told.slice(2), ['third STORE_FAILED']);
      assert.equal(failures, 1);
      await journal.close();
      assert.equal(journal.status, 'closed');
    } finally {
      await under.destroy();
    }
  });

  for (const seed of seeds ?? Array.from({ length: 10 }, (_, i) => i + 1)) {
    test(`random operations agree with a list (seed ${seed})`, async () => {
      const under = await create();
      try {
        await runRandom(under, seededRandom(seed), operations);
      } catch (error) {
        throw new Error(`replay with seeds: [${seed}], operations: ${operations}`, { cause: error });
      } finally {
        await under.destroy();
      }
    });
  }
}

function unexpected(error: Error): void {
  throw error;
}

function shards(): ShardId[] {
  return Array.from({ length: suiteShardCount }, (_, shard) => shard);
}

function hollowAfter(tail: LogTail, position: Position) {
  const row = { position, epoch: Math.max(1, tail.epoch), actorHash: position * 7, bodyCrc: position * 11 };
  return { ...row, chain: nextChain(tail.chain, position, row.epoch, row.actorHash, row.bodyCrc) };
}

function tailOf({ head }: EncodedRecord): LogTail {
  return { position: head.position, epoch: head.epoch, chain: head.chain, time: head.time };
}

function assertRecord(result: ReadResult, record: EncodedRecord): void {
  assert.equal(result.type, 'record');
  if (result.type !== 'record') return;
  assert.deepEqual(result.head, record.head);
  assert.ok(result.body.equals(record.bytes.subarray(record.head.headLength)), 'the body is the one appended');
}

function positionsOf(results: readonly ReadResult[]): Position[] {
  return results.map((result) => {
    if (result.type === 'record') return result.head.position;
    assert.equal(result.type, 'hollow');
    return result.type === 'hollow' ? result.position : 0;
  });
}

async function readAll(journal: Journal, shard: ShardId): Promise<ReadResult[]> {
  const results: ReadResult[] = [];
  for (;;) {
    const more = await journal.readRange(shard, results.length + 1, 2_000);
    if (more.length === 0) return results;
    results.push(...more);
  }
}

function assertChained(results: readonly ReadResult[]): void {
  let chain = 0;
  for (const [i, result] of results.entries()) {
    const row = result.type === 'record' ? result.head : result;
    assert.ok('chain' in row, `position ${i + 1} is ${result.type}`);
    assert.equal(row.position, i + 1);
    assert.equal(row.chain, nextChain(chain, row.position, row.epoch, row.actorHash, row.bodyCrc));
    chain = row.chain;
  }
}

function appendCopy(journal: Journal, shard: ShardId, result: ReadResult): void {
  if (result.type === 'hollow') {
    const { type: _, ...record } = result;
    journal.appendHollow(shard, record, ignore);
    return;
  }
  assert.equal(result.type, 'record');
  if (result.type !== 'record') return;
  const { head, body } = result;
  const { position, epoch, time } = head;
  const previousChain = journal.tail(shard).chain;
  journal.append(shard, encodeRecord({ ...head, body }, { position, epoch, time, previousChain }), ignore);
}

/** What a shard's log must hold: the records in order, and which of them are hollow. */
interface ModelLog {
  records: EncodedRecord[];
  hollow: Set<Position>;
  committed: Position;
  /** As of the last time all was durable. */
  durable: number;
}

async function runRandom(under: JournalUnderTest, random: Random, operations: number): Promise<void> {
  let { journal } = under;
  const model = new Map<ShardId, ModelLog>(
    shards().map((shard) => [shard, { records: [], hollow: new Set(), committed: 0, durable: 0 }]),
  );
  const hardStates = new Map<ShardId, number>();
  let writer = new Writer(journal);
  const below = (count: number): number => Math.floor(random.next() * count);
  const pick = (): [ShardId, ModelLog] => {
    const shard = below(suiteShardCount);
    return [shard, model.get(shard)!];
  };
  const settle = async (): Promise<void> => {
    await journal.flush();
    for (const log of model.values()) log.durable = log.records.length;
  };
  for (let step = 0; step < operations; step++) {
    const [shard, log] = pick();
    const dice = random.next();
    if (dice < 0.55) {
      const kinds: RecordKind[] = ['command', 'command', 'command', 'snapshot', 'deleted'];
      const kind = kinds[below(kinds.length)]!;
      const events = kind === 'command' ? below(3) : 0;
      const wakeAt = kind === 'deleted' ? 0 : below(2) * below(20);
      log.records.push(writer.append(shard, `actor-${below(8)}`, { kind, events, wakeAt }));
    } else if (dice < 0.58) {
      log.records.push(writer.appendEpochStart(shard, (log.records.at(-1)?.head.epoch ?? 0) + 1));
    } else if (dice < 0.68) {
      log.committed = Math.max(log.committed, below(log.records.length + 1));
      journal.commit(shard, log.committed);
    } else if (dice < 0.73) {
      const position = log.committed + below(log.records.length - log.committed + 1);
      journal.truncate(shard, position, ignore);
      log.records.length = position;
      writer.forget(shard);
    } else if (dice < 0.78) {
      const positions = Array.from({ length: below(20) }, () => 1 + below(log.committed + 1)).filter((position) =>
        isSuperfluous(log, position),
      );
      journal.hollow(shard, positions, ignore);
      for (const position of positions) log.hollow.add(position);
    } else if (dice < 0.82) {
      const promisedEpoch = below(1000);
      hardStates.set(shard, promisedEpoch);
      journal.setHardState(shard, { promisedEpoch, promisedTo: 'someone' }, ignore);
    } else if (dice < 0.9) {
      await settle();
    } else if (dice < 0.91) {
      journal.forget(shard, ignore);
      model.set(shard, { records: [], hollow: new Set(), committed: 0, durable: 0 });
      writer.forget(shard);
    } else if (dice < 0.93) {
      await new Promise(setImmediate);
    } else if (dice < 0.96) {
      await checkModel(journal, model, hardStates);
    } else if (dice < 0.985) {
      await settle();
      journal = await under.reopen();
      writer = new Writer(journal, writer);
      for (const [id, { committed }] of model) journal.commit(id, committed);
      await checkModel(journal, model, hardStates);
    } else if (under.crash) {
      await settle();
      journal = await under.crash();
      writer = new Writer(journal, writer);
      for (const [id, { committed }] of model) journal.commit(id, committed);
      await checkModel(journal, model, hardStates);
    }
  }
  await settle();
  await checkModel(journal, model, hardStates);
  for (const [shard, log] of model) {
    const results = await readAll(journal, shard);
    assert.equal(results.length, log.records.length);
    assertChained(results);
  }
}

/** Its actor has a later snapshot that is committed, and it does not say whether the actor is deleted. */
function isSuperfluous({ records, committed }: ModelLog, position: Position): boolean {
  const { type, id, kind } = records[position - 1]?.head ?? {};
  if (kind === undefined || kind === 'deleted' || position > committed) return false;
  if (type === '') return true;
  if (kind === 'snapshot' && expectedEntry({ records: records.slice(0, position) }, id!)?.deleted) return false;
  return records.slice(position, committed).some(({ head }) => {
    const isSnapshot = head.kind === 'snapshot' || head.kind === 'deleted';
    return isSnapshot && head.type === type && head.id === id;
  });
}

async function checkModel(
  journal: Journal,
  model: ReadonlyMap<ShardId, ModelLog>,
  hardStates: ReadonlyMap<ShardId, number>,
): Promise<void> {
  for (const [shard, log] of model) {
    assert.equal(journal.tail(shard).position, log.records.length, `tail of shard ${shard}`);
    assert.equal(journal.tail(shard).chain, log.records.at(-1)?.head.chain ?? 0);
    assert.equal(journal.hardState(shard)?.promisedEpoch, hardStates.get(shard));
    for (const record of log.records) {
      const { position } = record.head;
      const result = journal.read(shard, position);
      if (log.hollow.has(position)) assert.equal(result.type, 'hollow', `${shard}/${position}`);
      else assertRecord(result, record);
    }
    for (let name = 0; name < 8; name++) {
      const id = idIn(shard, `actor-${name}`);
      assert.deepEqual(journal.actor(shard, counter, id), expectedEntry(log, id), `actor ${id} of shard ${shard}`);
    }
    assert.deepEqual(await allWakes(journal, shard, 3), expectedWakes(log.records), `wakes of shard ${shard}`);
  }
}

function expectedEntry(log: Pick<ModelLog, 'records'>, id: ActorId | '') {
  const own = log.records.filter(({ head }) => head.id === id);
  const newest = own.at(-1)?.head;
  if (!newest) return undefined;
  return {
    sequenceNumber: lastSequence(newest),
    newestPosition: newest.position,
    snapshotPosition: own.findLast(({ head }) => head.kind !== 'command')?.head.position ?? 0,
    deleted: own.findLast(({ head }) => head.kind !== 'snapshot')?.head.kind === 'deleted',
    wakeAt: newest.wakeAt,
  };
}
