import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { emptyTail } from '../../src/persistence/journal.ts';
import { keyLetters, shardPrefix } from '../../src/persistence/keys.ts';
import type { LevelJournal } from '../../src/persistence/level-journal.ts';
import { openCopy } from '../../src/persistence/open-copy.ts';
import { verifyStore } from '../../src/persistence/verify.ts';
import { ignore, Writer } from '../../src/testing/record-writer.ts';
import { copySettled, openAt, temporaryDirectory, truthOf } from './stores.ts';

const records = 2_000;
const bodyBytes = 1_000;

describe('the rows of a forgotten log leave the database', () => {
  let parent: Awaited<ReturnType<typeof temporaryDirectory>>;
  let directory: string;
  let journal: LevelJournal;
  const untilBytes = async (isSo: (bytes: number) => boolean): Promise<number> => {
    let bytes = await diskBytes();
    for (const endMs = performance.now() + 10_000; !isSo(bytes) && performance.now() < endMs; bytes = await diskBytes())
      await new Promise((resolve) => setTimeout(resolve, 20));
    return bytes;
  };
  /** A table that somebody was reading when it was rewritten stays until LevelDB looks again, at a start at the latest. */
  const assertSpaceIsBack = async (before: number): Promise<void> => {
    await journal.close();
    journal = await openAt(directory);
    const after = await untilBytes((bytes) => bytes < before / 10);
    assert.ok(after < before / 10, `${before} bytes of tables before, ${after} after`);
  };
  /** Of all tables. LevelDB may remove one between its listing and the look at its size: that one takes no space. */
  const diskBytes = async (): Promise<number> =>
    (await readdir(join(directory, 'db')))
      .filter((name) => name.endsWith('.ldb'))
      .map((name) => statSync(join(directory, 'db', name), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  const open = (store: string) =>
    new Level<Buffer, Buffer>(join(store, 'db'), { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  /** Rows of shard 0 that are of no use any more, of a store that is closed. */
  const leftOver = async (store: string): Promise<number> => {
    const database = open(store);
    let rows = 0;
    for (const letter of [keyLetters.log, keyLetters.actor, keyLetters.wake])
      rows += (await database.keys({ gte: shardPrefix(letter, 0, 0), lt: shardPrefix(letter, 0, 1) }).all()).length;
    await database.close();
    return rows;
  };

  beforeEach(async () => {
    parent = await temporaryDirectory();
    directory = join(parent.path, 'data');
    journal = await openAt(directory);
    const writer = new Writer(journal);
    const random = seededRandom(1);
    for (let i = 0; i < records; i++) {
      // Nothing that compresses.
      const body = Buffer.from(Array.from({ length: bodyBytes }, () => random.next() * 256));
      writer.append(0, `actor-${i % 100}`, { body, wakeAt: 5 });
      if (i % 10 === 0) writer.append(1, `actor-${i % 100}`, { wakeAt: 5 });
      if (i % 100 === 0) await journal.flush();
      for (const shard of [0, 1]) journal.commit(shard, journal.tail(shard).position);
    }
    await journal.flush();
  });
  afterEach(async () => {
    await journal.close();
    await parent.remove();
  });

  test('and the space comes back', async () => {
    await journal.close();
    journal = await openAt(directory);
    const before = await untilBytes((bytes) => bytes > records * bodyBytes);
    assert.ok(before > records * bodyBytes, `${before} bytes of tables`);
    journal.forget(0, ignore);
    await journal.forgottenGone();
    await assertSpaceIsBack(before);
    await journal.close();
    assert.deepEqual((await verifyStore(directory)).damages, []);
    assert.equal(await leftOver(directory), 0);
  });

  test('in the next life, if this one ends before: until then nothing of them is seen', async () => {
    await journal.close();
    // As a process that is killed right after leaves it.
    journal = await openAt(directory, { keepForgotten: true });
    journal.forget(0, ignore);
    const writer = new Writer(journal);
    writer.append(0, 'new', { wakeAt: 7 });
    await journal.flush();
    journal.commit(0, 1);
    const truth = await truthOf(journal);
    const copy = join(parent.path, 'copy');
    await copySettled(directory, copy);
    assert.deepEqual((await verifyStore(copy)).damages, []);
    const looked = await openCopy(copy);
    assert.deepEqual(await truthOf(looked.journal), truth);
    await looked.close();
    assert.ok((await leftOver(copy)) > 0, 'who only looks clears nothing away');
    // Or while it clears them away: wake rows go first, then index rows, then the log.
    const database = open(copy);
    await database.clear({ gte: shardPrefix(keyLetters.wake, 0, 0), lt: shardPrefix(keyLetters.wake, 0, 1) });
    await database.close();
    assert.deepEqual((await verifyStore(copy)).damages, []);
    const again = await openAt(copy);
    assert.deepEqual(await truthOf(again), truth);
    await again.forgottenGone();
    assert.deepEqual(await truthOf(again), truth);
    await again.close();
    assert.equal(await leftOver(copy), 0);
    assert.deepEqual((await verifyStore(copy)).damages, []);
  });

  test('and the space comes back also if the rows were deleted, and the process died', async () => {
    await journal.close();
    journal = await openAt(directory, { keepForgotten: true });
    const before = await untilBytes((bytes) => bytes > records * bodyBytes);
    journal.forget(0, ignore);
    await journal.flush();
    await journal.close();
    const database = open(directory);
    for (const letter of [keyLetters.wake, keyLetters.actor, keyLetters.log])
      await database.batch(
        (await database.keys({ gte: shardPrefix(letter, 0, 0), lt: shardPrefix(letter, 0, 1) }).all()).map((key) => ({
          type: 'del' as const,
          key,
        })),
      );
    await database.close();
    journal = await openAt(directory);
    await journal.forgottenGone();
    await assertSpaceIsBack(before);
  });

  test('a store that dies before the forgetting is synced has the whole log', async () => {
    const truth = await truthOf(journal);
    const copy = join(parent.path, 'copy');
    await copySettled(directory, copy);
    journal.forget(0, ignore);
    assert.deepEqual(journal.tail(0), emptyTail);
    const again = await openAt(copy);
    assert.deepEqual(await truthOf(again), truth);
    await again.close();
  });

  test('and the index of the others no longer waits for what was not committed in it', async () => {
    const other = await openAt(join(parent.path, 'other'));
    const writer = new Writer(other);
    writer.append(0, 'uncommitted');
    for (let i = 0; other.indexPhase === 'idle' && i < 60; i++) writer.append(1, `actor-${i}`);
    other.commit(1, other.tail(1).position);
    assert.equal(other.indexPhase, 'frozen');
    other.forget(0, ignore);
    assert.equal(other.indexPhase, 'flushing');
    await other.close();
    assert.deepEqual((await verifyStore(join(parent.path, 'other'))).damages, []);
  });
});
