/**
 * Deliberate mistakes of the actor runtime, switched on by name in the simulator only: each must be caught by its checks
 * (`npm run mutants`). In production none is ever made.
 */
export const actorMistakes = [
  'tick under a new id at every try',
  'tick recorded without its next time',
  'reminder recorded and not forgotten',
  'wakes of before not read by a new owner',
] as const;

export type ActorMistake = (typeof actorMistakes)[number];

/** Whether the mistake is made. */
export type ActorMistaken = (mistake: ActorMistake) => boolean;
