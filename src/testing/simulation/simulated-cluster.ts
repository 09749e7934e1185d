/**
 * The machines of one world and the processes on them: boots, kills and restarts nodes, and is the network between
 * clients and nodes. Clients reach every node whose process lives; what a process had not answered when it died is a
 * broken connection to them.
 */
import type { CommandAnswer, CommandRequest } from '../../cluster/gateway.ts';
import { assert } from '../../core/assert.ts';
import { GreenroomError, Rejection } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Random } from '../../core/random.ts';
import { Counters } from './counters.ts';
import { FaultBudget } from './fault-budget.ts';
import { Health } from './health.ts';
import type { Looked } from './invariants.ts';
import { type Life, Machine, type WallSpan } from './machine.ts';
import { between, chance } from './random-choices.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import type { ClusterUnderTest, SimulatedNode } from './simulated-node.ts';
import type { Tuning } from './tuning.ts';
import type { World } from './world.ts';

/** What became of one attempt to have a command executed. */
export type Attempt =
  | { readonly type: 'answer'; readonly answer: CommandAnswer }
  | { readonly type: 'error'; readonly error: GreenroomError | Rejection }
  /** Nobody listens: not executed. */
  | { readonly type: 'refused' }
  /** The connection broke, or nothing came in time. */
  | { readonly type: 'silence' };

interface Place {
  readonly machine: Machine;
  readonly disk: SimulatedDisk;
  node: SimulatedNode | undefined;
  /** It is not to be started again. */
  isGivenUp: boolean;
  /** Down since a fault made it so; ends when it runs again. */
  endTrouble: (() => void) | undefined;
}

/** How long a process that failed takes to end, at most. */
const exitMsMax = 500;
/** How long a process takes to come up, at most. */
const bootMsMax = 200;
/** When a node that could not start is started once more. */
const startAgainMs = 2_000;

export class SimulatedCluster {
  readonly world: World;
  readonly cluster: ClusterUnderTest;
  readonly budget: FaultBudget;
  readonly health: Health;
  readonly counters = new Counters();
  /** What must never happen, and did. */
  readonly violations: string[] = [];
  readonly #random: Random;
  readonly #tuning: Tuning;
  readonly #places = new Map<string, Place>();

  constructor(world: World, cluster: ClusterUnderTest, tuning: Tuning) {
    this.world = world;
    this.cluster = cluster;
    this.#tuning = tuning;
    this.#random = world.random('machines');
    this.budget = new FaultBudget(() => cluster.copySets());
    this.health = new Health(
      () => world.nowMs,
      () => cluster.copySets(),
      (machine) => this.budget.destroyed.has(machine),
    );
  }

  /** Machines that are part of it, running or not. */
  get names(): readonly string[] {
    return [...this.#places].filter(([, { isGivenUp }]) => !isGivenUp).map(([name]) => name);
  }

  get everyoneServes(): boolean {
    return this.names.every((name) => this.node(name)?.isServing);
  }

  /** What every running node shows of itself. */
  inspected(): readonly Looked[] {
    const looked: Looked[] = [];
    for (const [name, { node }] of this.#places)
      if (node) looked.push({ inspection: node.inspect(), isDestroyed: this.budget.destroyed.has(name) });
    return looked;
  }

  /** Gives back to the budget what has been rebuilt. */
  noteRebuilt(): void {
    for (const name of this.budget.destroyed) {
      if (this.#place(name).isGivenUp ? !this.budget.isFree(name) : !this.cluster.isRebuilt?.(name)) continue;
      this.world.note(name, 'is rebuilt');
      this.budget.rebuilt(name);
      this.health.rebuilt();
    }
  }

  node(name: string): SimulatedNode | undefined {
    return this.#places.get(name)?.node;
  }

  machine(name: string): Machine | undefined {
    return this.#places.get(name)?.machine;
  }

  disk(name: string): SimulatedDisk | undefined {
    return this.#places.get(name)?.disk;
  }

  /** What the wall clocks of the machines showed between two of the world's times; of all that ever were part, or of those that are. */
  wallBetween(fromMs: number, toMs: number, names: Iterable<string> = this.#places.keys()): WallSpan {
    const spans = [...names].flatMap((name) => this.#place(name).machine.wallBetween(fromMs, toMs) ?? []);
    return {
      leastMs: Math.min(...spans.map(({ leastMs }) => leastMs)),
      mostMs: Math.max(...spans.map(({ mostMs }) => mostMs)),
    };
  }

  /** Sets up a machine with an empty disk. */
  addMachine(name: string): void {
    const drift = (this.#tuning.driftMillionths * (2 * this.#random.next() - 1)) / 1_000_000;
    const machine = new Machine(this.world, {
      name,
      rate: 1 + drift,
      wallOffsetMs: between(this.#random, -2_000, 2_000),
      onDefect: (error) => this.#becomeDefect(name, error),
    });
    const disk = new SimulatedDisk(this.world, { name, syncMs: this.#tuning.syncMs });
    disk.onFailure = () => this.#diskFailed(name);
    this.#places.set(name, { machine, disk, node: undefined, isGivenUp: false, endTrouble: undefined });
  }

  /** Starts a machine's process unless it runs; it is up a little later. */
  boot(name: string): void {
    const place = this.#place(name);
    if (place.machine.life || place.isGivenUp) return;
    const life = place.machine.boot();
    this.world.note(name, `starts (life ${life.number})`);
    this.world.after(between(this.#random, 1, bootMsMax), () => void this.#start(name, place, life), life);
  }

  /** The process is gone without a word. */
  kill(name: string): void {
    const place = this.#place(name);
    if (!place.machine.life) return;
    this.world.note(name, 'is gone');
    place.endTrouble ??= this.health.trouble([name]);
    place.node = undefined;
    this.cluster.network.crash(name);
    place.machine.crash();
  }

  /** It is not started again. */
  giveUp(name: string): void {
    this.kill(name);
    const place = this.#place(name);
    place.isGivenUp = true;
    place.endTrouble ??= this.health.trouble([name]);
    this.world.note(name, 'is given up');
  }

  /** A machine that was given up is started again after all, on the disk that it has now. */
  takeUp(name: string): void {
    this.#place(name).isGivenUp = false;
    this.boot(name);
  }

  /** SIGTERM: the node stops in order; `whenGone` is called when its process has ended, whatever became of the stop. */
  stop(name: string, whenGone: () => void): void {
    const { node, machine } = this.#place(name);
    const { life } = machine;
    if (!node || !life) {
      whenGone();
      return;
    }
    this.world.note(name, 'is told to stop');
    life.onEnd(whenGone);
    const end = () => {
      if (!life.isOver) this.kill(name);
    };
    this.world.after(
      0,
      () => {
        node.stop().then(end, (error) => {
          this.#violate(name, `its stop failed: ${String(error)}`);
          end();
        });
      },
      life,
    );
  }

  /** Attempts of one client through one node, `gapMs` apart, which reach it in this order if they reach it. */
  attempts(name: string, requests: readonly CommandRequest[], gapMs: number): readonly Promise<Attempt>[] {
    const delayMs = this.#clientMs();
    return requests.map((request, index) => this.attempt(name, request, delayMs + index * gapMs));
  }

  /** A client's attempt through one node. Resolves by `timeoutMs` plus a little at the latest. */
  attempt(name: string, request: CommandRequest, delayMs = this.#clientMs()): Promise<Attempt> {
    return new Promise((resolve) => {
      const answer = (attempt: Attempt) => void this.world.after(this.#clientMs(), () => resolve(attempt));
      this.world.after(delayMs + request.timeoutMs + 2_000, () => resolve({ type: 'silence' }));
      this.world.after(delayMs, () => {
        const { machine } = this.#place(name);
        const { life } = machine;
        if (!life) {
          answer({ type: 'refused' });
          return;
        }
        life.onEnd(() => answer({ type: 'silence' }));
        this.world.after(0, () => this.#hand(name, request, answer), life);
      });
    });
  }

  /** A violation is noted with its time. */
  #violate(who: string, what: string): void {
    this.world.note(who, `VIOLATION: ${what}`);
    this.violations.push(`${who}: ${what}`);
  }

  #hand(name: string, request: CommandRequest, answer: (attempt: Attempt) => void): void {
    const { node } = this.#place(name);
    if (!node) {
      answer({ type: 'refused' });
      return;
    }
    node.command(request).then(
      (done) => answer({ type: 'answer', answer: done }),
      (error: unknown) => {
        if (error instanceof GreenroomError || error instanceof Rejection) answer({ type: 'error', error });
        else this.#violate(name, `a command failed with ${String(error)}`);
      },
    );
  }

  async #start(name: string, place: Place, life: Life): Promise<void> {
    try {
      const node = await this.cluster.start({
        name,
        life,
        clock: life.clock,
        random: this.world.random(`${name} life ${life.number}`),
        disk: place.disk,
        log: this.#logOf(name),
        count: (what) => this.counters.count(what),
        expelled: (reason) => this.#becomeExpelled(name, life, reason),
      });
      if (life.isOver) return;
      place.node = node;
      this.world.note(name, 'is up');
      this.#recovered(place);
    } catch (error) {
      if (life.isOver) return;
      this.counters.count(`refused to start: ${codeOf(error)}`);
      this.world.note(name, `cannot start: ${String(error)}`);
      this.kill(name);
      this.#afterRefusal(name, place, codeOf(error));
    }
  }

  /** What an operator does about a node that does not start. */
  #afterRefusal(name: string, place: Place, code: string): void {
    if (code !== 'STORE_DAMAGED' && code !== 'STORE_OUTDATED') {
      this.world.after(startAgainMs, () => this.boot(name));
      return;
    }
    if (this.budget.spend(name) && this.cluster.survives.has('wipe')) {
      place.disk.wipe();
      this.world.after(startAgainMs, () => this.boot(name));
    } else this.giveUp(name);
  }

  /** It was drained or removed: its process ends. Its operator lets it be, or has it join anew on an empty disk. */
  #becomeExpelled(name: string, life: Life, reason: string): void {
    this.world.note(name, `is no member any more: ${reason}`);
    this.counters.count('expelled');
    this.#exitSoon(name, life, () => {
      const place = this.#place(name);
      if (place.disk.isSetBack) {
        this.#afterRefusal(name, place, 'STORE_OUTDATED');
        return;
      }
      this.#recovered(place);
      this.budget.giveUp(name);
      if (chance(this.#random, 0.5)) {
        place.isGivenUp = true;
        return;
      }
      place.disk.wipe();
      this.world.after(startAgainMs, () => this.boot(name));
    });
  }

  #becomeDefect(name: string, error: unknown): void {
    this.#violate(name, `died of ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    this.kill(name);
    this.world.after(startAgainMs, () => this.boot(name));
  }

  /** A process whose disk failed ends, and is started again a little later. */
  #diskFailed(name: string): void {
    const { life } = this.#place(name).machine;
    if (!life) return;
    this.world.note(name, 'its disk failed');
    this.counters.count('disk failed');
    this.#exitSoon(name, life, () => void this.world.after(startAgainMs, () => this.boot(name)));
  }

  /** A process that may not go on ends by itself, unless it dies before. */
  #exitSoon(name: string, life: Life, whenGone: () => void): void {
    this.world.after(between(this.#random, 0, exitMsMax), () => {
      if (life.isOver) return;
      this.kill(name);
      whenGone();
    });
  }

  /** What made it be down troubles it no more. */
  #recovered(place: Place): void {
    place.endTrouble?.();
    place.endTrouble = undefined;
  }

  #logOf(name: string): Log {
    const line = (level: string) => (message: string, fields?: object) =>
      this.world.note(name, `${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}`);
    const log: Log = {
      debug() {},
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      child: () => log,
    };
    return log;
  }

  #clientMs(): number {
    return this.#tuning.networkMs * (0.5 + this.#random.next());
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    assert(place, () => `there is a machine ${name}`);
    return place;
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}
