/**
 * Carries out a schedule on a cluster: each fault begins at its time, lasts, and ends; in the end everything heals.
 * What would destroy more copies than the budget allows is left out, and counted as such.
 */
import { unreachable } from '../../core/assert.ts';
import type { MemoryDisk } from '../../persistence/memory-disk.ts';
import { describeFault, type Fault, type PlannedFault } from './faults.ts';
import { NetworkTroubles } from './network-troubles.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

/** A disk is set back behind what its peers have seen, and had so long to take note of. */
const witnessedMs = 4_500;
/** The newest batches that may have been told to one peer only, or not be noted. */
const witnessedBatches = 4;

export class FaultDriver {
  readonly #cluster: SimulatedCluster;
  readonly #network: NetworkTroubles;
  /** Ends of faults that last. */
  readonly #open = new Set<() => void>();
  #isQuiet = false;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
    this.#network = new NetworkTroubles(cluster.cluster.network);
  }

  /** Puts the whole schedule into the world's future. */
  plan(faults: readonly PlannedFault[]): void {
    const { world } = this.#cluster;
    for (const { atMs, fault } of faults) world.after(atMs - world.nowMs, () => this.#begin(fault));
  }

  /** The quiet end: everything heals, whoever is down starts, and nothing goes wrong any more. */
  healAll(): void {
    this.#isQuiet = true;
    for (const end of [...this.#open]) end();
    this.#network.healAll();
    for (const name of this.#cluster.names) {
      const machine = this.#cluster.machine(name)!;
      machine.slow(0);
      if (machine.isPaused) this.#resume(name);
      this.#cluster.disk(name)!.heal();
      this.#cluster.boot(name);
    }
    this.#cluster.world.note('faults', 'everything heals');
  }

  #begin(fault: Fault): void {
    if (this.#isQuiet) return;
    const { world, counters } = this.#cluster;
    if (!this.#apply(fault)) {
      counters.count(`left out: ${fault.type}`);
      return;
    }
    counters.count(`fault: ${fault.type}`);
    world.note('faults', describeFault(fault));
  }

  /** @returns false if it cannot be, or may not be, just now */
  #apply(fault: Fault): boolean {
    switch (fault.type) {
      case 'cut':
      case 'partition':
      case 'delay':
        return this.#lasting(fault.forMs, this.#network.troubled(fault, this.#cluster.names), () =>
          this.#network.begin(fault, this.#cluster.names),
        );
      case 'break':
        this.#cluster.cluster.network.break(...fault.between);
        return true;
      case 'pause':
      case 'slow':
        return this.#onMachine(fault);
      case 'slowDisk':
      case 'fullDisk':
      case 'syncError':
        return this.#onDisk(fault);
      case 'crash':
        return fault.nodes.filter((node) => this.#crash(node, fault.downMs)).length > 0;
      case 'stop':
        return this.#stop(fault.node, fault.downMs, () => {});
      case 'rollingRestart':
        this.#rollOn(this.#cluster.names, fault.downMs);
        return true;
      case 'clockJump':
        this.#cluster.machine(fault.node)?.shiftWall(fault.byMs);
        return this.#cluster.machine(fault.node) !== undefined;
      case 'damage':
      case 'wipe':
        return this.#destroy(fault.node, fault.downMs, () => {
          const disk = this.#cluster.disk(fault.node)!;
          if (fault.type === 'wipe') disk.wipe();
          else if (fault.how === 'lostRow') disk.loseNewestRow();
          else for (let count = 0; count < fault.places; count++) disk.spoilRow(fault.how);
        });
      case 'oldImage':
        return this.#setBack(fault.node, fault.ageMs, fault.downMs);
      case 'join':
      case 'drain':
      case 'remove':
        return this.#changeMembers(fault);
      default:
        return unreachable(fault);
    }
  }

  #lasting(forMs: number, troubled: readonly string[], begin: () => () => void): boolean {
    const undo = begin();
    const recover = this.#cluster.health.trouble(troubled);
    const end = () => {
      if (!this.#open.delete(end)) return;
      undo();
      recover();
    };
    this.#open.add(end);
    this.#cluster.world.after(forMs, end);
    return true;
  }

  #onMachine(fault: Extract<Fault, { type: 'pause' | 'slow' }>): boolean {
    const machine = this.#cluster.machine(fault.node);
    if (!machine?.life) return false;
    return this.#lasting(fault.forMs, [fault.node], () => {
      if (fault.type === 'slow') {
        machine.slow(fault.stepMs);
        return () => machine.slow(0);
      }
      machine.pause();
      this.#cluster.cluster.network.pause(fault.node);
      return () => this.#resume(fault.node);
    });
  }

  #resume(node: string): void {
    this.#cluster.machine(node)!.resume();
    this.#cluster.cluster.network.resume(node);
  }

  #onDisk(fault: Extract<Fault, { type: 'slowDisk' | 'fullDisk' | 'syncError' }>): boolean {
    const disk = this.#cluster.disk(fault.node);
    if (!disk) return false;
    switch (fault.type) {
      case 'slowDisk':
        return this.#lasting(fault.forMs, [fault.node], () => {
          disk.slow(fault.factor);
          return () => disk.slow(1);
        });
      case 'fullDisk':
        return this.#lasting(fault.forMs, [fault.node], () => {
          disk.leaveFree(fault.freeBytes);
          return () => disk.leaveFree(undefined);
        });
      case 'syncError':
        disk.failNextSync(fault.isKept);
        return true;
      default:
        return unreachable(fault);
    }
  }

  #crash(node: string, downMs: number): boolean {
    if (!this.#cluster.machine(node)?.life) return false;
    this.#cluster.kill(node);
    this.#cluster.world.after(downMs, () => this.#cluster.boot(node));
    return true;
  }

  #stop(node: string, downMs: number, whenBack: () => void): boolean {
    const { world, health } = this.#cluster;
    if (!this.#cluster.node(node)) {
      whenBack();
      return false;
    }
    const recover = health.trouble([node]);
    this.#cluster.stop(node, () => {
      recover();
      world.after(downMs, () => {
        this.#cluster.boot(node);
        world.after(downMs, whenBack);
      });
    });
    return true;
  }

  #rollOn(nodes: readonly string[], downMs: number): void {
    const [next, ...rest] = nodes;
    if (next === undefined || this.#isQuiet) return;
    this.#stop(next, downMs, () => this.#rollOn(rest, downMs));
  }

  #destroy(node: string, downMs: number, how: () => void): boolean {
    if (!this.#cluster.machine(node) || !this.#cluster.budget.spend(node)) return false;
    this.#cluster.kill(node);
    how();
    this.#cluster.world.after(downMs, () => this.#cluster.boot(node));
    return true;
  }

  #setBack(node: string, ageMs: number, downMs: number): boolean {
    const disk = this.#cluster.disk(node);
    if (!disk || disk.isEmpty) return false;
    const { storeId } = disk;
    const image: MemoryDisk = disk.image();
    const { world } = this.#cluster;
    const isSame = () => !this.#isQuiet && disk.storeId === storeId;
    world.after(ageMs - witnessedMs, () => {
      if (!isSame() || disk.memory.batches < image.batches + witnessedBatches) return;
      world.after(witnessedMs, () => {
        if (!isSame() || !this.#wasSeenByAll()) return;
        world.note('faults', `oldImage of ${node} is put in place`);
        if (this.#destroy(node, downMs, () => disk.restore(image))) this.#cluster.counters.count('disk set back');
      });
    });
    return true;
  }

  /**
   * Peers know a disk that is set back by what they have seen of it. What nobody saw in time, nobody can know: so everyone
   * was well since, and took note.
   */
  #wasSeenByAll(): boolean {
    const { health, names, world } = this.#cluster;
    const isThere = names.every((name) => this.#cluster.node(name));
    return isThere && health.isCalm && health.longestWellMs(world.nowMs - witnessedMs, world.nowMs) >= witnessedMs - 1;
  }

  #changeMembers(fault: Extract<Fault, { type: 'join' | 'drain' | 'remove' }>): boolean {
    const { node, type } = fault;
    if (type === 'join') {
      if (this.#cluster.machine(node)) return false;
      this.#cluster.addMachine(node);
      this.#cluster.boot(node);
      return true;
    }
    // The copies that leave may be those that a destroyed disk is to be rebuilt from, and nobody knows yet.
    if (this.#cluster.budget.destroyed.size > 0) return false;
    const through = this.#cluster.names.find((name) => name !== node && this.#cluster.node(name));
    const asked = through === undefined ? undefined : this.#cluster.node(through);
    if (!asked || !this.#cluster.machine(node)) return false;
    const change = type === 'drain' ? asked.drain?.(node) : asked.remove?.(node);
    change?.then(
      () => this.#cluster.world.note(node, `${type} was agreed to`),
      (error) => this.#cluster.world.note(node, `${type} was refused: ${String(error)}`),
    );
    return change !== undefined;
  }
}
