import { expect, test } from 'vitest';
import { simulate } from './simulation.ts';

const seeds = Number(process.env.SEEDS ?? 30);
const first = Number(process.env.SEED ?? 1);

test(`${seeds} random lives of a shard's log keep every claim`, { timeout: 600_000 }, async () => {
  const total = { acknowledged: 0, confirmed: 0, epochs: 0, crashes: 0, repaired: 0, forgotten: 0 };
  for (let seed = first; seed < first + seeds; seed++) {
    const { violations, ...counts } = await simulate(seed);
    expect(violations, `replay with SEED=${seed} SEEDS=1`).toEqual([]);
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key];
  }
  if (process.env.SHOW) console.log(total);
  expect(total.acknowledged).toBeGreaterThan(seeds * 50);
  expect(total.confirmed).toBeGreaterThan(seeds * 10);
  expect(total.epochs).toBeGreaterThan(seeds * 4);
  expect(total.crashes).toBeGreaterThan(seeds * 2);
  expect(total.repaired).toBeGreaterThan(seeds);
  expect(total.forgotten).toBeGreaterThan(seeds / 2);
});
