/** Majorities, and how a set of voters may change: by one, so that every old majority meets every new one. */
import type { StoreId } from '../../core/ids.ts';

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Whether a majority of the voters is such. Nothing is a majority of nobody. */
export function isMajority(voters: readonly StoreId[], isSuch: (voter: StoreId) => boolean): boolean {
  return voters.length > 0 && voters.filter(isSuch).length >= majorityOf(voters.length);
}

/** The highest index that a majority of the voters holds. */
export function majorityIndex(voters: readonly StoreId[], indexOf: (voter: StoreId) => number): number {
  if (voters.length === 0) return 0;
  const descending = voters.map(indexOf).sort((a, b) => b - a);
  return descending[majorityOf(voters.length) - 1]!;
}

/** Whether one voter was added, or one was removed, and somebody is left. */
export function isOneChange(from: readonly StoreId[], to: readonly StoreId[]): boolean {
  if (to.length === 0 || new Set(to).size !== to.length) return false;
  const added = to.filter((voter) => !from.includes(voter)).length;
  const removed = from.filter((voter) => !to.includes(voter)).length;
  return added + removed === 1;
}
