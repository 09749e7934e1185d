/**
 * How many of a replica set must answer. W replicas hold what is acknowledged; S replicas answer a seal. W + S > R, so
 * every seal meets every acknowledged record; W + W > R, so two owners cannot both write.
 */
import { assert } from '../../core/assert.ts';

/** W = ⌊R/2⌋ + 1: replicas that must have a record on disk before it is acknowledged. */
export function writeQuorum(replicas: number): number {
  assert(replicas >= 1, () => `a replica set has at least one store, got ${replicas}`);
  return Math.floor(replicas / 2) + 1;
}

/** S = R − W + 1: replicas that must promise a new epoch, so that together they hold everything acknowledged. */
export function sealQuorum(replicas: number): number {
  return replicas - writeQuorum(replicas) + 1;
}
