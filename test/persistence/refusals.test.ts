import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { crc32 } from '../../src/persistence/crc32.ts';
import { JournalError, type JournalErrorCode } from '../../src/persistence/journal.ts';
import { LevelJournal } from '../../src/persistence/level-journal.ts';
import { readStoreIdentity } from '../../src/persistence/open-store.ts';
import { idIn, Writer } from '../../src/testing/journal-suite.ts';
import { hashOf, identity, openAt, temporaryDirectory, truthOf, write } from './stores.ts';

describe('a store that cannot be opened says why, and is left as it was', () => {
  let parent: Awaited<ReturnType<typeof temporaryDirectory>>;
  let directory: string;
  beforeEach(async () => {
    parent = await temporaryDirectory();
    directory = join(parent.path, 'data');
  });
  afterEach(() => parent.remove());

  const makeStore = async (): Promise<void> => {
    const journal = await openAt(directory);
    await write(journal, 1, 100, 100);
    await journal.close();
  };

  const refuses = async (
    code: JournalErrorCode,
    message: RegExp,
    journal = new LevelJournal({ directory, format: identity }),
  ) => {
    const before = await hashOf(parent.path);
    await assert.rejects(journal.open(), (error: Error) => {
      assert.ok(error instanceof JournalError, error.stack);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
    assert.equal(journal.status, 'closed');
    await journal.close();
    assert.equal(await hashOf(parent.path), before);
  };

  test('STORE_LOCKED by another process', async () => {
    await makeStore();
    const levelPath = createRequire(import.meta.url).resolve('level');
    const script = `const { Level } = require(${JSON.stringify(levelPath)});
      new Level(${JSON.stringify(join(directory, 'db'))}).open().then(() => console.log('open')); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    try {
      await refuses('STORE_LOCKED', /data is in use by another process\. Stop/);
    } finally {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    }
    await (await openAt(directory)).close();
  });

  test('STORE_LOCKED by this process, which keeps its lock', async () => {
    const first = await openAt(directory);
    await refuses('STORE_LOCKED', /in use/);
    new Writer(first).append(0, 'a');
    await first.flush();
    await first.close();
    await (await openAt(directory)).close();
  });

  test('STORE_UNREACHABLE: no store, and none to be made', async () => {
    await refuses('STORE_UNREACHABLE', /there is no store/, new LevelJournal({ directory }));
    assert.equal(await readStoreIdentity(directory), undefined);
  });

  test('STORE_UNREACHABLE: not a directory', async () => {
    await writeFile(directory, 'a file');
    await refuses('STORE_UNREACHABLE', /is not a directory/);
  });

  test('STORE_UNREACHABLE: below a file', async () => {
    await writeFile(directory, 'a file');
    await refuses(
      'STORE_UNREACHABLE',
      /cannot be used/,
      new LevelJournal({ directory: join(directory, 'below'), format: identity }),
    );
  });

  test('STORE_FOREIGN: something else is in it', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'thesis.docx'), 'years of work');
    await refuses('STORE_FOREIGN', /thesis\.docx/);
  });

  test('STORE_FOREIGN: another LevelDB database', async () => {
    await mkdir(directory);
    await writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n');
    await refuses('STORE_FOREIGN', /CURRENT/);
  });

  test('STORE_NEWER_FORMAT', async () => {
    await makeStore();
    const marker = JSON.parse(await readFile(join(directory, 'store.json'), 'utf8'));
    await writeFile(join(directory, 'store.json'), JSON.stringify({ ...marker, format: 2, crc: 1, more: true }));
    await refuses('STORE_NEWER_FORMAT', /format 2; this version knows up to 1/);
  });

  test('STORE_MISMATCH: another node, cluster or setting', async () => {
    await makeStore();
    for (const expected of [
      { node: 'b' },
      { clusterId: 'other' },
      { shardCount: 8 },
      { replicas: 3 },
      { storeId: 'x' },
    ])
      await refuses('STORE_MISMATCH', /belongs to/, new LevelJournal({ directory, expected }));
    assert.deepEqual(await readStoreIdentity(directory), identity);
  });

  test('STORE_MISMATCH: the database of another store', async () => {
    await makeStore();
    const other = join(parent.path, 'other');
    const journal = new LevelJournal({ directory: other, format: { ...identity, storeId: 'store-2' } });
    await journal.open();
    await journal.close();
    await rm(join(directory, 'db'), { recursive: true });
    await cp(join(other, 'db'), join(directory, 'db'), { recursive: true });
    await refuses('STORE_DAMAGED', /newest batch is/);
    const fields = ['clusterId', 'node', 'storeId', 'shardCount', 'replicas'] as const;
    const changed = { ...identity, clusterId: 'other' };
    const crc = crc32(Buffer.from(JSON.stringify([1, ...fields.map((field) => changed[field])])));
    await rm(directory, { recursive: true });
    await makeStore();
    await writeFile(join(directory, 'store.json'), JSON.stringify({ format: 1, identity: changed, crc }));
    await refuses('STORE_MISMATCH', /holds the database of another store/);
  });

  test('STORE_DAMAGED: the marker, the watermark or the database is gone', async () => {
    await makeStore();
    for (const [name, message] of [
      ['store.json', /not its store\.json/],
      ['watermark', /watermark is missing/],
      ['db', /CURRENT: it is missing/],
    ] as const) {
      await cp(directory, `${directory}-saved`, { recursive: true });
      await rm(join(directory, name), { recursive: true });
      await refuses('STORE_DAMAGED', message);
      await rm(directory, { recursive: true });
      await cp(`${directory}-saved`, directory, { recursive: true });
      await rm(`${directory}-saved`, { recursive: true });
    }
    await (await openAt(directory)).close();
  });

  test('STORE_DAMAGED: the database is an older copy', async () => {
    await makeStore();
    await cp(join(directory, 'db'), join(parent.path, 'old'), { recursive: true });
    const journal = await openAt(directory);
    new Writer(journal).append(0, 'a');
    await journal.flush();
    await journal.close();
    await rm(join(directory, 'db'), { recursive: true });
    await cp(join(parent.path, 'old'), join(directory, 'db'), { recursive: true });
    await refuses('STORE_DAMAGED', /newest batch is \d+, but batch \d+ was synced/);
  });

  test('a store whose making was interrupted is made anew', async () => {
    await makeStore();
    await rm(join(directory, 'store.json'));
    await writeFile(join(directory, 'formatting'), '');
    const journal = await openAt(directory);
    assert.equal(journal.tail(0).position, 0);
    await journal.close();
  });

  test('a store whose opening was interrupted is opened', async () => {
    await makeStore();
    const journal = await openAt(directory);
    const truth = await truthOf(journal);
    await journal.close();
    await mkdir(join(directory, 'opening'));
    await writeFile(join(directory, 'opening', 'CURRENT'), 'half');
    const again = await openAt(directory);
    assert.deepEqual(await truthOf(again), truth);
    await again.close();
  });

  test('each start counts', async () => {
    for (let boot = 1; boot <= 3; boot++) {
      const journal = new LevelJournal({ directory, format: identity });
      assert.equal((await journal.open()).boot, boot);
      await journal.close();
    }
  });
});

describe('a full disk', () => {
  test('fails the journal, loses nothing acknowledged, and what was acknowledged is there once there is space', async (context) => {
    const parent = await temporaryDirectory();
    const mount = join(parent.path, 'mount');
    await mkdir(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      context.skip('a small file system can be mounted only by root, on Linux');
    }
    try {
      await fillUp(mount);
    } finally {
      execFileSync('umount', ['-l', mount]);
      await parent.remove();
    }
  });
});

async function fillUp(mount: string): Promise<void> {
  const directory = join(mount, 'data');
  await writeFile(join(mount, 'ballast'), Buffer.alloc(22 << 20));
  const journal = await openAt(directory);
  const writer = new Writer(journal);
  const acknowledged: number[] = [];
  const outcomes: string[] = [];
  let failures = 0;
  journal.onFailure(() => (failures += 1));
  for (let i = 0; journal.status === 'open'; i++) {
    const position = journal.tail(0).position + 1;
    writer.append(
      0,
      'a',
      { body: randomBytes(20_000) },
      {
        durable: () => acknowledged.push(position),
        failed: (error) => outcomes.push((error as JournalError).code),
      },
    );
    await journal.flush().catch(() => {});
    assert.ok(i < 1000, 'the disk becomes full');
  }
  assert.equal(journal.status, 'failed');
  assert.deepEqual([...new Set(outcomes)], ['STORE_FAILED']);
  assert.ok((await journal.freeBytes())! < 1 << 20);
  for (const position of acknowledged) assert.equal(journal.read(0, position).type, 'record');
  await journal.close();
  assert.equal(failures, 1);
  await assert.rejects(openAt(directory), (error: JournalError) =>
    ['STORE_UNREACHABLE', 'STORE_FAILED'].includes(error.code),
  );
  await rm(join(mount, 'ballast'));
  const again = await openAt(directory);
  for (const position of acknowledged) assert.equal(again.read(0, position).type, 'record');
  assert.ok(again.actor(0, 'Counter' as never, idIn(0, 'a'))!.newestPosition >= acknowledged.length);
  await again.close();
}
