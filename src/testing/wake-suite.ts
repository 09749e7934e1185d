/**
 * The part of the journal's conformance suite that is about waking: who has to be woken is known from the newest record
 * of each actor, in the order of time, whatever happens to the store in between.
 */
import assert from 'node:assert/strict';
import type { ActorId, ShardId } from '../core/ids.ts';
import type { Journal, ListedWake, WakeMark } from '../persistence/journal.ts';
import type { EncodedRecord } from '../persistence/record.ts';
import { compareWakes, firstWake } from '../persistence/wake-order.ts';
import type { JournalUnderTest } from './journal-suite.ts';
import { counter, idIn, ignore, Writer } from './record-writer.ts';

/** All wakes of a shard after a mark, in pages of `limit`. */
export async function allWakes(
  journal: Journal,
  shard: ShardId,
  limit: number,
  from: WakeMark = firstWake,
): Promise<readonly ListedWake[]> {
  const all: ListedWake[] = [];
  let after = from;
  for (;;) {
    const page = await journal.wakes(shard, after, limit);
    assert.ok(page.length <= limit, `a page of ${limit} has ${page.length}`);
    all.push(...page);
    if (page.length < limit) return all;
    after = page.at(-1)!;
  }
}

/** What a log says: the newest record of each actor. */
export function expectedWakes(records: readonly EncodedRecord[]): readonly ListedWake[] {
  const newest = new Map<string, ListedWake>();
  for (const { head } of records) {
    if (head.type === '') continue;
    const { type, id, wakeAt } = head;
    newest.set(`${type}/${id}`, { wakeAt, type, id: id as ActorId });
  }
  return [...newest.values()].filter(({ wakeAt }) => wakeAt > 0).sort(compareWakes);
}

/** Registers the tests. */
export function wakeSuite(withJournal: (title: string, run: (under: JournalUnderTest) => Promise<void>) => void): void {
  const names = (wakes: readonly ListedWake[]) => wakes.map(({ id, wakeAt }) => `${id.split('.')[0]}@${wakeAt}`);
  const settle = async (journal: Journal) => {
    await journal.flush();
    journal.commit(0, journal.tail(0).position);
  };

  withJournal('who has to be woken is listed by time, as the newest record of each actor says', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    assert.deepEqual(await journal.wakes(0, firstWake, 10), []);
    writer.append(0, 'late', { wakeAt: 2_000 });
    writer.append(0, 'soon', { wakeAt: 1_000 });
    writer.append(0, 'never');
    writer.append(0, 'unsent', { wakeAt: 1 });
    writer.append(0, 'moved', { wakeAt: 500 });
    writer.append(0, 'done', { wakeAt: 700 });
    writer.append(0, 'moved', { wakeAt: 3_000 });
    writer.append(0, 'done');
    writer.append(1, 'elsewhere', { wakeAt: 100 });
    const expected = ['unsent@1', 'soon@1000', 'late@2000', 'moved@3000'];
    const check = async (from: Journal) => {
      for (const limit of [1, 3, 100]) assert.deepEqual(names(await allWakes(from, 0, limit)), expected);
      assert.deepEqual(names(await from.wakes(0, { wakeAt: 1_000, type: '', id: '' }, 1)), ['soon@1000']);
      assert.deepEqual(names(await from.wakes(0, { wakeAt: 1_001, type: '', id: '' }, 10)), expected.slice(2));
    };
    await check(journal);
    await settle(journal);
    await check(journal);
    const again = await under.reopen();
    await check(again);
    const more = new Writer(again, writer);
    more.append(0, 'soon');
    more.append(0, 'late', { wakeAt: 1 });
    more.append(0, 'never', { wakeAt: 9_000 });
    const changed = async (from: Journal) =>
      assert.deepEqual(
        new Set(names(await allWakes(from, 0, 2))),
        new Set(['unsent@1', 'late@1', 'moved@3000', 'never@9000']),
      );
    await changed(again);
    await settle(again);
    await changed(await under.reopen());
  });

  withJournal('many that are due at the same time are listed once each, page by page', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    const records = Array.from({ length: 300 }, (_, i) => writer.append(0, `n${i}`, { wakeAt: 5_000 + (i % 3) }));
    await settle(journal);
    for (let i = 0; i < 300; i += 7) records.push(writer.append(0, `n${i}`, { wakeAt: 5_001 }));
    for (const limit of [1, 7, 100, 1_000])
      assert.deepEqual(await allWakes(journal, 0, limit), expectedWakes(records), `in pages of ${limit}`);
    await settle(journal);
    const again = await under.reopen();
    assert.deepEqual(await allWakes(again, 0, 50), expectedWakes(records));
  });

  withJournal('what is cut off wakes nobody, and what it replaced wakes again', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    writer.append(0, 'a', { wakeAt: 100 });
    writer.append(0, 'b', { wakeAt: 200 });
    await settle(journal);
    writer.append(0, 'a', { wakeAt: 300 });
    writer.append(0, 'b');
    writer.append(0, 'c', { wakeAt: 50 });
    assert.deepEqual(names(await journal.wakes(0, firstWake, 10)), ['c@50', 'a@300']);
    journal.truncate(0, 2, ignore);
    assert.deepEqual(names(await journal.wakes(0, firstWake, 10)), ['a@100', 'b@200']);
    await journal.flush();
    assert.deepEqual(names(await (await under.reopen()).wakes(0, firstWake, 10)), ['a@100', 'b@200']);
  });

  withJournal('a deletion wakes nobody, and hollow records change nothing', async (under) => {
    const { journal } = under;
    const writer = new Writer(journal);
    writer.append(0, 'gone', { wakeAt: 100 });
    writer.append(0, 'kept', { wakeAt: 150 });
    writer.append(0, 'kept', { kind: 'snapshot', events: 0, wakeAt: 200 });
    writer.append(0, 'kept', { wakeAt: 200 });
    await settle(journal);
    writer.append(0, 'gone', { kind: 'deleted', events: 0 });
    await settle(journal);
    journal.hollow(0, [1, 2], ignore);
    await journal.flush();
    assert.deepEqual(names(await journal.wakes(0, firstWake, 10)), ['kept@200']);
    const again = await under.reopen();
    assert.deepEqual(names(await again.wakes(0, firstWake, 10)), ['kept@200']);
    assert.equal(again.actor(0, counter, idIn(0, 'gone'))?.wakeAt, 0);
  });
}
