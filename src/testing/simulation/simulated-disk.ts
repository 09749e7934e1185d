/**
 * The disk of a simulated machine: a {@link MemoryDisk} whose syncs take virtual time, and which can be as unkind as
 * real ones are. It survives crashes, keeps what was synced, and loses what was not: a batch is on it as a whole or
 * not at all, also the one that was being synced when the process died.
 *
 * What it did wrong must be *noticed* by whoever opens or reads it; it is never told here.
 */
import { assert } from '../../core/assert.ts';
import type { Random } from '../../core/random.ts';
import type { StoreIdentity } from '../../persistence/journal.ts';
import { type MemoryDamage, MemoryDisk } from '../../persistence/memory-disk.ts';
import { MemoryJournal } from '../../persistence/memory-journal.ts';
import type { Life } from './machine.ts';
import { between, chance } from './random-choices.ts';
import type { World } from './world.ts';

/** One sync in so many takes far longer than usual. */
const hiccupEvery = 200;
const hiccupFactor = 25;

export interface SimulatedDiskOptions {
  readonly name: string;
  /** What an fsync usually takes. */
  readonly syncMs: number;
}

export class SimulatedDisk {
  /** Told when a write or fsync failed under a journal. */
  onFailure: () => void = () => {};
  readonly #world: World;
  readonly #random: Random;
  readonly #options: SimulatedDiskOptions;
  #memory = new MemoryDisk();
  #journal: MemoryJournal | undefined;
  #formats = 1;
  #isSetBack = false;
  #slowness = 1;

  constructor(world: World, options: SimulatedDiskOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.random(`disk of ${options.name}`);
  }

  /** What lies on it. */
  get memory(): MemoryDisk {
    return this.#memory;
  }

  /** A name for the store on it: another one after it was wiped. */
  get storeId(): string {
    return `${this.#options.name}-store-${this.#formats}`;
  }

  /** Whether nothing was ever written since it was formatted. */
  get isEmpty(): boolean {
    return this.#memory.identity === undefined;
  }

  /** The journal of one life, to be opened. It is gone when that life is over. */
  journal(life: Life, identity: Omit<StoreIdentity, 'storeId'>): MemoryJournal {
    assert(this.#journal === undefined, () => `one process at a time has the disk of ${this.#options.name} open`);
    const journal = new MemoryJournal({
      identity: { ...identity, storeId: this.storeId },
      disk: this.#memory,
      defer: (task) => life.clock.defer(task),
    });
    this.#memory.paceBy((sync) => void this.#world.after(this.#syncMs(), sync, life));
    this.#journal = journal;
    journal.onFailure(() => this.onFailure());
    life.onEnd(() => {
      this.#journal = undefined;
      journal.crash({ inFlightIsOnDisk: chance(this.#random, 0.5) });
    });
    return journal;
  }

  /** Every sync takes `factor` times as long; 1: as usual. */
  slow(factor: number): void {
    this.#slowness = factor;
  }

  /** Bytes it still takes; undefined: plenty. */
  leaveFree(bytes: number | undefined): void {
    this.#memory.freeBytes = bytes;
  }

  /** The next fsync fails; whether its batch is on disk is anybody's guess. */
  failNextSync(isKept: boolean): void {
    this.#memory.failNextWrite(new Error('EIO: i/o error, fsync'), isKept);
  }

  /** Ends what passes by itself: slowness, fullness. */
  heal(): void {
    this.#slowness = 1;
    this.#memory.freeBytes = undefined;
  }

  /** Takes away the newest row of a log, as LevelDB does on a flipped bit in its own log. @returns false: nothing was there */
  loseNewestRow(): boolean {
    const shard = this.#someShard();
    if (shard === undefined) return false;
    this.#memory.loseNewest(shard);
    return true;
  }

  /** Spoils a row somewhere in a log, and some of its neighbours. @returns false: nothing was there */
  spoilRow(how: MemoryDamage): boolean {
    const shard = this.#someShard();
    if (shard === undefined) return false;
    const { length } = this.#memory.logs.get(shard)!;
    const first = 1 + between(this.#random, 0, length - 1);
    const last = Math.min(length, first + (chance(this.#random, 0.3) ? between(this.#random, 1, 5) : 0));
    for (let position = first; position <= last; position++) this.#memory.damage(shard, position, how);
    return true;
  }

  /** Formats it: a new, empty store. Only while no process has it open. */
  wipe(): void {
    this.#assertClosed();
    this.#memory = new MemoryDisk();
    this.#formats += 1;
    this.#isSetBack = false;
  }

  /** A backup of what is synced now. */
  image(): MemoryDisk {
    return this.#memory.image();
  }

  /** Puts an old backup in the place of what is there. Only while no process has it open. */
  restore(image: MemoryDisk): void {
    this.#assertClosed();
    this.#isSetBack = image.batches < this.#memory.batches;
    this.#memory = image;
  }

  /** It holds less than was synced on it. */
  get isSetBack(): boolean {
    return this.#isSetBack;
  }

  #assertClosed(): void {
    assert(this.#journal === undefined, () => `no process has the disk of ${this.#options.name} open`);
  }

  #someShard(): number | undefined {
    const shards = [...this.#memory.logs].filter(([, rows]) => rows.length > 0).map(([shard]) => shard);
    return shards.length === 0 ? undefined : shards[between(this.#random, 0, shards.length - 1)];
  }

  #syncMs(): number {
    const usualMs = this.#options.syncMs * (0.5 - Math.log(1 - this.#random.next()) / 2);
    const hiccup = chance(this.#random, 1 / hiccupEvery) ? hiccupFactor : 1;
    return usualMs * hiccup * this.#slowness;
  }
}
