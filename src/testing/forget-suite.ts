/**
 * The part of the journal's conformance suite that is about forgetting a copy of a shard: the log goes as a whole, what
 * was promised stays, other shards notice nothing, and the same shard can be filled again.
 */
import assert from 'node:assert/strict';
import { emptyTail, type Journal } from '../persistence/journal.ts';
import { firstWake } from '../persistence/wake-order.ts';
import type { JournalUnderTest } from './journal-suite.ts';
import { counter, idIn, ignore, Writer } from './record-writer.ts';

/** Registers the tests. */
export function forgetSuite(
  withJournal: (title: string, run: (under: JournalUnderTest) => Promise<void>) => void,
): void {
  const fill = (journal: Journal, names: readonly string[]): void => {
    const writer = new Writer(journal);
    for (const [i, name] of names.entries()) {
      writer.append(0, name, { wakeAt: 1_000 + i });
      writer.append(1, name);
    }
    for (const shard of [0, 1]) journal.commit(shard, journal.tail(shard).position);
  };
  const many = Array.from({ length: 30 }, (_, i) => `actor-${i}`);
  const assertEmpty = async (journal: Journal): Promise<void> => {
    assert.deepEqual(journal.tail(0), emptyTail);
    assert.equal(journal.committed(0), 0);
    assert.deepEqual(journal.read(0, 1), { type: 'absent' });
    assert.deepEqual(await journal.readRange(0, 1, 1_000), []);
    assert.equal(journal.actor(0, counter, idIn(0, 'actor-0')), undefined);
    assert.deepEqual(await journal.wakes(0, firstWake, 10), []);
  };

  withJournal('a forgotten log is empty at once and for good; its hard state and other shards stay', async (under) => {
    let { journal } = under;
    fill(journal, many);
    journal.setHardState(0, { promisedEpoch: 7, promisedTo: 'store-2' }, ignore);
    await journal.flush();
    const told: string[] = [];
    journal.forget(0, { durable: () => told.push('forgot'), failed: assert.fail });
    assert.deepEqual(told, []);
    await assertEmpty(journal);
    await journal.flush();
    assert.deepEqual(told, ['forgot']);
    for (const next of [undefined, under.reopen.bind(under), under.crash?.bind(under)]) {
      if (next) journal = await next();
      await assertEmpty(journal);
      assert.deepEqual(journal.hardState(0), { promisedEpoch: 7, promisedTo: 'store-2' });
      assert.equal(journal.tail(1).position, many.length);
      const listed = await journal.listActors(counter, undefined, 1_000);
      assert.deepEqual(
        listed.map(({ id }) => id),
        many.map((name) => idIn(1, name)).sort(),
      );
    }
  });

  withJournal('a forgotten shard is filled again from position 1, with other records, and again', async (under) => {
    let { journal } = under;
    fill(journal, many);
    for (let round = 1; round <= 3; round++) {
      journal.forget(0, ignore);
      const writer = new Writer(journal);
      for (let i = 0; i < 12; i++) writer.append(0, `round-${round}-${i}`, { epoch: round, wakeAt: 100 + i });
      if (round === 2) await journal.flush();
      journal.commit(0, 11);
      const check = async (): Promise<void> => {
        const { position, epoch } = journal.tail(0);
        assert.deepEqual({ position, epoch }, { position: 12, epoch: round });
        for (let i = 0; i < 12; i++) {
          const id = idIn(0, `round-${round}-${i}`);
          assert.equal(journal.actor(0, counter, id)?.newestPosition, i + 1);
          const read = journal.read(0, i + 1);
          assert.equal(read.type === 'record' && read.head.id, id);
        }
        assert.equal((await journal.readRange(0, 1, 100_000)).length, 12);
        assert.equal(journal.actor(0, counter, idIn(0, 'actor-0')), undefined);
        assert.deepEqual(
          (await journal.wakes(0, firstWake, 100)).map(({ wakeAt }) => wakeAt),
          Array.from({ length: 12 }, (_, i) => 100 + i),
        );
      };
      await check();
      await journal.flush();
      await check();
      journal = await under.reopen();
      await check();
    }
  });

  withJournal('appends before and after a forgotten log are durable in the order of the calls', async ({ journal }) => {
    const told: string[] = [];
    const tell = (what: string) => ({ durable: () => told.push(what), failed: assert.fail });
    const writer = new Writer(journal);
    writer.append(0, 'a', {}, tell('before'));
    journal.forget(0, tell('forgot'));
    writer.forget(0);
    writer.append(0, 'b', {}, tell('after'));
    writer.append(0, 'b');
    journal.truncate(0, 1, tell('cut'));
    await journal.flush();
    assert.deepEqual(told, ['before', 'forgot', 'after', 'cut']);
    assert.equal(journal.tail(0).position, 1);
    assert.equal(journal.actor(0, counter, idIn(0, 'a')), undefined);
  });

  withJournal('a view taken before shows the log that was forgotten after', async ({ journal }) => {
    fill(journal, many);
    await journal.flush();
    const view = await journal.view();
    journal.forget(0, ignore);
    await journal.flush();
    let rows = 0;
    for await (const chunk of view.rows(0)) rows += chunk.length;
    assert.equal(rows, many.length);
    await view.close();
    const after = await journal.view();
    assert.deepEqual(after.tails[0], emptyTail);
    await after.close();
  });

  withJournal('a log can be forgotten while its index rows are on their way to disk', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 5; i++) writer.append(0, `a-${round}-${i}`, { wakeAt: 5 });
      writer.append(1, `b-${round}`);
      if (round % 3 === 0) await journal.flush();
      for (const shard of [0, 1])
        journal.commit(shard, Math.max(journal.committed(shard), journal.tail(shard).position - (round % 2)));
      if (round % 4 === 3) {
        journal.forget(0, ignore);
        writer.forget(0);
      }
    }
    const again = await under.reopen();
    assert.deepEqual(again.tail(0), emptyTail);
    assert.equal(again.tail(1).position, 40);
    assert.deepEqual(await again.wakes(0, firstWake, 10), []);
    assert.equal((await again.listActors(counter, undefined, 1_000)).length, 40);
  });
}
