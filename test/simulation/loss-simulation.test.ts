/** Most copies of some shards are destroyed, an operator accepts it, and the cluster goes on, whatever else goes wrong. */
import { expect, test } from 'vitest';
import { Counters } from '../../src/testing/simulation/counters.ts';
import { greenroomCluster } from '../../src/testing/simulation/greenroom-cluster.ts';
import { simulateLoss } from '../../src/testing/simulation/loss-simulation.ts';
import { replayCommand } from './arguments.ts';

const cluster = greenroomCluster;
const { SEED, SEEDS } = process.env;

test.each([
  { nodes: 3, first: 1, seeds: 2 },
  { nodes: 5, first: 9, seeds: 1 },
])(
  'of $nodes nodes: what is kept is the beginning of each log, and what came after',
  {
    timeout: 600_000,
  },
  async ({ nodes, first, seeds }) => {
    const counters = new Counters();
    const seed = Number(SEED ?? first);
    for (let next = seed; next < seed + Number(SEEDS ?? seeds); next++) {
      const outcome = await simulateLoss({ cluster, nodes, seed: next, minutes: 1.5 });
      const settings = { cluster, nodes, minutes: 1.5, seeds: 1, seed, trace: true, mistake: undefined, losses: true };
      expect(outcome.violations, `replay with: ${replayCommand(settings, next)}`).toEqual([]);
      counters.add(outcome.counters);
    }
    expect(counters.get('shards lost')).toBeGreaterThan(0);
    expect(counters.get('shards whose loss was accepted')).toBeGreaterThan(0);
  },
);

test('takes the same course in every run of a seed', { timeout: 60_000 }, async () => {
  const run = () => simulateLoss({ cluster, nodes: 3, seed: 1, minutes: 1 });
  const once = await run();
  expect((await run()).hash).toBe(once.hash);
});

test('a cluster that lets in again what was given up is caught', { timeout: 60_000 }, async () => {
  const mistake = 'store given up is let in again';
  expect((await simulateLoss({ cluster, nodes: 3, seed: 3, minutes: 2, mistake })).violations).not.toEqual([]);
});

test('a store that was given up, and was let in by a node that was only starting, is told once that node knows', {
  timeout: 60_000,
}, async () => {
  expect((await simulateLoss({ cluster, nodes: 3, seed: 21, minutes: 2 })).violations).toEqual([]);
});
