import assert from 'node:assert/strict';
import { appendFile, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { maskCrc } from '../../src/persistence/crc32c.ts';
import type { LevelJournal } from '../../src/persistence/level-journal.ts';
import { verifyStore } from '../../src/persistence/verify.ts';
import { Writer } from '../../src/testing/journal-suite.ts';
import {
  copySettled,
  openAt,
  settled,
  shards,
  temporaryDirectory,
  truthOf,
  untilIndexLeaves,
  write,
} from './stores.ts';

const options = { writeBufferSize: 1 << 26 };

describe('what a crash leaves of what was not synced is no damage', () => {
  let parent: Awaited<ReturnType<typeof temporaryDirectory>>;
  let directory: string;
  let journal: LevelJournal;
  const newestLog = async (store: string): Promise<string> => {
    const names = (await readdir(join(store, 'db'))).filter((name) => name.endsWith('.log')).sort();
    return join(store, 'db', names.at(-1)!);
  };
  beforeEach(async () => {
    parent = await temporaryDirectory();
    directory = join(parent.path, 'data');
    journal = await openAt(directory, options);
    await write(journal, 5, 300, 200);
    await settled(directory);
  });
  afterEach(async () => {
    await journal.close();
    await parent.remove();
  });

  const endings: Record<string, (logBytes: number) => Buffer> = {
    'zeros after the end of the log': () => Buffer.alloc(5_000),
    'a header cut short': () => Buffer.of(1, 2, 3),
    'a record cut short': recordCutShort,
  };
  for (const [name, ending] of Object.entries(endings)) {
    test(name, async () => {
      const truth = await truthOf(journal);
      const copy = join(parent.path, 'copy');
      await copySettled(directory, copy);
      const log = await newestLog(copy);
      await appendFile(log, ending((await stat(log)).size));
      assert.deepEqual((await verifyStore(copy)).damages, []);
      const again = await openAt(copy, options);
      assert.deepEqual(await truthOf(again), truth);
      await again.close();
    });
  }

  test('index rows and a checkpoint that were not synced', async () => {
    const writer = new Writer(journal);
    for (let i = 0; journal.indexPhase === 'idle' && i < 60; i++) writer.append(i % 4, `actor-${i % 9}`);
    assert.equal(journal.indexPhase, 'frozen', 'its rows wait for the commit');
    await journal.flush();
    await settled(directory);
    const { size } = await stat(await newestLog(directory));
    const synced = journal.syncedBatch;
    // The commit lets the frozen index rows go: they are written without an fsync.
    for (const shard of shards()) journal.commit(shard, journal.tail(shard).position);
    await untilIndexLeaves(journal, 'flushing');
    await settled(directory);
    assert.ok((await stat(await newestLog(directory))).size > size, 'rows were written');
    assert.equal(journal.syncedBatch, synced, 'without an fsync');
    const truth = await truthOf(journal);
    const copy = join(parent.path, 'copy');
    await copySettled(directory, copy);
    await truncate(await newestLog(copy), size);
    assert.deepEqual((await verifyStore(copy)).damages, []);
    const again = await openAt(copy, options);
    assert.deepEqual(await truthOf(again), truth);
    await again.close();
  });
});

/** What a crash leaves of a fragment of LevelDB's log that begins at `logBytes`: its head and not all of its bytes. */
function recordCutShort(logBytes: number): Buffer {
  const blockBytes = 32_768;
  const headBytes = 7;
  const left = blockBytes - (logBytes % blockBytes);
  // A head never crosses the end of a block, nor does a fragment: zeros fill what is too small for a head.
  const filler = left < headBytes ? left : 0;
  const length = Math.min(3_000, (filler > 0 ? blockBytes : left) - headBytes);
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(maskCrc(1), 0);
  head.writeUInt16LE(length, 4);
  head[6] = 1;
  return Buffer.concat([Buffer.alloc(filler), head, Buffer.alloc(Math.floor(length / 3), 7)]);
}
