import { expect, test } from 'vitest';
import { simulate } from './simulation.ts';

const seeds = Number(process.env.SEEDS ?? 40);
const first = Number(process.env.SEED ?? 1);

test(`${seeds} random lives with crashes, retries and passivation keep every promise`, {
  timeout: 600_000,
}, async () => {
  let crashes = 0;
  let acknowledged = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulate(seed);
    expect(outcome.violations, `replay with SEED=${seed} SEEDS=1`).toEqual([]);
    crashes += outcome.crashes;
    acknowledged += outcome.acknowledged;
  }
  expect(crashes).toBeGreaterThan(seeds / 2);
  expect(acknowledged).toBeGreaterThan(seeds * 50);
});
