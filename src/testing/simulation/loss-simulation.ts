/**
 * One run with a loss: most copies of some shards are destroyed at about the same time, an operator accepts it, and the
 * cluster goes on, while everything else goes wrong as always.
 *
 * What has to hold: every shard serves again (I12); the invariants, among the stores that are left, from the loss on; no
 * store that was given up ever serves an epoch from after it; and `loss-promises.ts` about what is there in the end. Shards
 * of which enough copies were left lose nothing, whether or not the control log went on.
 */
import { actorHash } from '../../core/hash.ts';
import type { Random } from '../../core/random.ts';
import { whileWatched } from './drain.ts';
import { FaultDriver } from './fault-driver.ts';
import { type FaultSchedule, randomSchedule } from './fault-schedule.ts';
import type { FaultKind } from './faults.ts';
import { Invariants, type Looked } from './invariants.ts';
import { LossOperator } from './loss-operator.ts';
import { randomVictims, type Victim } from './loss-plan.ts';
import { checkAfterLoss } from './loss-promises.ts';
import { chance, pick, spread } from './random-choices.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { formsWithinMs, type SimulationOptions, servesWithinMs } from './simulation.ts';
import { machineNames, type SimulationOutcome, Trial } from './trial.ts';
import { randomTuning, type Tuning } from './tuning.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** What else goes wrong destroys no disk, and changes no members. */
const leftOut: ReadonlySet<FaultKind> = new Set(['damage', 'wipe', 'oldImage', 'join', 'drain', 'remove']);
/** The disks are lost at some time from then on, after the cluster has worked for a while; within so long. */
const lossFromMs = 15_000;
const lossWithinMs = 30_000;
/** How often those who will be left are cut off before. */
const leftBehind = 0.7;
/** A store that was given up, and comes back, meets somebody who knows within this. */
const endsWithinMs = 60_000;

export async function simulateLoss(options: SimulationOptions): Promise<SimulationOutcome> {
  const simulation = new LossSimulation(options);
  return await whileWatched(
    () => simulation.run(),
    (error) => simulation.defect(error),
  );
}

class LossSimulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #trial: Trial;
  readonly #random: Random;
  readonly #tuning: Tuning;
  readonly #cluster: SimulatedCluster;
  readonly #workload: Workload;
  readonly #driver: FaultDriver;
  readonly #invariants = new Invariants();
  readonly #schedule: FaultSchedule;
  #victims: readonly Victim[] = [];
  /** By machine: the store that is gone, or not to be had, as far as the operator knows. */
  readonly #away = new Map<string, string>();
  #lostAtMs = Number.POSITIVE_INFINITY;
  /** Of these too few copies were left. */
  #lostShards: ReadonlySet<number> = new Set();
  /** By shard: the epoch in which its loss was accepted. */
  readonly #accepted = new Map<number, number>();

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new World(options.seed, { onLine: options.onLine });
    this.#trial = new Trial(this.#world);
    this.#random = this.#world.random('loss');
    const nodes = machineNames(options.nodes);
    const drawn = randomTuning(this.#world.random('tuning'), options.nodes);
    const replicas = options.nodes >= 5 ? pick(this.#random, [2, 3, 3, 5]) : drawn.replicas;
    this.#tuning = { ...drawn, replicas, ...options.tuning };
    const { mistake } = options;
    const under = options.cluster.create({ world: this.#world, nodes, tuning: this.#tuning, mistake });
    this.#cluster = new SimulatedCluster(this.#world, under, this.#tuning);
    for (const name of nodes) this.#cluster.addMachine(name);
    this.#workload = new Workload(this.#cluster, this.#tuning, options.through, Number.POSITIVE_INFINITY);
    this.#driver = new FaultDriver(this.#cluster);
    this.#schedule = randomSchedule(this.#world.random('faults'), {
      nodes,
      spares: [],
      survives: new Set([...under.survives].filter((kind) => !leftOut.has(kind))),
      startMs: 5_000,
      endMs: options.minutes * 60_000,
    });
  }

  defect(error: unknown): void {
    this.#trial.found('defect', error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.#world.stop();
  }

  async run(): Promise<SimulationOutcome> {
    this.#world.onStep(() => this.#look());
    for (const name of this.#cluster.names) this.#cluster.boot(name);
    if (await this.#trial.comes('a new cluster forms', () => this.#cluster.everyoneServes, formsWithinMs)) {
      this.#driver.plan(this.#schedule.faults);
      const clients = this.#workload.start();
      await this.#world.run(spread(this.#random, lossFromMs, lossFromMs + lossWithinMs));
      const operator = await this.#lose();
      await this.#world.run(this.#options.minutes * 60_000);
      this.#workload.end();
      operator.becomeQuiet();
      this.#driver.healAll();
      await this.#trial.comes('every shard serves again', () => this.#cluster.everyoneServes, servesWithinMs);
      await this.#trial.lets(clients);
      this.#bringBackTheRest();
      await this.#trial.comes('stores that were given up end', () => this.#nobodyIsBack(), endsWithinMs);
      await this.#trial.comes('every shard serves still', () => this.#cluster.everyoneServes, servesWithinMs);
      const reading = this.#workload.readAll();
      await this.#trial.lets(reading);
      if (!this.#world.isStopped)
        for (const what of await reading) this.#trial.found('I12', `everything has healed, and yet: ${what}`);
    }
    return this.#outcome();
  }

  // ---- the loss ---------------------------------------------------------------------------------------------

  async #lose(): Promise<LossOperator> {
    const { names } = this.#cluster;
    this.#victims = randomVictims(this.#random, names, this.#cluster.cluster.copySets());
    const down = this.#victims.map(({ name }) => name);
    const left = names.filter((name) => !down.includes(name));
    if (chance(this.#random, leftBehind)) await this.#leaveBehind(left);
    for (const { name, afterMs } of this.#victims) this.#world.after(afterMs, () => this.#takeDown(name));
    await this.#world.run(this.#world.nowMs + Math.max(...this.#victims.map(({ afterMs }) => afterMs)));
    this.#lostAtMs = this.#world.nowMs;
    this.#lostShards = new Set(this.#cluster.cluster.lostWith!(down));
    this.#world.note('loss', `of ${down.join()}: shards ${[...this.#lostShards].join()} are lost`);
    this.#cluster.counters.count('shards lost', this.#lostShards.size);
    // Whoever tries again what was first tried before an accepted loss may have it done twice.
    this.#workload.abandon();
    for (const { name, fate } of this.#victims)
      if (fate.type !== 'gone' && fate.backAfterMs !== undefined)
        this.#world.after(fate.backAfterMs, () => this.#bringBack(name));
    const operator = new LossOperator({
      cluster: this.#cluster,
      random: this.#world.random('operator'),
      lost: () => this.#believedLost(),
      left,
    });
    this.#world.after(this.#tuning.attemptTimeoutMs + spread(this.#random, 2_000, 30_000), () => operator.start());
    return operator;
  }

  /** Those who will be left hear nothing for a while: what is decided and acknowledged meanwhile will be lost. */
  async #leaveBehind(side: readonly string[]): Promise<void> {
    const forMs = spread(this.#random, 100, 15_000);
    const { nowMs } = this.#world;
    const fault = { type: 'partition', side, forMs: forMs + spread(this.#random, 1_000, 10_000) } as const;
    this.#driver.plan([{ atMs: nowMs, fault }]);
    await this.#world.run(nowMs + forMs);
  }

  /** Not what was given up already: under its name there may be another store since. */
  #believedLost(): readonly string[] {
    const losses = this.#cluster.cluster.acceptedLosses!();
    return [...this.#away].flatMap(([name, store]) => (losses.isGivenUp(store) ? [] : [name]));
  }

  #takeDown(name: string): void {
    this.#cluster.giveUp(name);
    this.#away.set(name, this.#cluster.disk(name)!.storeId);
    const { fate } = this.#victims.find((victim) => victim.name === name)!;
    this.#cluster.counters.count(`disk ${fate.type === 'returns' ? 'out of reach' : 'destroyed'}`);
    if (fate.type !== 'returns') this.#cluster.disk(name)!.wipe();
  }

  /** An operator who sees the disk again does not take it for lost. An empty one does not bring back what was lost. */
  #bringBack(name: string): void {
    const { fate } = this.#victims.find((victim) => victim.name === name)!;
    if (fate.type === 'gone' || this.#cluster.names.includes(name)) return;
    if (fate.type === 'returns') this.#away.delete(name);
    this.#world.note(name, `comes back: ${fate.type}`);
    this.#cluster.counters.count(`came back: ${fate.type}${this.#accepted.size > 0 ? ', after it was accepted' : ''}`);
    this.#cluster.takeUp(name);
  }

  #bringBackTheRest(): void {
    for (const { name, fate } of this.#victims)
      if (fate.type === 'returns' && fate.backAfterMs === undefined) this.#bringBack(name);
  }

  /** None of those who run was given up. */
  #nobodyIsBack(): boolean {
    const losses = this.#cluster.cluster.acceptedLosses!();
    return this.#cluster.inspected().every(({ inspection }) => !losses.isGivenUp(inspection.storeId));
  }

  // ---- checks -----------------------------------------------------------------------------------------------

  #look(): void {
    for (const what of this.#cluster.violations.splice(0)) this.#trial.found('defect', what);
    const looked = this.#cluster.inspected();
    const losses = this.#cluster.cluster.acceptedLosses!();
    for (const [shard, epoch] of losses.epochs) {
      if (this.#accepted.get(shard) === epoch) continue;
      this.#accepted.set(shard, epoch);
      if (this.#lostShards.has(shard)) this.#invariants.lossAccepted(shard, epoch);
    }
    const counts: Looked[] = [];
    for (const each of looked) {
      if (losses.isGivenUp(each.inspection.storeId)) this.#lookAtGivenUp(each);
      else counts.push(each);
    }
    for (const { invariant, what } of this.#invariants.look(counts)) this.#trial.found(invariant, what);
    if (this.#trial.violations.length > 0) this.#world.stop();
  }

  /** Nobody serves the other side of a loss. */
  #lookAtGivenUp({ inspection }: Looked): void {
    for (const { shard, servesEpoch } of inspection.shards)
      if (servesEpoch !== undefined && servesEpoch >= (this.#accepted.get(shard) ?? Number.POSITIVE_INFINITY))
        this.#trial.found(
          'I3',
          `${inspection.storeId} was given up, and serves shard ${shard} in epoch ${servesEpoch}`,
        );
  }

  #outcome(): SimulationOutcome {
    const { history, last } = this.#workload;
    const { counters } = this.#cluster;
    counters.count('shards whose loss was accepted', this.#accepted.size);
    counters.count(`runs with${this.#accepted.size === 0 ? 'out' : ''} an accepted loss`);
    if (this.#trial.violations.length === 0) {
      const { shardCount } = this.#tuning;
      const mayHaveLost = (actor: string) => {
        const [type, id] = actor.split('/') as [string, string];
        const shard = actorHash(type, id) % shardCount;
        return this.#lostShards.has(shard) && this.#accepted.has(shard);
      };
      const findings = checkAfterLoss({
        operations: history.operations,
        last,
        lostAtMs: this.#lostAtMs,
        mayHaveLost,
      });
      for (const { promise, what } of findings.violations) this.#trial.found(promise, what);
      counters.count('tokens lost', findings.lost);
      counters.count('tokens kept of lost shards', findings.kept);
      counters.count('tokens kept elsewhere', findings.elsewhere);
    }
    return this.#trial.outcome({
      seed: this.#options.seed,
      cluster: this.#cluster,
      history,
      schedule: this.#schedule,
      tuning: this.#tuning,
      undecided: 0,
    });
  }
}
