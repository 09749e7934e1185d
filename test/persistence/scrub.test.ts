import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import type { LogDamage } from '../../src/persistence/log-walk.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { startScrub } from '../../src/persistence/scrub.ts';
import { Writer } from '../../src/testing/journal-suite.ts';
import { identity } from './stores.ts';

/** Time passes at once, and is added up. */
class ImpatientClock implements Clock {
  passedMs = 0;
  wallMs(): number {
    return this.passedMs;
  }
  monotonicMs(): number {
    return this.passedMs;
  }
  schedule(delayMs: number, task: () => void): () => void {
    this.passedMs += delayMs;
    const handle = setImmediate(task);
    return () => clearImmediate(handle);
  }
  defer(task: () => void): void {
    setImmediate(task);
  }
}

async function filled(): Promise<MemoryJournal> {
  const journal = new MemoryJournal({ identity });
  await journal.open();
  const writer = new Writer(journal);
  for (let i = 0; i < 400; i++) writer.append(i % 4, `actor-${i % 7}`, { body: Buffer.alloc(5_000, i) });
  await journal.flush();
  return journal;
}

function scrub(
  journal: MemoryJournal,
  clock: Clock,
  bytesPerSecond: number,
): Promise<{ damages: LogDamage[]; read: number }> {
  const damages: LogDamage[] = [];
  return new Promise((resolve) => {
    startScrub(journal, {
      clock,
      bytesPerSecond,
      onDamage: (damage) => damages.push(damage),
      onDone: (read) => resolve({ damages, read }),
    });
  });
}

test('a scrub reads everything, finds nothing in a whole log, and keeps to its rate', async () => {
  const clock = new ImpatientClock();
  const { damages, read } = await scrub(await filled(), clock, 1_000_000);
  assert.deepEqual(damages, []);
  assert.equal(read, 400);
  assert.ok(clock.passedMs > 1_900 && clock.passedMs < 2_200, `${clock.passedMs} ms for 2 MB at 1 MB/s`);
});

test('a scrub names each damaged record once, and goes on behind it', async () => {
  const journal = await filled();
  journal.disk.damage(0, 10, 'missing');
  journal.disk.damage(1, 20, 'head');
  journal.disk.damage(2, 30, 'body');
  journal.disk.damage(2, 100, 'missing');
  const { damages, read } = await scrub(journal, new ImpatientClock(), 1e9);
  assert.deepEqual(
    damages.map(({ shard, position, problem }) => [shard, position, problem]),
    [
      [0, 10, 'its row is missing'],
      [1, 20, 'its head does not verify'],
      [2, 30, 'its body does not verify'],
      [2, 100, 'its row is missing'],
    ],
  );
  const row = journal.read(2, 30);
  assert.ok(row.type === 'damaged' && damages[2]!.id === row.head!.id && damages[2]!.type === 'Counter');
  assert.equal(read, 400);
});

test('a scrub stops when it is told to, and when the journal closes', async () => {
  const journal = await filled();
  const stop = startScrub(journal, {
    clock: new ImpatientClock(),
    bytesPerSecond: 1e9,
    onDamage: never,
    onDone: never,
  });
  stop();
  startScrub(journal, { clock: new ImpatientClock(), bytesPerSecond: 1e9, onDamage: never, onDone: never });
  await journal.close();
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
});

function never(): void {
  assert.fail('it was stopped');
}
