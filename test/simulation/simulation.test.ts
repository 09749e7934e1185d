import { describe, expect, test } from 'vitest';
import { greenroomCluster } from '../../src/testing/simulation/greenroom-cluster.ts';
import { greenroomAlone } from '../../src/testing/simulation/greenroom-nodes.ts';
import { simulate } from '../../src/testing/simulation/simulation.ts';
import { replayCommand } from './arguments.ts';
import { toyCluster, toyMistakes } from './toy/toy-cluster.ts';

const seeds = Number(process.env.SEEDS ?? 4);
const first = Number(process.env.SEED ?? 1);

describe.each([
  { cluster: greenroomCluster, nodes: 3 },
  { cluster: toyCluster, nodes: 3 },
  { cluster: greenroomAlone, nodes: 1 },
])('$cluster.name', ({ cluster, nodes }) => {
  test('keeps every promise through random faults', async () => {
    let acknowledged = 0;
    for (let seed = first; seed < first + seeds; seed++) {
      const outcome = await simulate({ cluster, nodes, seed, minutes: 1 });
      const again = replayCommand(
        { cluster, nodes, minutes: 1, seeds: 1, seed, trace: true, mistake: undefined, losses: false },
        seed,
      );
      expect(outcome.violations, `replay with: ${again}`).toEqual([]);
      acknowledged += outcome.acknowledged;
    }
    expect(acknowledged).toBeGreaterThan(seeds * 20);
  });

  test('takes the same course in every run of a seed, line by line, and another for another seed', async () => {
    const run = async (seed: number) => {
      const lines: string[] = [];
      const { hash, steps } = await simulate({ cluster, nodes, seed, minutes: 1, onLine: (line) => lines.push(line) });
      return { hash, steps, lines };
    };
    const [once, twice, other] = [await run(7), await run(7), await run(8)];
    expect(twice).toEqual(once);
    expect(once.lines.length).toBeGreaterThan(20);
    expect(other.hash).not.toBe(once.hash);
  });
});

test.each([
  ['append acknowledged before fsync', 1],
  ['commit on one replica too few', 1],
  ['own acknowledgement before own fsync', 1],
  ['tick under a new id at every try', 4],
  ['tick recorded without its next time', 1],
  ['reminder recorded and not forgotten', 1],
  ['wakes of before not read by a new owner', 1],
] as const)('Greenroom with the mistake "%s" is caught', async (mistake, seed) => {
  let isCaught = false;
  for (let next: number = seed; !isCaught && next < seed + 10; next++) {
    const { violations } = await simulate({ cluster: greenroomCluster, nodes: 3, seed: next, minutes: 2, mistake });
    isCaught = violations.length > 0;
  }
  expect(isCaught).toBe(true);
});

test.each([
  ['early answer', 1, ['I4']],
  ['blind vote', 2, ['I1', 'I2', 'I7']],
  ['forgotten vote', 2, ['I3', 'I5']],
  ['torn pair', 1, ['P3', 'P5']],
] as const)('a toy with the mistake "%s" is caught', async (mistake, seed, by) => {
  expect(Object.keys(toyMistakes)).toContain(mistake);
  const caught = new Set<string>();
  for (let next: number = seed; caught.size === 0 && next < seed + 10; next++) {
    const { violations } = await simulate({ cluster: toyCluster, nodes: 3, seed: next, minutes: 2, mistake });
    for (const { check } of violations) caught.add(check);
  }
  expect(
    [...caught].some((check) => (by as readonly string[]).includes(check)),
    [...caught].join(),
  ).toBe(true);
});
