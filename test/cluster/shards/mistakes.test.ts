/**
 * The simulation of a shard's log is worth what it finds: each deliberate mistake that can be made in it must be caught.
 * `npm run mutants` goes on with the mistakes that only a whole cluster can make.
 */
import { expect, test } from 'vitest';
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { simulate } from './simulation.ts';
import { stories, tell } from './told.ts';

/** Those that show within a few lives; the rare ones are left to `npm run mutants`. */
const frequent: readonly ProtocolMistake[] = [
  'no fence on append',
  'append does not raise promised',
  'promise answered before fsync',
  'append acknowledged before fsync',
  'previous not checked',
  'commit taken beyond what matches',
  'seal with one answer too few',
  'serve before activate',
  'commit before activate',
  'commit on one replica too few',
  'own acknowledgement before own fsync',
  'commit counts learners',
  'fenced owner goes on',
  'epoch start not awaited',
  'learner promoted before it has caught up',
];
const seedsMax = 40;

for (const mistake of frequent) {
  test(`"${mistake}" is caught`, async () => {
    let caught: readonly string[] = [];
    for (let seed = 1; caught.length === 0 && seed <= seedsMax; seed++)
      caught = (await simulate(seed, mistake)).violations;
    expect(caught.length).toBeGreaterThan(0);
  });
}

for (const mistake of Object.keys(stories) as ProtocolMistake[]) {
  test(`"${mistake}" is told, and shows`, async () => {
    expect(await tell(mistake, false)).toBeUndefined();
    expect(await tell(mistake, true)).toBeDefined();
  });
}
