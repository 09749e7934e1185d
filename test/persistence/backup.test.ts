/** A backup is all that was committed when it was taken; what is made of it is the same; and nothing that is not whole is taken for one. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import {
  prepareBackupFolder,
  readBackup,
  readManifest,
  writeBackup,
} from '../../src/persistence/backup/backup-folder.ts';
import { BackupError, type BackupManifest, FrameReader } from '../../src/persistence/backup/backup-format.ts';
import { encodeBackup, encodeStopped } from '../../src/persistence/backup/encode-backup.ts';
import { restoreBackup } from '../../src/persistence/backup/restore-backup.ts';
import { LevelJournal } from '../../src/persistence/level-journal.ts';
import {
  asJson,
  hashOf,
  identity,
  openAt,
  shards,
  storeKinds,
  type Truth,
  temporaryDirectory,
  truthOf,
  write,
} from './stores.ts';

const names = { clusterId: 'new-cluster', storeId: 'new-store' };

/** Bytes in pieces of other lengths than they were made in. */
async function* inPieces(source: AsyncIterable<Uint8Array>, seed: number): AsyncGenerator<Uint8Array> {
  const random = seededRandom(seed);
  for await (const piece of source)
    for (let at = 0; at < piece.length; ) {
      const length = 1 + Math.floor(random.next() * 5_000);
      yield piece.subarray(at, at + length);
      at += length;
    }
}

async function backUp(journal: LevelJournal, folder: string): Promise<BackupManifest> {
  await prepareBackupFolder(folder);
  return writeBackup(folder, inPieces(encodeBackup(await journal.view(), journal.identity, 1_000), 1));
}

/** What must be the same in a store made of a backup: all but promises and control rows, which are the old store's own. */
function kept({ tails, rows, actors, listed }: Truth): unknown {
  return asJson({ tails, rows, actors, listed } as Truth);
}

for (const [kind, make] of Object.entries(storeKinds)) {
  test(`a store ${kind} comes back the same, hollow records and deleted actors included`, async () => {
    const parent = await temporaryDirectory();
    try {
      const { directory, truth } = await make(join(parent.path, 'store'));
      const journal = await openAt(directory);
      // What is committed was forgotten in the kill; the owner of a new epoch learns it.
      for (const shard of shards()) journal.commit(shard, journal.tail(shard).position);
      const folder = join(parent.path, 'backup');
      const manifest = await backUp(journal, folder);
      await journal.close();
      const sum = (of: 'records' | 'hollow') => manifest.shards.reduce((total, shard) => total + shard[of], 0);
      const rows = truth.rows.flat();
      expect(sum('records')).toBe(rows.filter(({ type }) => type === 'record').length);
      expect(sum('hollow')).toBe(rows.filter(({ type }) => type === 'hollow').length);
      expect(await readManifest(folder)).toEqual(manifest);
      await readBackup(folder, manifest);

      const data = join(parent.path, 'restored');
      const report = await restoreBackup(folder, data, names);
      expect(report.identity).toEqual({ ...identity, ...names });
      const restored = await openAt(data, { format: undefined });
      expect(restored.identity).toEqual(report.identity);
      expect(kept(await truthOf(restored))).toEqual(kept(truth));
      await restored.close();
      expect((await readdir(parent.path)).filter((name) => name.includes('restoring'))).toEqual([]);
    } finally {
      await parent.remove();
    }
  });
}

test('what is written, made hollow or cut off while a backup is taken is not in it', async () => {
  const parent = await temporaryDirectory();
  try {
    const journal = await openAt(join(parent.path, 'store'));
    await write(journal, 3, 300, 100);
    const before = await truthOf(journal);
    const pieces = encodeBackup(await journal.view(), journal.identity, 1_000);
    await write(journal, 4, 1_000, 100);
    const folder = join(parent.path, 'backup');
    await prepareBackupFolder(folder);
    await writeBackup(folder, pieces);
    await journal.close();
    await restoreBackup(folder, join(parent.path, 'restored'), names);
    const restored = await openAt(join(parent.path, 'restored'), { format: undefined });
    expect(kept(await truthOf(restored))).toEqual(kept(before));
    await restored.close();
  } finally {
    await parent.remove();
  }
});

describe('a backup', () => {
  let parent: Awaited<ReturnType<typeof temporaryDirectory>>;
  let folder: string;
  let stream: Buffer;
  beforeAll(async () => {
    parent = await temporaryDirectory();
    const journal = await openAt(join(parent.path, 'store'));
    await write(journal, 5, 400, 200);
    const pieces: Buffer[] = [];
    for await (const piece of encodeBackup(await journal.view(), journal.identity, 1_000)) pieces.push(piece);
    stream = Buffer.concat(pieces);
    await journal.close();
    folder = join(parent.path, 'backup');
    await prepareBackupFolder(folder);
    await writeBackup(folder, of(stream));
  });
  afterAll(() => parent.remove());

  async function* of(...pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* pieces;
  }
  const codeOf = (running: Promise<unknown>): Promise<unknown> =>
    running.then(
      () => 'accepted',
      (error) => (error instanceof BackupError ? error.code : error),
    );

  test('with a flipped bit anywhere is refused, and nothing is made of it', async () => {
    const random = seededRandom(Number(process.env.GREENROOM_SEED ?? 1));
    for (let trial = 0; trial < Number(process.env.GREENROOM_TRIALS ?? 60); trial++) {
      const copy = join(parent.path, `flipped-${trial}`);
      await cp(folder, copy, { recursive: true });
      const files = (await readdir(copy)).sort();
      const name = files[Math.floor(random.next() * files.length)]!;
      const bytes = await readFile(join(copy, name));
      const at = Math.floor(random.next() * bytes.length);
      bytes[at]! ^= 1 << Math.floor(random.next() * 8);
      await writeFile(join(copy, name), bytes);
      const data = join(parent.path, 'never');
      const error = await restoreBackup(copy, data, names).catch((e) => e);
      // A space of the manifest that became something that JSON reads as the same is no damage.
      if (name === 'manifest.json' && !(error instanceof Error)) {
        await rm(data, { recursive: true });
        continue;
      }
      expect(error, `${name} byte ${at}`).toBeInstanceOf(BackupError);
      expect(error.message).toContain(join(copy, name));
      if (name !== 'manifest.json')
        expect(error.message).toMatch(/record \d+ of shard|byte \d+|checksum|middle of a row/);
      await expect(stat(data)).rejects.toThrow();
      await rm(copy, { recursive: true });
    }
  });

  test('that lacks a file, or has another one, is refused', async () => {
    const copy = join(parent.path, 'lacking');
    await cp(folder, copy, { recursive: true });
    await rm(join(copy, 'shard-0001'));
    expect(await codeOf(restoreBackup(copy, join(parent.path, 'never'), names))).toBe('BACKUP_DAMAGED');
    await cp(join(copy, 'shard-0002'), join(copy, 'shard-0001'));
    expect(await codeOf(restoreBackup(copy, join(parent.path, 'never'), names))).toBe('BACKUP_DAMAGED');
    expect(await codeOf(readManifest(join(parent.path, 'nowhere')))).toBe('BACKUP_UNREACHABLE');
    expect(await codeOf(readManifest(join(parent.path, 'store')))).toBe('BACKUP_UNREACHABLE');
  });

  test('that was interrupted anywhere has no manifest, says so, and can be taken again in the same place', async () => {
    const random = seededRandom(7);
    const place = join(parent.path, 'interrupted');
    for (let trial = 0; trial < 20; trial++) {
      const cut = Math.floor(random.next() * stream.length);
      await prepareBackupFolder(place);
      expect(await codeOf(writeBackup(place, of(stream.subarray(0, cut))))).toBe('BACKUP_UNFINISHED');
      expect(await codeOf(readManifest(place))).toBe('BACKUP_UNFINISHED');
      expect(await codeOf(restoreBackup(place, join(parent.path, 'never'), names))).toBe('BACKUP_UNFINISHED');
    }
    await prepareBackupFolder(place);
    await writeBackup(place, of(stream));
    expect(await hashOf(place)).toBe(await hashOf(folder));
  });

  test('that the node could not end says why', async () => {
    const place = join(parent.path, 'stopped');
    await prepareBackupFolder(place);
    const head = [...new FrameReader().take(stream)][0]!.bytes;
    const error = await writeBackup(place, of(head, encodeStopped('the node is stopping'))).catch((e) => e);
    expect(error.code).toBe('BACKUP_STOPPED');
    expect(error.message).toBe('the node is stopping');
  });

  test('is not taken into a folder that holds one, or anything else', async () => {
    expect(await codeOf(prepareBackupFolder(folder))).toBe('BACKUP_UNREACHABLE');
    const other = join(parent.path, 'other');
    await mkdir(other);
    await writeFile(join(other, 'shard-0000'), 'of somebody else');
    expect(await codeOf(prepareBackupFolder(other))).toBe('BACKUP_UNREACHABLE');
    expect(await codeOf(prepareBackupFolder(join(other, 'shard-0000')))).toBe('BACKUP_UNREACHABLE');
    expect(await readFile(join(other, 'shard-0000'), 'utf8')).toBe('of somebody else');
  });

  test('is not restored over anything', async () => {
    const before = await hashOf(join(parent.path, 'store'));
    expect(await codeOf(restoreBackup(folder, join(parent.path, 'store'), names))).toBe('BACKUP_UNREACHABLE');
    expect(await hashOf(join(parent.path, 'store'))).toBe(before);
    const empty = join(parent.path, 'empty');
    await mkdir(empty);
    await restoreBackup(folder, empty, names);
    assert.deepEqual((await readdir(empty)).sort(), ['db', 'store.json', 'watermark']);
  });

  test('of a newer format is refused by number', async () => {
    const copy = join(parent.path, 'newer');
    await cp(folder, copy, { recursive: true });
    const path = join(copy, 'manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"format": 1', '"format": 2'));
    expect(await codeOf(readManifest(copy))).toBe('BACKUP_NEWER_FORMAT');
  });
});

test('a body that is damaged on the node is kept as it is, told in the manifest, and still not served', async () => {
  const parent = await temporaryDirectory();
  try {
    const directory = join(parent.path, 'store');
    const journal = await openAt(directory);
    await write(journal, 6, 200, 200);
    const view = await journal.view();
    let spoilt: { shard: number; position: number } | undefined;
    const spoiling = {
      ...view,
      tails: view.tails,
      close: () => view.close(),
      async *rows(shard: number) {
        for await (const rows of view.rows(shard)) {
          for (const row of rows) {
            if (spoilt || row.type !== 'record' || row.bytes.length < 150 || row.bytes[5] !== 1) continue;
            row.bytes[row.bytes.length - 1]! ^= 1;
            spoilt = { shard, position: row.position };
          }
          yield rows;
        }
      },
    };
    const folder = join(parent.path, 'backup');
    await prepareBackupFolder(folder);
    const manifest = await writeBackup(folder, encodeBackup(spoiling, journal.identity, 1_000));
    await journal.close();
    expect(manifest.shards[spoilt!.shard]!.damaged).toEqual([spoilt!.position]);
    await restoreBackup(folder, join(parent.path, 'restored'), names);
    const restored = new LevelJournal({ directory: join(parent.path, 'restored') });
    await restored.open();
    expect(restored.read(spoilt!.shard, spoilt!.position).type).toBe('damaged');
    await restored.close();
  } finally {
    await parent.remove();
  }
});
