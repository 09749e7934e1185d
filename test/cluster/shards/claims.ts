/** What the protocol of the shard logs claims (DESIGN §6, I1–I8), held against disks, messages and answers. */
import type { ActiveEpoch, ShardPlacement } from '../../../src/cluster/membership/cluster-map.ts';
import { writeQuorum } from '../../../src/cluster/membership/quorum.ts';
import type { ShardLimits } from '../../../src/cluster/shards/follower.ts';
import type { OwnedShard } from '../../../src/cluster/shards/owned-shard.ts';
import { placeAt } from '../../../src/cluster/shards/replicas.ts';
import { decodeShardMessage } from '../../../src/cluster/shards/shard-messages.ts';
import type { Epoch, Position, StoreId } from '../../../src/core/ids.ts';
import type { LogRow } from '../../../src/persistence/log-row.ts';
import type { MemoryDisk } from '../../../src/persistence/memory-disk.ts';
import type { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import type { SimulatedDisk } from '../../../src/testing/simulation/simulated-disk.ts';

type Disks = ReadonlyMap<StoreId, SimulatedDisk>;

const shard = 0;

export class Claims {
  readonly violations: string[] = [];
  acknowledged = 0;
  /** The newest acknowledged position. */
  newest: Position = 0;
  /** The chain at every position that anybody knows as committed. */
  readonly #committed = new Map<Position, number>();
  readonly #serves = new Map<Epoch, StoreId>();
  readonly #promised = new Map<StoreId, Epoch>();
  readonly #commits = new Map<StoreId, Position>();
  /** By store: the newest active epoch of a map that names the store nowhere. Up to there its copy may be forgotten (R4). */
  readonly #excluded = new Map<StoreId, Epoch>();
  #active: ActiveEpoch = { epoch: 0, replicas: [] };
  readonly #activated = new Set<Epoch>();

  readonly #limits: ShardLimits;

  constructor(limits: ShardLimits) {
    this.#limits = limits;
  }

  get epochs(): number {
    return this.#activated.size;
  }

  broken(claim: string, what: string): void {
    this.violations.push(`${claim}: ${what}`);
  }

  /** A version of the map, and the stores there are. */
  mapped({ active, assigned, learners }: ShardPlacement, stores: Iterable<StoreId>): void {
    for (const storeId of stores)
      if (![active.replicas, assigned.replicas, learners].some((set) => set.includes(storeId)))
        this.#excluded.set(storeId, Math.max(active.epoch, this.#excluded.get(storeId) ?? 0));
  }

  /** R4: a log that is gone as a whole, of a store that promised nothing above what a map without it says. */
  #mayHaveForgotten(storeId: StoreId, length: number, promised: Epoch): boolean {
    return length === 0 && promised <= (this.#excluded.get(storeId) ?? 0);
  }

  /** I3: an epoch is active once a write quorum of its set holds its start. */
  activated(active: ActiveEpoch, disks: Disks): void {
    this.#active = active;
    this.#activated.add(active.epoch);
    const holders = active.replicas.filter((storeId) =>
      rowsOf(disks.get(storeId)!.memory).some((row) => placeOf(row).epoch === active.epoch),
    );
    if (holders.length < writeQuorum(active.replicas.length))
      this.broken('I3', `epoch ${active.epoch} is active, its start on ${holders.join()} of ${active.replicas.join()}`);
  }

  /**
   * I4: what is acknowledged is on a write quorum's disks; and nobody acknowledged anything else in its place. An owner that
   * was paused may hear late that its copies have it, when these have moved away and are forgotten (R4).
   */
  acknowledge(position: Position, chain: number, owned: OwnedShard, disks: Disks): void {
    this.acknowledged += 1;
    this.newest = Math.max(this.newest, position);
    this.#isCommitted(position, chain, `acknowledged in epoch ${owned.epoch}`);
    const replicas = owned.epoch < this.#active.epoch ? this.#active.replicas : owned.replicas;
    const holders = replicas.filter((storeId) => holds(disks.get(storeId)!, position, chain));
    if (holders.length < writeQuorum(replicas.length))
      this.broken('I4', `position ${position} is acknowledged, on the disks of ${holders.join()} only`);
    if (!this.#activated.has(owned.epoch)) this.broken('I2', `epoch ${owned.epoch} acknowledges and was never active`);
  }

  /** I4: it stays there. */
  lookAtDisks(disks: Disks): void {
    const { newest } = this;
    if (newest === 0) return;
    const chain = this.#committed.get(newest)!;
    const { epoch, replicas } = this.#active;
    const holders = replicas.filter((storeId) => holds(disks.get(storeId)!, newest, chain));
    if (holders.length < writeQuorum(replicas.length))
      this.broken('I4', `epoch ${epoch} is active, the acknowledged position ${newest} on ${holders.join()} only`);
  }

  /** P5: an answer reflects everything that was acknowledged before it was asked for. */
  confirmed(owned: OwnedShard, committed: Position, newestBefore: Position): void {
    if (committed < newestBefore)
      this.broken('P5', `epoch ${owned.epoch} answers from ${committed}, and ${newestBefore} was acknowledged before`);
  }

  /** I5, R2: what a message says is so, on disk. */
  sends(storeId: StoreId, bytes: Buffer, journal: MemoryJournal, disk: MemoryDisk): void {
    const message = decodeShardMessage(bytes);
    if (message.type === 'promised' && (disk.hardStates.get(shard)?.promisedEpoch ?? 0) < message.epoch)
      this.broken('I5', `${storeId} says that epoch ${message.epoch} is promised, and it is not on its disk`);
    if (message.type !== 'appended') return;
    if ((journal.hardState(shard)?.promisedEpoch ?? 0) < message.epoch)
      this.broken('R2', `${storeId} took a record of epoch ${message.epoch}, and has not promised it`);
    const { length } = rowsOf(disk);
    if (length < message.position && !this.#mayHaveForgotten(storeId, length, message.epoch))
      this.broken('R2', `${storeId} says that ${message.position} is durable, its disk ends at ${length}`);
  }

  /** What a store holds and serves now. */
  look(storeId: StoreId, owned: OwnedShard | undefined, journal: MemoryJournal, disks: Disks): void {
    const promised = journal.hardState(shard)?.promisedEpoch ?? 0;
    if (promised < (this.#promised.get(storeId) ?? 0)) this.broken('I5', `a promise of ${storeId} fell to ${promised}`);
    this.#promised.set(storeId, promised);
    const committed = journal.committed(shard);
    const before = this.#commits.get(storeId) ?? 0;
    if (committed !== before) {
      this.#commits.set(storeId, committed);
      if (committed < before && !this.#mayHaveForgotten(storeId, journal.tail(shard).position, promised))
        this.broken('I7', `the commit of ${storeId} fell from ${before} to ${committed}`);
      const place = placeAt(journal, shard, committed);
      if (journal.read(shard, committed).type === 'damaged') this.#commits.set(storeId, committed);
      else if (!place) this.broken('I7', `${storeId} has removed what it knows as committed, at ${committed}`);
      else this.#isCommitted(committed, place.chain, `committed on ${storeId}`);
    }
    if (owned) this.#lookAtOwner(storeId, owned, journal);
    for (const learner of owned?.caughtUpLearners ?? []) this.#hasCaughtUp(owned!, learner, disks);
  }

  #lookAtOwner(storeId: StoreId, owned: OwnedShard, journal: MemoryJournal): void {
    const { epoch, isServing } = owned;
    if (!isServing) {
      if (owned.committed > 0 && owned.phase !== 'fenced')
        this.broken('I2', `epoch ${epoch} commits and does not serve yet`);
      return;
    }
    const known = this.#serves.get(epoch);
    if (known === storeId) return;
    if (known !== undefined) this.broken('I2', `epoch ${epoch} is served by ${known} and ${storeId}`);
    this.#serves.set(epoch, storeId);
    if (!this.#activated.has(epoch)) this.broken('I2', `epoch ${epoch} is served and was never active`);
    if (epoch < this.#active.epoch) return;
    // The chain vouches for everything before it.
    const chain = this.#committed.get(this.newest);
    const isDamaged = journal.read(shard, this.newest).type === 'damaged';
    if (this.newest > 0 && !isDamaged && placeAt(journal, shard, this.newest)?.chain !== chain)
      this.broken('I1', `${storeId} serves epoch ${epoch} without the acknowledged position ${this.newest}`);
  }

  /** A learner is made a replica only when it holds nearly everything: else it would be long until it counts. */
  #hasCaughtUp({ tail, epoch }: OwnedShard, learner: StoreId, disks: Disks): void {
    const { memory } = disks.get(learner)!;
    // A later owner, of whom this one has not heard, may have cut off what it filled.
    if ((memory.hardStates.get(shard)?.promisedEpoch ?? 0) > epoch) return;
    const rows = rowsOf(memory).length;
    if (this.#mayHaveForgotten(learner, rows, memory.hardStates.get(shard)?.promisedEpoch ?? 0)) return;
    if (tail - rows > this.#limits.caughtUpWithin)
      this.broken('learners', `${learner} is said to have caught up with ${tail}, its disk ends at ${rows}`);
  }

  /** A store's process is gone: what it only remembered is, too. */
  forgets(storeId: StoreId): void {
    this.#promised.delete(storeId);
    this.#commits.delete(storeId);
  }

  #isCommitted(position: Position, chain: number, how: string): void {
    if (position === 0) return;
    const known = this.#committed.get(position);
    if (known !== undefined && known !== chain) this.broken('I6', `position ${position} is two records, one ${how}`);
    this.#committed.set(position, chain);
  }
}

function rowsOf(disk: MemoryDisk): readonly LogRow[] {
  return disk.logs.get(shard) ?? [];
}

function holds(disk: SimulatedDisk, position: Position, chain: number): boolean {
  const row = rowsOf(disk.memory)[position - 1];
  return row !== undefined && placeOf(row).chain === chain;
}

function placeOf(row: LogRow): { readonly epoch: Epoch; readonly chain: number } {
  return 'head' in row ? row.head : row;
}
