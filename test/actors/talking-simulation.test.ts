import { expect, test } from 'vitest';
import { simulateTalking } from './talking-simulation.ts';

const seeds = Number(process.env.SEEDS ?? 40);
const first = Number(process.env.SEED ?? 1);

test(`${seeds} random lives of actors that talk and wait: each tick and each tell has exactly one effect`, {
  timeout: 600_000,
}, async () => {
  const sum = { crashes: 0, rang: 0, heard: 0, beats: 0, deadLetters: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulateTalking(seed);
    expect(outcome.violations, `replay with SEED=${seed} SEEDS=1`).toEqual([]);
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += outcome[key];
  }
  expect(sum.crashes).toBeGreaterThan(seeds / 2);
  expect(sum.rang).toBeGreaterThan(seeds * 20);
  expect(sum.beats).toBeGreaterThan(seeds * 10);
  expect(sum.deadLetters).toBeGreaterThan(seeds * 10);
});
