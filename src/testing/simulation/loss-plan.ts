/**
 * A loss, drawn from the seed: which machines lose their disks at about the same time, what becomes of each, and when the
 * operator begins to ask for the loss to be accepted. Pure, but for the randomness it is handed.
 */
import { sealQuorum } from '../../cluster/membership/quorum.ts';
import type { Random } from '../../core/random.ts';
import { between, chance, pick, pickSome, spread } from './random-choices.ts';

/** What becomes of a machine that went down in the loss. */
export type Fate =
  /** Its disk is destroyed; it starts on an empty one some time later. */
  | { readonly type: 'wiped'; readonly backAfterMs: number }
  /** Its disk was whole all the time: it starts on it some time later, or once all is over. */
  | { readonly type: 'returns'; readonly backAfterMs: number | undefined }
  /** It is gone for good. */
  | { readonly type: 'gone' };

export interface Victim {
  readonly name: string;
  /** After the first of them. */
  readonly afterMs: number;
  readonly fate: Fate;
}

/**
 * Draws victims so that of one of the sets too few copies are left, and at least one machine.
 *
 * At most one machine whose disk was whole comes back before all is over: each majority that it could be part of has to
 * have one of those who were left. Two of them might go on by themselves, with what they remember, as long as they meet
 * nobody else, which is what an operator is warned of (docs/cluster.md).
 */
export function randomVictims(
  random: Random,
  names: readonly string[],
  copySets: readonly (readonly string[])[],
): readonly Victim[] {
  const set = pick(
    random,
    copySets.filter(({ length }) => length > 1),
  );
  const fewest = set.length - sealQuorum(set.length) + 1;
  const most = Math.min(set.length, names.length - 1);
  const lost = pickSome(random, set, chance(random, 0.7) ? fewest : between(random, fewest, most));
  const others = names.filter((name) => !lost.includes(name));
  if (others.length > 1 && chance(random, 0.2)) lost.push(pick(random, others));
  const isAtOnce = chance(random, 0.5);
  let mayReturnEarly = true;
  return lost.map((name) => {
    const fate = randomFate(random, mayReturnEarly);
    if (fate.type === 'returns' && fate.backAfterMs !== undefined) mayReturnEarly = false;
    return { name, afterMs: isAtOnce ? 0 : spread(random, 1, 3_000), fate };
  });
}

function randomFate(random: Random, mayReturnEarly: boolean): Fate {
  const dice = random.next();
  if (dice < 0.45) return { type: 'wiped', backAfterMs: spread(random, 1_000, 90_000) };
  if (dice < 0.65) return { type: 'gone' };
  const backAfterMs = mayReturnEarly && chance(random, 0.7) ? spread(random, 10_000, 120_000) : undefined;
  return { type: 'returns', backAfterMs };
}
