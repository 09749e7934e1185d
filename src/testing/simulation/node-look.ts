/** What one life of a Greenroom node shows to the invariants. */
import type { ClusterMap } from '../../cluster/membership/cluster-map.ts';
import type { ClusterNode } from '../../cluster/node.ts';
import type { OwnedShard } from '../../cluster/shards/owned-shard.ts';
import type { MemoryJournal } from '../../persistence/memory-journal.ts';
import type { Acknowledgement, NodeInspection, ShardInspection, SnapshotFold } from './inspection.ts';
import { JournalInspection } from './journal-inspection.ts';
import type { KnownMaps } from './known-maps.ts';
import type { NodeSeat } from './simulated-node.ts';
import { SnapshotFolds } from './snapshot-folds.ts';

/**
 * Looked at after every step of the world, where most steps change one node: so looking allocates nothing where nothing
 * changed, and a node's shards are gathered only when somebody asks for them.
 */
export class NodeLook implements NodeInspection {
  readonly storeId: string;
  readonly boot: number;
  version = 0;
  readonly #node: ClusterNode;
  readonly #journal: MemoryJournal;
  readonly #seat: NodeSeat;
  readonly #maps: KnownMaps;
  readonly #folds: SnapshotFolds;
  readonly #shown: JournalInspection;
  /** By shard: up to where it was told as acknowledged. */
  readonly #told = new Map<number, number>();
  #map: ClusterMap | undefined;
  #batches = -1;
  #commitMoves = -1;
  #repaired = 0;
  #forgotten = 0;
  /** The owned shards, and next to each its phase: a fenced one that begins again is another object. */
  readonly #owned: (OwnedShard | string)[] = [];
  #shards: readonly ShardInspection[] | undefined;

  /** @param maps told of every map that the node comes to know */
  constructor(node: ClusterNode, journal: MemoryJournal, seat: NodeSeat, boot: number, maps: KnownMaps) {
    this.#node = node;
    this.#journal = journal;
    this.#seat = seat;
    this.#maps = maps;
    this.storeId = seat.disk.storeId;
    this.boot = boot;
    this.#folds = new SnapshotFolds(journal, node.host.definitions);
    this.#shown = new JournalInspection(journal, seat.disk.memory);
  }

  /** Itself, as it is now. */
  now(): NodeInspection {
    const { member } = this.#node;
    for (; this.#repaired < member.shards.repairs.repairedTotal; this.#repaired++)
      this.#seat.count('repaired a record');
    for (; this.#forgotten < member.shards.forgetting.forgottenTotal; this.#forgotten++)
      this.#seat.count('forgot a copy');
    if (!this.#hasChanged()) return this;
    this.version += 1;
    this.#shards = undefined;
    if (this.#map) this.#maps.add(this.#map);
    return this;
  }

  get shards(): readonly ShardInspection[] {
    const { member } = this.#node;
    this.#shards ??= (this.#map?.shards ?? []).map(({ active }, shard) =>
      this.#shown.shard(
        shard,
        member.shards.served(shard)?.epoch,
        active,
        active.replicas.includes(member.storeId),
        () => this.#maps.excludedEpoch(member.storeId, shard),
      ),
    );
    return this.#shards;
  }

  /** What an owner knows as committed may have been acknowledged. */
  takeAcknowledgements(): readonly Acknowledgement[] {
    const acknowledgements: Acknowledgement[] = [];
    for (const { shard, committed, isServing } of this.#node.member.shards.allOwned) {
      if (!isServing || committed <= (this.#told.get(shard) ?? 0)) continue;
      this.#told.set(shard, committed);
      const read = this.#journal.read(shard, committed);
      if (read.type !== 'record') continue;
      acknowledgements.push({ shard, position: committed, epoch: read.head.epoch, chain: read.head.chain });
    }
    return acknowledgements;
  }

  takeSnapshots(): readonly SnapshotFold[] {
    return this.#folds.take();
  }

  #hasChanged(): boolean {
    const { member } = this.#node;
    const { batches } = this.#seat.disk.memory;
    const { commitMoves } = this.#journal;
    let hasChanged = batches !== this.#batches || commitMoves !== this.#commitMoves || member.map !== this.#map;
    this.#batches = batches;
    this.#commitMoves = commitMoves;
    this.#map = member.map;
    let place = 0;
    for (const owned of member.shards.allOwned) {
      if (this.#owned[place] !== owned || this.#owned[place + 1] !== owned.phase) hasChanged = true;
      this.#owned[place++] = owned;
      this.#owned[place++] = owned.phase;
    }
    if (place !== this.#owned.length) hasChanged = true;
    this.#owned.length = place;
    return hasChanged;
  }
}
