/**
 * Numbers that tell a node's messages apart from those of its former lives. An answer may outlive its asker: a slow owner
 * answers what a process asked that died, and its next life, which also counts from one, must not take it for its own.
 * (Found in simulation: after two quick restarts a command was given the reply of another.)
 */

/** What is counted in one life stays below. Times the boots of a store, it is still a safe integer. */
const perLife = 2 ** 32;

/** The number before the first one of a life. */
export function beforeFirst(boot: number): number {
  return boot * perLife;
}
