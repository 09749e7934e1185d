import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { StoreIdentity } from '../../src/persistence/journal.ts';
import { LevelJournal, type LevelJournalLimits } from '../../src/persistence/level-journal.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { type JournalUnderTest, journalSuite, suiteShardCount } from '../../src/testing/journal-suite.ts';

const identity: StoreIdentity = {
  clusterId: 'cluster',
  node: 'a',
  storeId: 'store-1',
  shardCount: suiteShardCount,
  replicas: 1,
};

async function levelUnderTest(limits: Partial<LevelJournalLimits>): Promise<JournalUnderTest> {
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-test-'));
  const directory = join(parent, 'data');
  const open = async (): Promise<LevelJournal> => {
    const journal = new LevelJournal({ directory, format: identity, limits });
    await journal.open();
    return journal;
  };
  let journal = await open();
  return {
    get journal() {
      return journal;
    },
    async reopen() {
      await journal.close();
      journal = await open();
      return journal;
    },
    async destroy() {
      await journal.close();
      await rm(parent, { recursive: true });
    },
  };
}

async function memoryUnderTest(): Promise<JournalUnderTest> {
  let journal = new MemoryJournal({ identity });
  await journal.open();
  return {
    get journal() {
      return journal;
    },
    async reopen() {
      await journal.close();
      journal = new MemoryJournal({ identity, disk: journal.disk });
      await journal.open();
      return journal;
    },
    async crash() {
      journal = journal.crash();
      await journal.open();
      return journal;
    },
    failWrites: () => journal.disk.failWrites(new Error('EIO: the disk broke')),
    destroy: () => journal.close(),
  };
}

describe('MemoryJournal', () => {
  journalSuite({ test, create: memoryUnderTest });
});

describe('LevelJournal', () => {
  journalSuite({ test, create: () => levelUnderTest({}) });
});

describe('LevelJournal with tiny limits', () => {
  const limits = {
    batchRecordsMax: 3,
    batchBytesMax: 2_000,
    indexRecordsMax: 10,
    indexBytesMax: 3_000,
    indexRowsPerBatch: 2,
    ledgerDeletesPerBatch: 3,
  };
  journalSuite({ test, create: () => levelUnderTest(limits), seeds: Array.from({ length: 25 }, (_, i) => 100 + i) });
});
