/**
 * Quorums of a replica set. Every write quorum meets every seal quorum, so whoever sealed a set knows everything that was
 * acknowledged on it.
 *
 *     replicas     1  2  3  4  5
 *     write        1  2  2  3  3
 *     seal         1  1  2  2  3
 */

/** Replicas that must hold a record before it is acknowledged. */
export function writeQuorum(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

/** Replicas that must have promised a new epoch before it may begin. */
export function sealQuorum(replicas: number): number {
  return replicas - writeQuorum(replicas) + 1;
}
