/**
 * One run: a world from its seed, a cluster in it, clients, faults, a quiet end, and the checks. Everything that was
 * promised has to hold through it, whatever the seed made of it.
 */
import { failureDetectorDefaults } from '../../cluster/membership/failure-detector.ts';
import { whileWatched } from './drain.ts';
import { FaultDriver } from './fault-driver.ts';
import { type FaultSchedule, randomSchedule, scheduleOf } from './fault-schedule.ts';
import type { PlannedFault } from './faults.ts';
import { Invariants } from './invariants.ts';
import { checkPromises, tellsUnderWay } from './promises.ts';
import { checkReminders, countReminders, overdueAfterMs, overdueReminders } from './reminder-promises.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { ClusterKind } from './simulated-node.ts';
import { machineNames, type SimulationOutcome, Trial } from './trial.ts';
import { randomTuning, type Tuning } from './tuning.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly cluster: ClusterKind;
  readonly seed: number;
  readonly nodes: number;
  /** Virtual minutes with faults. */
  readonly minutes: number;
  readonly mistake?: string | undefined;
  /** Instead of what the seed draws. */
  readonly tuning?: Partial<Tuning> | undefined;
  readonly faults?: readonly PlannedFault[] | undefined;
  /** Where clients send everything; any node, unless it is said. */
  readonly through?: readonly string[] | undefined;
  /** Told every line of the trace. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** A new cluster has formed within this. */
export const formsWithinMs = 60_000;
/**
 * After everything healed, every shard serves again within this (I12), and every node is taken for a member that is up: one
 * that fell again and again just before is not believed for `failureDetectorDefaults.trustMaxMs`, so long, and not longer.
 */
export const servesWithinMs = 60_000 + failureDetectorDefaults.trustMaxMs;
/** After that, what actors told each other has arrived within this. */
const tellsArriveWithinMs = 60_000;
/** And so long nobody touches anything, so that reminders that are due tick by themselves: reading an actor wakes it. */
const untouchedMs = overdueAfterMs + 10_000;
const rebuildLookEveryMs = 1_000;
/** Machines that may join later. */
const spareCount = 2;

export async function simulate(options: SimulationOptions): Promise<SimulationOutcome> {
  const simulation = new Simulation(options);
  return await whileWatched(
    () => simulation.run(),
    (error) => simulation.defect(error),
  );
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #tuning: Tuning;
  readonly #cluster: SimulatedCluster;
  readonly #workload: Workload;
  readonly #driver: FaultDriver;
  readonly #invariants: Invariants;
  readonly #schedule: FaultSchedule;
  readonly #trial: Trial;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new World(options.seed, { onLine: options.onLine });
    this.#trial = new Trial(this.#world);
    const nodes = machineNames(options.nodes);
    this.#tuning = { ...randomTuning(this.#world.random('tuning'), options.nodes), ...options.tuning };
    const under = options.cluster.create({
      world: this.#world,
      nodes,
      tuning: this.#tuning,
      mistake: options.mistake,
    });
    this.#cluster = new SimulatedCluster(this.#world, under, this.#tuning);
    for (const name of nodes) this.#cluster.addMachine(name);
    this.#workload = new Workload(this.#cluster, this.#tuning, options.through);
    this.#driver = new FaultDriver(this.#cluster);
    this.#invariants = new Invariants();
    const drawn = randomSchedule(this.#world.random('faults'), {
      nodes,
      spares: machineNames(options.nodes + spareCount).slice(options.nodes),
      survives: under.survives,
      startMs: 5_000,
      endMs: options.minutes * 60_000,
    });
    this.#schedule = options.faults ? scheduleOf(options.faults) : drawn;
  }

  defect(error: unknown): void {
    this.#trial.found('defect', String(error));
    this.#world.stop();
  }

  async run(): Promise<SimulationOutcome> {
    const endMs = this.#options.minutes * 60_000;
    this.#world.onStep(() => this.#look());
    this.#watchRebuilds();
    for (const name of this.#cluster.names) this.#cluster.boot(name);
    if (await this.#trial.comes('a new cluster forms', () => this.#cluster.everyoneServes, formsWithinMs)) {
      this.#driver.plan(this.#schedule.faults);
      const clients = this.#workload.start();
      await this.#world.run(endMs);
      this.#workload.end();
      this.#driver.healAll();
      await this.#trial.comes('every shard serves again', () => this.#cluster.everyoneServes, servesWithinMs);
      await this.#trial.lets(clients);
      await this.#readLast();
    }
    return this.#outcome();
  }

  async #readLast(): Promise<void> {
    if (this.#cluster.cluster.hasReminders) await this.#world.run(this.#world.nowMs + untouchedMs);
    const sinceMs = this.#world.nowMs;
    const { leastMs } = this.#cluster.wallBetween(sinceMs, sinceMs, this.#cluster.names);
    for (let isFirst = true; ; isFirst = false) {
      const reading = this.#workload.readAll();
      await this.#trial.lets(reading);
      if (this.#world.isStopped) return;
      for (const what of await reading) this.#trial.found('I12', `everything has healed, and yet: ${what}`);
      const underWay = tellsUnderWay(this.#workload.last);
      if (isFirst)
        for (const what of overdueReminders(this.#workload.last, leastMs))
          this.#trial.found('I12', `everything has healed, and yet ${what}`);
      if (underWay === 0 || this.#trial.violations.length > 0) return;
      if (this.#world.nowMs >= sinceMs + tellsArriveWithinMs) {
        this.#trial.found('P2', `${underWay} tells that were recorded never arrived`);
        return;
      }
      await this.#world.run(this.#world.nowMs + 5_000);
    }
  }

  #watchRebuilds(): void {
    this.#world.after(rebuildLookEveryMs, () => {
      this.#cluster.noteRebuilt();
      this.#watchRebuilds();
    });
  }

  #look(): void {
    for (const what of this.#cluster.violations.splice(0)) this.#trial.found('defect', what);
    for (const { invariant, what } of this.#invariants.look(this.#cluster.inspected()))
      this.#trial.found(invariant, what);
    if (this.#trial.violations.length > 0) this.#world.stop();
  }

  #outcome(): SimulationOutcome {
    const { history, last } = this.#workload;
    let undecided = 0;
    if (this.#trial.violations.length === 0) {
      const findings = checkPromises({ history, last, health: this.#cluster.health });
      undecided = findings.undecided;
      const wall = (fromMs: number, toMs: number) => this.#cluster.wallBetween(fromMs, toMs);
      const reminding = checkReminders({ history, last, wall });
      for (const { promise, what } of [...findings.violations, ...reminding]) this.#trial.found(promise, what);
    }
    for (const [what, count] of countReminders(last)) this.#cluster.counters.count(`reminder ${what}`, count);
    return this.#trial.outcome({
      seed: this.#options.seed,
      cluster: this.#cluster,
      history,
      schedule: this.#schedule,
      tuning: this.#tuning,
      undecided,
    });
  }
}
