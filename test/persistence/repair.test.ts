/** What takes the place of damaged rows: on LevelDB and in memory, exactly what lay there, and nothing else. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { Position } from '../../src/core/ids.ts';
import type { Journal } from '../../src/persistence/journal.ts';
import { logKey } from '../../src/persistence/keys.ts';
import type { LevelJournal } from '../../src/persistence/level-journal.ts';
import { damagedRun, fitsIn } from '../../src/persistence/log-repair.ts';
import { type LogRow, wholeRow } from '../../src/persistence/log-row.ts';
import type { LogDamage } from '../../src/persistence/log-walk.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { openDatabase } from '../../src/persistence/open-store.ts';
import { StoreDirectory } from '../../src/persistence/store-directory.ts';
import { verifyStore } from '../../src/persistence/verify.ts';
import { draft, ignore, Writer } from '../../src/testing/record-writer.ts';
import { identity, openAt, temporaryDirectory } from './stores.ts';

const shard = 0;
const count = 40;

type How = 'missing' | 'body';

/** A log of 40 records, of which those are damaged, and what lay there. */
interface Damaged {
  readonly journal: Journal;
  readonly truth: ReadonlyMap<Position, LogRow>;
  /** Closes it, and opens it again. */
  reopen(): Promise<Journal>;
  /** What `journal verify` finds, where there is one. */
  verify(): Promise<number>;
  remove(): Promise<void>;
}

const kinds: Record<string, (positions: readonly Position[], how: How) => Promise<Damaged>> = {
  async 'in memory'(positions, how) {
    const journal = new MemoryJournal({ identity });
    await journal.open();
    const truth = await fill(journal);
    for (const position of positions) journal.disk.damage(shard, position, how);
    const reopen = async () => {
      await journal.close();
      const next = new MemoryJournal({ identity, disk: journal.disk });
      await next.open();
      return next;
    };
    return { journal, truth, reopen, verify: async () => 0, remove: async () => {} };
  },
  async 'on LevelDB'(positions, how) {
    const parent = await temporaryDirectory();
    const directory = join(parent.path, 'store');
    const first = await openAt(directory);
    const truth = await fill(first);
    await first.close();
    const database = await openDatabase(directory, new StoreDirectory(directory).database, false);
    for (const position of positions) {
      const key = logKey(shard, 0, position);
      const bytes = Buffer.from((await database.get(key))!);
      bytes[bytes.length - 1]! ^= 4;
      if (how === 'body') await database.put(key, bytes, { sync: true });
      else await database.del(key, { sync: true });
    }
    await database.close();
    let journal: LevelJournal = await openAt(directory);
    return {
      journal,
      truth,
      async reopen() {
        await journal.close();
        journal = await openAt(directory);
        return journal;
      },
      async verify() {
        await journal.close();
        return (await verifyStore(directory)).damages.length;
      },
      async remove() {
        await journal.close();
        await parent.remove();
      },
    };
  },
};

async function fill(journal: Journal): Promise<Map<Position, LogRow>> {
  const writer = new Writer(journal);
  const truth = new Map<Position, LogRow>();
  for (let position = 1; position <= count; position++)
    truth.set(position, writer.append(shard, `actor-${position % 5}`, { body: Buffer.alloc(50, position) }));
  journal.commit(shard, count);
  await journal.flush();
  return truth;
}

describe.each(Object.keys(kinds))('%s', (kind) => {
  const withDamage = async (positions: readonly Position[], how: How, run: (it: Damaged) => Promise<void>) => {
    const damaged = await kinds[kind]!(positions, how);
    try {
      await run(damaged);
    } finally {
      await damaged.remove();
    }
  };

  test.each([
    ['a damaged body', [7], 'body', { from: 7, to: 7 }],
    ['one of two damaged bodies', [7, 8], 'body', { from: 7, to: 7 }],
    ['the first record, gone', [1], 'missing', { from: 1, to: 1 }],
    ['neighbours that are gone', [11, 12, 13], 'missing', { from: 11, to: 13 }],
  ] as const)('%s is repaired, and stays so', async (_what, positions, how, run) => {
    await withDamage(positions, how, async ({ journal, truth, reopen, verify }) => {
      const told: LogDamage[] = [];
      journal.onDamage((damage) => told.push(damage));
      const at = run.to;
      assert.equal(journal.read(shard, at).type, 'damaged');
      assert.ok(told.some(({ position }) => position === at));
      assert.deepEqual(damagedRun(journal, shard, at), run);
      const rows = Array.from({ length: run.to - run.from + 1 }, (_, i) => truth.get(run.from + i)!);
      assert.ok(fitsIn(journal, shard, rows));
      journal.repair(shard, rows, ignore);
      await journal.flush();
      const isWhole = (each: Journal) => {
        for (const row of rows) {
          const read = each.read(shard, 'bytes' in row ? row.head.position : row.position);
          assert.ok(read.type === 'record' && 'bytes' in row && wholeRow(read).bytes.equals(row.bytes));
        }
      };
      isWhole(journal);
      isWhole(await reopen());
      assert.equal(await verify(), kind === 'in memory' ? 0 : positions.length - rows.length);
    });
  });

  test('what is hollow elsewhere becomes hollow here', async () => {
    await withDamage([11, 12], 'missing', async ({ journal, truth, reopen }) => {
      const rows = [11, 12].map((position): LogRow => {
        const row = truth.get(position)!;
        assert.ok('bytes' in row);
        const { epoch, actorHash, bodyCrc, chain } = row.head;
        return { position, epoch, actorHash, bodyCrc, chain };
      });
      journal.repair(shard, rows, ignore);
      await journal.flush();
      const isHollow = (each: Journal) => {
        for (const position of [11, 12]) assert.equal(each.read(shard, position).type, 'hollow');
      };
      isHollow(journal);
      isHollow(await reopen());
    });
  });

  test('rows that did not lie there are refused: others, too few, or of a sound place', async () => {
    await withDamage([11, 12, 13], 'missing', async ({ journal, truth }) => {
      const before = truth.get(10)!;
      assert.ok('bytes' in before);
      const { position, epoch, chain, time } = before.head;
      const other = draft(shard, { position, epoch, chain, time }, 'actor-1');
      const whole = [11, 12, 13].map((each) => truth.get(each)!);
      for (const rows of [[other, ...whole.slice(1)], whole.slice(0, 2), whole.slice(1), []])
        assert.equal(fitsIn(journal, shard, rows), false);
      assert.throws(() => journal.repair(shard, whole.slice(0, 2), ignore), /what lay there/);
      assert.throws(() => journal.repair(shard, [truth.get(20)!], ignore), /only a damaged record/);
      assert.equal(journal.read(shard, 12).type, 'damaged');
    });
  });
});
