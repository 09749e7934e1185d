import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Level } from 'level';
import { describe, test } from 'vitest';
import { BatchLedger, decodeBatchRow, encodeBatchRow } from '../../src/persistence/batch-ledger.ts';
import { keyLetters, letterRange } from '../../src/persistence/keys.ts';
import { openAt, temporaryDirectory, write } from './stores.ts';

function ledgerAt(n: number, oldest: number, batches: number): BatchLedger {
  const ledger = new BatchLedger(n, oldest);
  for (let i = 0; i < batches; i++) {
    ledger.n += 1;
    ledger.over(i % 2 === 0);
  }
  return ledger;
}

describe('the batch ledger', () => {
  test('counts what is over, and what of it was synced', () => {
    const ledger = ledgerAt(10, 1, 4);
    assert.equal(ledger.n, 14);
    assert.equal(ledger.synced, 13);
  });

  test('lets what was found at opening go once a checkpoint says so, a few rows at a time', () => {
    const ledger = ledgerAt(10, 4, 0);
    assert.deepEqual(ledger.takeDeletable(100), { from: 4, to: 4 });
    ledger.floorIsKept(ledger.floor);
    assert.deepEqual(ledger.takeDeletable(5), { from: 4, to: 9 });
    assert.deepEqual(ledger.takeDeletable(5), { from: 9, to: 11 });
    assert.deepEqual(ledger.takeDeletable(5), { from: 11, to: 11 });
  });

  test('keeps a batch’s row until the log it lies in is gone', () => {
    const ledger = ledgerAt(10, 11, 5);
    ledger.sawLogs([7]);
    assert.equal(ledger.floor, 11);
    for (let i = 0; i < 5; i++) ledger.over(true);
    ledger.sawLogs([7, 9]);
    assert.equal(ledger.floor, 11);
    for (let i = 0; i < 5; i++) ledger.over(true);
    ledger.sawLogs([9]);
    assert.equal(ledger.floor, 16, 'batches 11 to 15 lay in log 7 or before; 16 to 20 may lie in 9');
    ledger.sawLogs([12]);
    assert.equal(ledger.floor, 26);
  });

  test('knows a row only under its own number, and if no bit of it changed', () => {
    const row = { log: { count: 3, sum: 2 ** 47 }, states: { count: 1, sum: 99 } };
    const bytes = encodeBatchRow(2 ** 40 + 5, row);
    assert.deepEqual(decodeBatchRow(2 ** 40 + 5, bytes), row);
    assert.equal(decodeBatchRow(2 ** 40 + 6, bytes), undefined);
    bytes[10]! ^= 1;
    assert.equal(decodeBatchRow(2 ** 40 + 5, bytes), undefined);
  });

  test('does not grow with the batches of a long run', async () => {
    const { path, remove } = await temporaryDirectory();
    try {
      const directory = join(path, 'data');
      const journal = await openAt(directory);
      for (let round = 0; round < 30; round++) await write(journal, round, 200, 900);
      const batches = journal.syncedBatch;
      await journal.close();
      const level = new Level<Buffer, Buffer>(join(directory, 'db'), {
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
      });
      const rows = await level.keys(letterRange(keyLetters.batch)).all();
      await level.close();
      assert.ok(rows.length < batches / 3, `${rows.length} rows after ${batches} batches`);
      await (await openAt(directory)).close();
    } finally {
      await remove();
    }
  });
});
