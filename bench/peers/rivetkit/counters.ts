import type { KeyChoice } from '../../../src/bench/load/keys.ts';

/**
 * Fewer than of the others, which is to its advantage: its engine started three to seven actors a second on two cores, so
 * that the usual number of them would take half an hour.
 */
export const counters: KeyChoice = { count: 64, distribution: 'uniform' };
