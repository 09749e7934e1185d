import assert from 'node:assert/strict';
import { cp, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Level } from 'level';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { JournalError } from '../../src/persistence/journal.ts';
import type { LogDamage } from '../../src/persistence/log-walk.ts';
import { type StoreDamage, verifyStore } from '../../src/persistence/verify.ts';
import { flipOneBit, irrelevant } from './flips.ts';
import {
  assertNothingWrong,
  hashOf,
  openAt,
  type StoredTruth,
  storeKinds,
  temporaryDirectory,
  truthOf,
} from './stores.ts';

/** Flips per kind of store; `GREENROOM_TRIALS=200` runs the long form, `GREENROOM_SEED` another one. */
const trials = Number(process.env.GREENROOM_TRIALS ?? 40);
const seed = Number(process.env.GREENROOM_SEED ?? 1);

describe('after one flipped bit anywhere in a store, nothing wrong, missing or stale is ever read', () => {
  for (const [kind, make] of Object.entries(storeKinds)) {
    describe(kind, () => {
      let stored: StoredTruth;
      let parent: Awaited<ReturnType<typeof temporaryDirectory>>;
      beforeAll(async () => {
        parent = await temporaryDirectory();
        stored = await make(join(parent.path, 'store'));
        const whole = await openAt(await copyOf('whole'));
        assertNothingWrong(await truthOf(whole), stored.truth);
        await whole.close();
      });
      afterAll(() => parent.remove());

      const copyOf = async (name: string): Promise<string> => {
        const directory = join(parent.path, name);
        await cp(stored.directory, directory, { recursive: true });
        return directory;
      };

      test(`${trials} flips, seed ${seed}`, async () => {
        const random = seededRandom(seed);
        const outcomes = { refused: 0, told: 0, whole: 0 };
        for (let trial = 0; trial < trials; trial++) {
          const directory = await copyOf(`trial-${trial}`);
          const place = await flipOneBit(directory, random);
          try {
            outcomes[await tryToRead(directory, stored)] += 1;
          } catch (error) {
            throw new Error(`trial ${trial} of seed ${seed}, ${place}`, { cause: error });
          }
        }
        assert.ok(outcomes.refused > 0, JSON.stringify(outcomes));
      });

      test('a file that is cut short, or gone, is noticed as well', async () => {
        const names = (await readdir(join(stored.directory, 'db'))).filter((name) => !irrelevant.test(name));
        for (const name of [...names.map((file) => join('db', file)), 'watermark', 'store.json']) {
          for (const part of [0, 0.5, 0.99]) {
            const directory = await copyOf(`cut-${name.replace('/', '-')}-${part}`);
            const { size } = await stat(join(directory, name));
            const file = await open(join(directory, name), 'r+');
            await file.truncate(Math.floor(size * part));
            await file.close();
            try {
              await tryToRead(directory, stored);
            } catch (error) {
              throw new Error(`${name}, cut to ${part}`, { cause: error });
            }
          }
        }
      });
    });
  }
});

test('a damaged body in a table costs its actor and nothing else, also once LevelDB has rewritten the table', async () => {
  const parent = await temporaryDirectory();
  try {
    const directory = join(parent.path, 'store');
    const { truth } = await storeKinds['in tables, after many starts'](directory);
    let spoilt = 0;
    for (const [shard, rows] of truth.rows.entries()) {
      // Not among the first of a shard: those may share a block with rows that are not the log's.
      const row = rows
        .slice(30)
        .find((each) => each.type === 'record' && each.head.type !== '' && each.body.length > 100);
      if (row?.type !== 'record') continue;
      if (await flipInTables(join(directory, 'db'), row.body.subarray(20, 60), 10)) spoilt += 1;
      const { position } = row.head;
      for (const isRewritten of [false, true]) {
        if (isRewritten) await compact(join(directory, 'db'));
        const told: LogDamage[] = [];
        const journal = await openAt(directory, { onDamage: (damage) => told.push(damage) });
        if (!isRewritten) assert.deepEqual(told.map((each) => each.shard).includes(shard), true);
        const read = journal.read(shard, position);
        assert.ok(read.type === 'damaged' && read.head?.id === row.head.id, JSON.stringify(read));
        assert.equal(assertNothingWrong(await truthOf(journal), truth), spoilt);
        await journal.close();
      }
    }
    assert.ok(spoilt > 0);
  } finally {
    await parent.remove();
  }
});

describe('verifying a store offline', () => {
  for (const [kind, make] of Object.entries(storeKinds)) {
    test(`finds nothing in a whole store ${kind}, finds what is damaged, and changes nothing`, async () => {
      const parent = await temporaryDirectory();
      try {
        const stored = await make(join(parent.path, 'store'));
        const before = await hashOf(stored.directory);
        const report = await verifyStore(stored.directory);
        assert.deepEqual(report.damages, []);
        const rows = stored.truth.rows.flat();
        assert.equal(report.records, rows.filter(({ type }) => type === 'record').length);
        assert.equal(report.hollow, rows.filter(({ type }) => type === 'hollow').length);
        assert.equal(await hashOf(stored.directory), before);
        const random = seededRandom(seed);
        for (let trial = 0; trial < trials / 4; trial++) {
          const copy = join(parent.path, `trial-${trial}`);
          await cp(stored.directory, copy, { recursive: true });
          const place = await flipOneBit(copy, random);
          const flipped = await hashOf(copy);
          let damages = 1;
          try {
            damages = (await verifyStore(copy)).damages.length;
          } catch (error) {
            assert.ok(error instanceof JournalError && error.code === 'STORE_NEWER_FORMAT', String(error));
          }
          assert.equal(await hashOf(copy), flipped, 'a store that is verified is left as it was');
          const outcome = await tryToRead(copy, stored);
          assert.ok(damages > 0 || outcome === 'whole', `${outcome}, but nothing was reported: ${place}`);
        }
      } finally {
        await parent.remove();
      }
    });
  }

  test('names the shard, the position and the actor of a damaged body', async () => {
    const parent = await temporaryDirectory();
    try {
      const { directory, truth } = await storeKinds['in tables, after many starts'](join(parent.path, 'store'));
      const damages: StoreDamage[] = [];
      const random = seededRandom(7);
      for (let trial = 0; trial < 150 && !damages.some(({ id }) => id); trial++) {
        const copy = join(parent.path, `trial-${trial}`);
        await cp(directory, copy, { recursive: true });
        await flipOneBit(copy, random);
        damages.push(...(await verifyStore(copy)).damages.filter(({ problem }) => problem.includes('body')));
      }
      const damage = damages.find(({ id }) => id)!;
      const row = truth.rows[damage.shard!]![damage.position!]!;
      assert.ok(row.type === 'record' && row.head.id === damage.id && row.head.type === damage.type);
    } finally {
      await parent.remove();
    }
  });
});

/** Opens and reads everything. Fails if anything is wrong, or if a refused store was changed. */
async function tryToRead(directory: string, { truth }: StoredTruth): Promise<'refused' | 'told' | 'whole'> {
  const before = await hashOf(directory);
  let journal: Awaited<ReturnType<typeof openAt>>;
  try {
    journal = await openAt(directory);
  } catch (error) {
    assert.ok(error instanceof JournalError, String(error));
    assert.ok(
      ['STORE_DAMAGED', 'STORE_NEWER_FORMAT', 'STORE_MISMATCH'].includes(error.code),
      `${error.code}: ${error.message}`,
    );
    assert.equal(await hashOf(directory), before, 'a refused store is left as it was');
    return 'refused';
  }
  try {
    return assertNothingWrong(await truthOf(journal), truth) > 0 ? 'told' : 'whole';
  } finally {
    await journal.close();
  }
}

/** Flips one bit where a table holds these bytes. @returns whether one does */
async function flipInTables(database: string, bytes: Buffer, at: number): Promise<boolean> {
  let isFlipped = false;
  for (const name of (await readdir(database)).filter((each) => each.endsWith('.ldb'))) {
    const content = await readFile(join(database, name));
    const found = content.indexOf(bytes);
    if (found < 0) continue;
    content[found + at]! ^= 4;
    await writeFile(join(database, name), content);
    isFlipped = true;
  }
  return isFlipped;
}

async function compact(database: string): Promise<void> {
  const level = new Level<Buffer, Buffer>(database, { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await level.open();
  const whole = level as unknown as { compactRange(from: Buffer, to: Buffer): Promise<void> };
  await whole.compactRange(Buffer.of(0), Buffer.of(255));
  await level.close();
}
