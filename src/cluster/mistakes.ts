/**
 * Deliberate mistakes in the protocol, and those of the actor runtime, switched on by name in the simulator only: each must
 * be caught by its checks (`npm run mutants`). In production none is ever set.
 */
import { actorMistakes } from '../actors/mistakes.ts';

/** What shows only where most copies of something are lost, and that is accepted. */
export const lossMistakes = ['accepted loss begins with the first answer', 'store given up is let in again'] as const;

export const protocolMistakes = [
  // replica
  'no fence on append',
  'no fence on promise',
  'promise same epoch to two owners',
  'append does not raise promised',
  'promise answered before fsync',
  'append acknowledged before fsync',
  'stale append truncates',
  'previous not checked',
  'commit taken beyond what matches',
  'read check always fine',
  'repair not verified',
  'forgets by grace time alone',
  // owner
  'seal with one answer too few',
  'seal takes the longest log of any epoch',
  'resume the same epoch after restart',
  'serve before activate',
  'commit before activate',
  'commit on one replica too few',
  'own acknowledgement before own fsync',
  'commit counts learners',
  'no read check for queries',
  'fenced owner goes on',
  'epoch start not awaited',
  // routing
  'retry without search',
  'late first attempt not searched',
  'lane stays open after a refusal',
  'retries in another order',
  'answer of another lane taken',
  'relayed command not searched',
  // start
  'old image trusted',
  // map
  'assign without after',
  'learner promoted before it has caught up',
  ...lossMistakes,
  ...actorMistakes,
] as const;

export type ProtocolMistake = (typeof protocolMistakes)[number];

/** Whether the mistake is made. */
export type Mistaken = (mistake: ProtocolMistake) => boolean;

export const noMistakes: Mistaken = () => false;
