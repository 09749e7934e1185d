import assert from 'node:assert/strict';
import { cp, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { decodeCommandBody, decodeEpochStartBody } from '../../src/persistence/codec.ts';
import { decodeHead, type RecordHead, verifiedBody } from '../../src/persistence/record.ts';
import { verifyStore } from '../../src/persistence/verify.ts';
import { asJson, openAt, temporaryDirectory, truthOf, write } from './stores.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures');

/** Nobody had to be woken when the fixtures were written, and nothing said so. */
function withoutWakes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, part) => {
    return key === 'wakeAt' && part === 0 ? undefined : part;
  });
}

describe('format 1, as version 0.1.0 wrote it', () => {
  test('a store opens, and gives back everything', async () => {
    const { path, remove } = await temporaryDirectory();
    try {
      const directory = join(path, 'store');
      await cp(join(fixtures, 'format-1', 'store'), directory, { recursive: true });
      const database = join(directory, 'db');
      for (const name of await readdir(database))
        if (name.endsWith('.wal')) await rename(join(database, name), join(database, name.replace('.wal', '.log')));
      assert.deepEqual((await verifyStore(directory)).damages, []);
      const journal = await openAt(directory);
      const truth = JSON.parse(await readFile(join(fixtures, 'format-1', 'truth.json'), 'utf8'));
      const found = asJson(await truthOf(journal));
      assert.deepEqual(withoutWakes(found), truth);
      const kinds = new Set(
        truth.rows.flat().map((row: { type: string; head?: RecordHead }) => row.head?.kind ?? row.type),
      );
      assert.deepEqual([...kinds].sort(), ['absent', 'command', 'deleted', 'epochStart', 'hollow', 'snapshot']);
      await write(journal, 3, 50, 100);
      await journal.close();
      assert.deepEqual((await verifyStore(directory)).damages, []);
    } finally {
      await remove();
    }
  });

  test('encoded records are read as they were meant', async () => {
    const records = JSON.parse(await readFile(join(fixtures, 'format-1', 'records.json'), 'utf8'));
    const bodies = records.map(({ hex, head }: { hex: string; head: RecordHead }) => {
      const bytes = Buffer.from(hex, 'hex');
      const decoded = decodeHead(bytes);
      assert.ok(decoded.ok);
      assert.deepEqual(withoutWakes(decoded.head), head);
      return verifiedBody(bytes, head);
    });
    const command = decodeCommandBody(bodies[0]);
    assert.equal(command.commandId, 'key-1');
    assert.equal(command.fingerprint, 123_456_789_012);
    assert.deepEqual(command.events, [
      { type: 'ItemAdded', version: 2, data: { sku: 'tea', quantity: 3 } },
      { type: 'CheckedOut', version: 1, data: undefined },
    ]);
    assert.deepEqual(command.reply, [null, true, -1.5, 'ü', { nested: {} }]);
    assert.deepEqual(command.tells, [{ number: 1, type: 'Stock', id: 'tea', command: 'reserve', input: 3 }]);
    assert.deepEqual(command.delivery, { senderType: 'Order', senderId: '7', number: 9 });
    assert.deepEqual(decodeEpochStartBody(bodies[1]), { clusterId: 'c', owner: 'a', replicas: ['a', 'b', 'c'] });
  });
});
