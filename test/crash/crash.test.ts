import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { crashRounds } from './crash-rounds.ts';

const directory = mkdtempSync(join(tmpdir(), 'greenroom-crash-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('every acknowledged command survives kill -9 once, and retries get the recorded reply', {
  timeout: 120_000,
}, async () => {
  const outcome = await crashRounds({ directory: join(directory, 'kill'), rounds: 5, seed: 7, powerCut: false });
  expect(outcome.violations).toEqual([]);
  expect(outcome.acknowledged).toBeGreaterThan(200);
});

test('the same with everything lost that was not fsynced', { timeout: 120_000 }, async (context) => {
  const outcome = await crashRounds({ directory: join(directory, 'cut'), rounds: 3, seed: 11, powerCut: true });
  if (outcome.skipped !== undefined) context.skip(outcome.skipped);
  expect(outcome.violations).toEqual([]);
  expect(outcome.acknowledged).toBeGreaterThan(100);
});
