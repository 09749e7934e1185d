/** How many must answer, and what so many hold. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Largest, sealQuorum, writeQuorum } from '../../../src/cluster/membership/quorum.ts';

test('every seal meets every acknowledged record, and two write quorums meet', () => {
  for (let replicas = 1; replicas <= 9; replicas++) {
    expect(writeQuorum(replicas) + sealQuorum(replicas)).toBeGreaterThan(replicas);
    expect(2 * writeQuorum(replicas)).toBeGreaterThan(replicas);
  }
});

test('what so many hold is the least of the so many largest, whatever was asked before', () => {
  const held = new Largest();
  const question = fc.record({
    positions: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 7 }),
    count: fc.integer({ min: 1, max: 7 }),
  });
  fc.assert(
    fc.property(question, ({ positions, count }) => {
      held.begin(count);
      for (const position of positions) held.add(position);
      const descending = [...positions].sort((a, b) => b - a);
      expect(held.least).toBe(descending[count - 1] ?? -1);
    }),
    { numRuns: 1_000 },
  );
});
