/**
 * An operator after a loss: looks again and again, through whatever node is there, and where shards stopped accepts the
 * loss, naming the machines whose disks are lost to the best of their knowledge. Asks twice at times; and at times a node
 * crashes while it is being asked.
 */
import { GreenroomError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { chance, pick, pickSome, spread } from './random-choices.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

export interface LossOperatorOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Random;
  /** The machines whose disks are believed lost, as of now. */
  readonly lost: () => readonly string[];
  /** The machines that were not hit. */
  readonly left: readonly string[];
}

export class LossOperator {
  readonly #options: LossOperatorOptions;
  #mayCrash = true;

  constructor(options: LossOperatorOptions) {
    this.#options = options;
  }

  /** Begins to look, and goes on until the world ends. */
  start(): void {
    this.#look();
    this.#options.cluster.world.after(spread(this.#options.random, 1_000, 8_000), () => this.start());
  }

  /** Nothing crashes any more because of what is asked. */
  becomeQuiet(): void {
    this.#mayCrash = false;
  }

  #look(): void {
    const { cluster, random, left } = this.#options;
    const running = left.filter((name) => cluster.node(name));
    if (running.length === 0) return;
    const asked = pickSome(random, running, chance(random, 0.3) ? 2 : 1);
    for (const name of asked) this.#ask(name);
    if (chance(random, 0.1)) this.#ask(asked[0]!);
    if (!this.#mayCrash || !chance(random, 0.25)) return;
    const crashing = pick(random, chance(random, 0.7) ? asked : left);
    cluster.world.after(spread(random, 1, 3_000), () => {
      if (!this.#mayCrash || !cluster.machine(crashing)!.life) return;
      cluster.counters.count('crashed while a loss was accepted');
      cluster.kill(crashing);
      cluster.world.after(spread(random, 100, 10_000), () => cluster.boot(crashing));
    });
  }

  #ask(name: string): void {
    const { cluster, random, lost } = this.#options;
    const life = cluster.machine(name)?.life;
    cluster.world.after(
      0,
      () => {
        const recovery = cluster.node(name)?.recovery;
        const { decides, shards } = recovery?.info() ?? { decides: true, shards: [] };
        if (!recovery || (decides && shards.length === 0)) return;
        const known = shards.map(({ shard }) => shard);
        const request = { lost: lost(), ...(chance(random, 0.2) ? { shards: known } : {}) };
        cluster.world.note(name, `is asked to accept the loss of ${request.lost.join()}`);
        recovery.accept(request).then(
          ({ shards: accepted, controlLog }) => {
            cluster.world.note(name, `accepted: shards ${accepted.join()}${controlLog ? ', control log' : ''}`);
            if (controlLog) cluster.counters.count('control log begun anew');
            else cluster.counters.count(accepted.length > 0 ? 'loss accepted' : 'nothing left to accept');
          },
          (error: unknown) => {
            if (!(error instanceof GreenroomError)) {
              cluster.violations.push(`${name}: accepting a loss failed with ${String(error)}`);
              return;
            }
            cluster.counters.count(`loss not accepted: ${error.code}`);
            cluster.world.note(name, `does not accept the loss: ${error.message}`);
          },
        );
      },
      life,
    );
  }
}
