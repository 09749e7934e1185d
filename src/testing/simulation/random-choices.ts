/** Choices drawn from a {@link Random}. */
import { assert } from '../../core/assert.ts';
import type { Random } from '../../core/random.ts';

/** True once in 1 / `probability` draws. */
export function chance(random: Random, probability: number): boolean {
  return random.next() < probability;
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random.next() * (most - least + 1));
}

/** A number whose order of magnitude is even between `least` and `most`: as many short ones as long ones. */
export function spread(random: Random, least: number, most: number): number {
  return least * (most / least) ** random.next();
}

export function pick<T>(random: Random, list: readonly T[]): T {
  assert(list.length > 0, 'there is something to pick');
  return list[Math.floor(random.next() * list.length)]!;
}

/** `count` different ones, in random order. */
export function pickSome<T>(random: Random, list: readonly T[], count: number): T[] {
  const rest = [...list];
  const picked: T[] = [];
  while (picked.length < count && rest.length > 0) picked.push(rest.splice(between(random, 0, rest.length - 1), 1)[0]!);
  return picked;
}
