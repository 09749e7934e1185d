import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { Writer } from '../../src/testing/journal-suite.ts';
import { identity } from './stores.ts';

/** A journal whose turns the test makes. */
async function steppable(): Promise<{ journal: MemoryJournal; turn: () => void }> {
  const tasks: (() => void)[] = [];
  const journal = new MemoryJournal({ identity, defer: (task) => tasks.push(task) });
  await journal.open();
  const turn = (): void => {
    for (const task of tasks.splice(0)) task();
  };
  return { journal, turn };
}

describe('the disk of the journal in memory', () => {
  test('syncs a batch when it is told to, and the next gathers meanwhile', async () => {
    const { journal, turn } = await steppable();
    const { disk } = journal;
    const writer = new Writer(journal);
    const told: number[] = [];
    const tell = (n: number) => ({ durable: () => void told.push(n), failed: assert.fail });
    disk.hold();
    writer.append(0, 'a', {}, tell(1));
    writer.append(0, 'a', {}, tell(2));
    turn();
    writer.append(0, 'a', {}, tell(3));
    turn();
    assert.equal(disk.isWaiting, true);
    assert.deepEqual(told, []);
    assert.equal(disk.step(), true);
    assert.deepEqual(told, [1, 2]);
    assert.equal(disk.step(), false);
    turn();
    disk.release();
    assert.deepEqual(told, [1, 2, 3]);
    assert.equal(disk.batches, 2);
  });

  test('keeps what was synced through a crash, and nothing else', async () => {
    const { journal, turn } = await steppable();
    const writer = new Writer(journal);
    writer.append(0, 'a');
    journal.setHardState(0, { promisedEpoch: 1, promisedTo: 'x' }, { durable() {}, failed() {} });
    turn();
    turn();
    journal.disk.hold();
    writer.append(0, 'a');
    journal.setHardState(0, { promisedEpoch: 2, promisedTo: 'x' }, { durable: assert.fail, failed: assert.fail });
    turn();
    const next = journal.crash();
    journal.disk.release();
    assert.equal((await next.open()).boot, 2);
    assert.equal(next.tail(0).position, 1);
    assert.equal(next.hardState(0)?.promisedEpoch, 1);
  });

  test('that is full takes nothing of a batch', async () => {
    const journal = new MemoryJournal({ identity });
    await journal.open();
    journal.disk.freeBytes = 500;
    const writer = new Writer(journal);
    writer.append(0, 'a');
    await journal.flush();
    writer.append(0, 'a');
    writer.append(1, 'b', { body: Buffer.alloc(1000) });
    await assert.rejects(journal.flush(), /ENOSPC/);
    assert.equal(await journal.freeBytes(), journal.disk.freeBytes);
    journal.disk.freeBytes = undefined;
    const next = journal.crash();
    await next.open();
    assert.deepEqual([next.tail(0).position, next.tail(1).position], [1, 0]);
  });

  test('tells what is spoilt, until it is written anew', async () => {
    const journal = new MemoryJournal({ identity });
    await journal.open();
    const writer = new Writer(journal);
    for (let i = 0; i < 3; i++) writer.append(0, 'a');
    await journal.flush();
    journal.disk.damage(0, 2, 'body');
    journal.disk.damage(0, 3, 'missing');
    const body = journal.read(0, 2);
    assert.ok(body.type === 'damaged' && body.head?.position === 2);
    assert.deepEqual(
      (await journal.readRange(0, 1, 1e6)).map(({ type }) => type),
      ['record', 'damaged', 'damaged'],
    );
    journal.truncate(0, 2, { durable() {}, failed() {} });
    writer.forget(0);
    writer.append(0, 'b');
    await journal.flush();
    assert.equal(journal.read(0, 3).type, 'record');
  });

  test('that lost a batch is refused', async () => {
    const journal = new MemoryJournal({ identity });
    await journal.open();
    new Writer(journal).append(0, 'a');
    await journal.close();
    journal.disk.loseNewest(0);
    await assert.rejects(new MemoryJournal({ identity, disk: journal.disk }).open(), { code: 'STORE_DAMAGED' });
    const other = new MemoryJournal({ identity: { ...identity, storeId: 'other' }, disk: journal.disk });
    await assert.rejects(other.open(), { code: 'STORE_MISMATCH' });
  });
});
