import { expect, test } from 'vitest';
import { simulate } from './simulation.ts';

const seeds = Number(process.env.SEEDS ?? 60);
const first = Number(process.env.SEED ?? 1);

test(`${seeds} random lives of a control cluster keep every claim, and commit again when the faults stop`, {
  timeout: 600_000,
}, () => {
  const total = { committed: 0, leaders: 0, crashes: 0, voterChanges: 0, restores: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const { violations, ...counts } = simulate(seed);
    expect(violations, `replay with SEED=${seed} SEEDS=1`).toEqual([]);
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key];
  }
  expect(total.committed).toBeGreaterThan(seeds * 50);
  expect(total.leaders).toBeGreaterThan(seeds * 4);
  expect(total.crashes).toBeGreaterThan(seeds * 5);
  expect(total.voterChanges).toBeGreaterThan(seeds * 3);
  expect(total.restores).toBeGreaterThan(seeds);
});
