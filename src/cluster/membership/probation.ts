/**
 * Members that fell so often of late that nobody believes in their return yet (flap-damping.ts), and without which a shard,
 * or the control log, would have no majority: what damping spares is an epoch, and what it would cost is all service, of
 * nodes that are all there. (Found in simulation: four of five nodes fell again and again, all came back for good, and
 * their leader waited for a minute before it believed one.)
 *
 * Who was given this chance keeps it until it is believed anyway, or falls again: taken back, it would cost what it was to spare.
 */
import type { StoreId } from '../../core/ids.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Standing } from './failure-detector.ts';
import { writeQuorum } from './quorum.ts';

export interface ProbationView {
  readonly map: ClusterMap;
  readonly voters: readonly StoreId[];
  /** What this node's failure detector thinks of a peer. */
  standing(peer: StoreId): Standing;
}

export class Probation {
  readonly #self: StoreId;
  #given: ReadonlySet<StoreId> = new Set();

  constructor(self: StoreId) {
    this.#self = self;
  }

  /** Who is to be taken for alive although its return is not believed. */
  needed({ map, voters, standing }: ProbationView): ReadonlySet<StoreId> {
    const back = new Set<StoreId>();
    for (const { storeId, status } of map.members.values())
      if (status !== 'removed' && isBack(standing(storeId))) back.add(storeId);
    if (back.size === 0) {
      this.#given = back;
      return back;
    }
    const given = new Set([...this.#given].filter((store) => back.has(store)));
    const sets = new Map(map.shards.map(({ active }) => [active.replicas.join(), active.replicas]));
    for (const set of [voters, ...sets.values()]) {
      if (set.length === 0) continue;
      const believed = set.filter(
        (store) => store === this.#self || given.has(store) || standing(store).type === 'alive',
      );
      if (believed.length < writeQuorum(set.length)) for (const store of set) if (back.has(store)) given.add(store);
    }
    this.#given = given;
    return given;
  }
}

function isBack(standing: Standing): boolean {
  return standing.type === 'dead' && standing.isBack === true;
}
