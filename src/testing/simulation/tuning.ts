/**
 * How one world is set up, drawn from its seed: speeds, sizes, limits. Small limits make rare paths common; each world
 * draws its own, so that no single setting hides a mistake in all of them (swarm testing, Groce et al. 2012).
 */
import type { Random } from '../../core/random.ts';
import { between, chance, pick, spread } from './random-choices.ts';

export interface Tuning {
  readonly shardCount: number;
  /** Copies of each shard's log. */
  readonly replicas: number;
  /** Actors in memory per node: few, so that they come and go all the time. */
  readonly maxActive: number;
  readonly passivateAfterMs: number;
  /** What an fsync usually takes. */
  readonly syncMs: number;
  /** What a message usually takes. */
  readonly networkMs: number;
  /** Clients at the same time. */
  readonly clients: number;
  /** What a client usually waits between two commands. */
  readonly thinkMs: number;
  /** How long a client waits for one attempt. */
  readonly attemptTimeoutMs: number;
  /** Up to this much the clocks of two machines may differ in speed, in millionths. */
  readonly driftMillionths: number;
  /** How long a copy of a shard that moved away is kept. */
  readonly forgetAfterMs: number;
}

export function randomTuning(random: Random, nodes: number): Tuning {
  return {
    shardCount: pick(random, [1, 2, 4, 8]),
    replicas: nodes >= 5 && chance(random, 0.5) ? 5 : Math.min(3, nodes),
    maxActive: chance(random, 0.7) ? between(random, 1, 6) : 1_000,
    passivateAfterMs: spread(random, 50, 60_000),
    syncMs: spread(random, 0.2, 20),
    networkMs: spread(random, 0.1, 20),
    clients: between(random, 2, 6),
    thinkMs: chance(random, 0.4) ? spread(random, 10, 200) : spread(random, 200, 4_000),
    attemptTimeoutMs: pick(random, [1_000, 5_000, 5_000, 20_000]),
    driftMillionths: pick(random, [0, 50, 500, 20_000]),
    forgetAfterMs: spread(random, 1, 20_000),
  };
}
