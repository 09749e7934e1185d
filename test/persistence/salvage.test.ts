/** What is made of a damaged store when its loss is accepted: the part of each log that verifies, and nothing else. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { JournalError } from '../../src/persistence/journal.ts';
import type { RecordHead } from '../../src/persistence/record.ts';
import { finishSalvage, type SalvagePlan, salvageStore } from '../../src/persistence/salvage-store.ts';
import { Writer } from '../../src/testing/journal-suite.ts';
import { flip, flipOneBit } from './flips.ts';
import {
  copySettled,
  hashOf,
  identity,
  openAt,
  type StoredTruth,
  storeKinds,
  temporaryDirectory,
  truthOf,
} from './stores.ts';

const trials = Number(process.env.GREENROOM_TRIALS ?? 12);
const seed = Number(process.env.GREENROOM_SEED ?? 1);
const renewed: SalvagePlan = () => ({
  clusterId: 'new',
  storeId: 'store-2',
  controls: new Map([['one', Buffer.from('1')]]),
});

describe('of a damaged store', () => {
  for (const [kind, make] of Object.entries(storeKinds)) {
    test(`${kind}: a whole one is kept whole, as a new store, and the old one lies beside it as it was`, async () => {
      const parent = await temporaryDirectory();
      try {
        const { directory, truth } = await make(join(parent.path, 'store'));
        const before = await hashOf(directory);
        const { keptAt, shards } = await salvageStore(directory, renewed);
        assert.equal(await hashOf(keptAt), before);
        for (const { kept, known } of shards) assert.equal(kept, known);
        const journal = await openAt(directory, {
          expected: { storeId: 'store-2', clusterId: 'new', node: identity.node },
        });
        const found = await truthOf(journal);
        assert.deepEqual(found.tails, truth.tails);
        assert.deepEqual(found.rows, truth.rows);
        assert.deepEqual(found.listed, truth.listed);
        assert.equal(journal.control('one')?.toString(), '1');
        assert.equal(journal.hardState(0), undefined);
        await journal.close();
        assert.deepEqual(
          (await readdir(parent.path)).filter((name) => name.includes('salvaging')),
          [],
        );
      } finally {
        await parent.remove();
      }
    });

    test(`${kind}: after one flipped bit anywhere (${trials} trials, seed ${seed}) what is kept is the beginning of what was`, async () => {
      const parent = await temporaryDirectory();
      try {
        const stored = await make(join(parent.path, 'store'));
        const all = stored.truth.tails.reduce((sum, { position }) => sum + position, 0);
        const random = seededRandom(seed);
        let kept = 0;
        let salvaged = 0;
        for (let trial = 0; trial < trials; trial++) {
          const copy = join(parent.path, `trial-${trial}`);
          await cp(stored.directory, copy, { recursive: true });
          const place = await flipOneBit(copy, random);
          const records = await salvageAndCompare(copy, stored, place);
          if (records === undefined) continue;
          salvaged += 1;
          kept += records;
        }
        assert.ok(kept > 0.5 * salvaged * all, `${kept} of ${salvaged} times ${all} records were kept`);
      } finally {
        await parent.remove();
      }
    });
  }

  test('whatever file of its database is gone or cut short, nothing is invented', async () => {
    const parent = await temporaryDirectory();
    try {
      const stored = await storeKinds['in tables and the write-ahead log, after a kill'](join(parent.path, 'store'));
      const names = (await readdir(join(stored.directory, 'db'))).filter((name) => !/^(LOG|LOG\.old|LOCK)$/.test(name));
      for (const name of names)
        for (const part of [undefined, 0, 0.7]) {
          const copy = join(parent.path, `cut-${name}-${part}`);
          await cp(stored.directory, copy, { recursive: true });
          const path = join(copy, 'db', name);
          if (part === undefined) await rm(path);
          else {
            const file = await open(path, 'r+');
            await file.truncate(Math.floor((await file.stat()).size * part));
            await file.close();
          }
          assert.ok((await salvageAndCompare(copy, stored, path)) !== undefined);
        }
    } finally {
      await parent.remove();
    }
  });

  test('a damage in the write-ahead log costs the shards that it hit, and not those that were written after it', async () => {
    const parent = await temporaryDirectory();
    try {
      const [source, directory] = [join(parent.path, 'source'), join(parent.path, 'store')];
      const journal = await openAt(source, { writeBufferSize: 1 << 26, limits: {} });
      const writer = new Writer(journal);
      for (const shard of [0, 1]) {
        for (let i = 0; i < 200; i++) {
          writer.append(shard, 'one', { body: Buffer.alloc(1_000, i) });
          if (i % 20 === 19) await journal.flush();
        }
      }
      const tails = [0, 1].map((shard) => journal.tail(shard).position);
      await copySettled(source, directory);
      await journal.close();
      const name = (await readdir(join(directory, 'db'))).find((each) => each.endsWith('.log'))!;
      await flip(join(directory, 'db', name), 100_000);
      const { shards } = await salvageStore(directory, renewed);
      const [hit, whole] = shards;
      assert.ok(hit!.kept > 0 && hit!.kept < tails[0]!, JSON.stringify(shards));
      // Fragments behind the damaged one are read as well: what it was that is missing can be told.
      assert.equal(hit!.known, tails[0]);
      assert.deepEqual([whole!.kept, whole!.known], [tails[1], tails[1]]);
    } finally {
      await parent.remove();
    }
  });

  test('what the plan refuses leaves everything as it is', async () => {
    const parent = await temporaryDirectory();
    try {
      const { directory } = await storeKinds['in tables, after many starts'](join(parent.path, 'store'));
      const before = await hashOf(parent.path);
      const no = new JournalError('STORE_DAMAGED', 'no');
      const refuse = () => {
        throw no;
      };
      await assert.rejects(salvageStore(directory, refuse), no);
      assert.equal(await hashOf(parent.path), before);
    } finally {
      await parent.remove();
    }
  });

  test('a crash between moving the old one aside and the new one in is ended by the next start', async () => {
    const parent = await temporaryDirectory();
    try {
      const { directory, truth } = await storeKinds['in tables, after many starts'](join(parent.path, 'store'));
      await salvageStore(directory, renewed);
      await mkdir(`${directory}.salvaging`);
      await rename(directory, join(`${directory}.salvaging`, 'whole'));
      await finishSalvage(directory);
      assert.ok(!existsSync(`${directory}.salvaging`));
      const journal = await openAt(directory, { expected: { storeId: 'store-2' } });
      assert.deepEqual((await truthOf(journal)).tails, truth.tails);
      await journal.close();
    } finally {
      await parent.remove();
    }
  });
});

/** @returns how many records were kept; undefined if it is not known whose the store is */
async function salvageAndCompare(
  directory: string,
  { truth }: StoredTruth,
  place: string,
): Promise<number | undefined> {
  const before = await hashOf(directory);
  try {
    const { keptAt, shards } = await salvageStore(directory, renewed);
    assert.equal(await hashOf(keptAt), before, `the damaged store is as it was: ${place}`);
    const journal = await openAt(directory);
    for (const { shard, kept, known } of shards) {
      assert.equal(journal.tail(shard).position, kept);
      assert.ok(kept <= known && kept <= truth.tails[shard]!.position, `${place}: ${kept} of ${known}`);
      for (let position = 1; position <= kept; position++) {
        const [found, was] = [journal.read(shard, position), truth.rows[shard]![position]!];
        // What cut it off is lost: it is there as in an old copy of the store.
        if (found.type === 'record' && was.type === 'record' && isOlder(found.head, was.head)) break;
        if (found.type === 'damaged' && was.type === 'record') assert.deepEqual(found.head, was.head);
        // The row that took its body away is lost: it is the same record still.
        else if (found.type === 'record' && was.type === 'hollow') assert.equal(found.head.chain, was.chain, place);
        else assert.deepEqual(found, was, `${place}: position ${position} of shard ${shard}`);
      }
    }
    await journal.close();
    return shards.reduce((sum, { kept }) => sum + kept, 0);
  } catch (error) {
    const isMarker = error instanceof JournalError && place.includes('store.json');
    assert.ok(isMarker, new Error(place, { cause: error }));
    return undefined;
  }
}

/** Of a suffix that was cut off, and written before what is there in its place. */
function isOlder(found: RecordHead, was: RecordHead): boolean {
  return found.chain !== was.chain && found.epoch <= was.epoch && found.time <= was.time;
}
