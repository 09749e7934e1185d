/** A node that cannot reach an owner, while others can: whoever talks to it notices a pause, and no more. */
import { expect, test } from 'vitest';
import { greenroomCluster } from '../../src/testing/simulation/greenroom-cluster.ts';
import { simulate } from '../../src/testing/simulation/simulation.ts';

const seeds = Number(process.env.SEEDS ?? 2);
const first = Number(process.env.SEED ?? 1);
/** A link that is cut is noticed within 4.5 s in the simulated network; half a second later others are asked for a way. */
const answersWithinMs = 6_000;
const tuning = {
  shardCount: 8,
  replicas: 3,
  clients: 4,
  thinkMs: 50,
  attemptTimeoutMs: 20_000,
  networkMs: 2,
  syncMs: 2,
  driftMillionths: 0,
};

test.each([
  { nodes: 3, bothWays: true },
  { nodes: 3, bothWays: false },
  { nodes: 5, bothWays: true },
])('$nodes nodes, of which one cannot reach another (both ways: $bothWays)', async ({ nodes, bothWays }) => {
  for (let seed = first; seed < first + seeds; seed++) {
    const relayed = new Set<string>();
    const { violations, longestCommandMs, acknowledged } = await simulate({
      cluster: greenroomCluster,
      nodes,
      seed,
      minutes: 1,
      tuning: { ...tuning, replicas: nodes },
      through: ['a', 'b'],
      faults: [{ atMs: 10_000, fault: { type: 'cut', from: 'a', to: 'b', bothWays, forMs: 40_000 } }],
      onLine: (line) => {
        if (line.includes('goes through another')) relayed.add(line.trim().split(/\s+/)[1]!);
      },
    });
    expect(violations, `seed ${seed}`).toEqual([]);
    expect([...relayed].sort(), `who sends through another, seed ${seed}`).toEqual(['a', 'b']);
    expect(longestCommandMs, `seed ${seed}`).toBeLessThan(answersWithinMs);
    expect(acknowledged).toBeGreaterThan(500);
  }
});
