/**
 * What a member does at every heartbeat: tells the others that it lives, what it sees and which map it has; asks for a newer
 * map; hurries an election whose outcome need not be waited for; and asks for shards that the map gives it and it lost.
 */
import type { Clock } from '../../core/clock.ts';
import type { ShardId, StoreId } from '../../core/ids.ts';
import type { PeerAddress, Transport } from '../../transport/transport.ts';
import type { ControlDriver } from '../control/control-driver.ts';
import type { Shards } from '../shards/shards.ts';
import type { Adverts } from './adverts.ts';
import type { Assignment, ClusterMap, MapChange } from './cluster-map.ts';
import type { FailureDetector } from './failure-detector.ts';
import { encodeMemberMessage, type MemberFacts, type MemberMessage } from './member-messages.ts';
import type { Life } from './suspicions.ts';

export interface HeartbeatsOptions {
  readonly self: Life;
  readonly clock: Clock;
  readonly detector: FailureDetector;
  readonly adverts: Adverts;
  /** Whom this node dials. */
  readonly peers: () => readonly PeerAddress[];
  readonly shards: Shards;
  readonly control: ControlDriver<MapChange, ClusterMap>;
  readonly facts: () => MemberFacts;
  readonly cannotRecord: () => boolean;
  readonly map: () => ClusterMap | undefined;
  readonly transport: Pick<Transport, 'send' | 'isUp' | 'reset' | 'dismiss'>;
  readonly tell: (to: StoreId, message: MemberMessage) => void;
  readonly propose: (change: MapChange) => void;
}

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  #newerMapSeen = 0;
  /** Shards seen lost at the last heartbeat, with the epoch. */
  #lostShards: ReadonlyMap<ShardId, number> = new Map();

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  beat(): void {
    const { self, clock, detector, adverts, transport } = this.#options;
    const nowMs = clock.monotonicMs();
    detector.tick(nowMs);
    const map = this.#options.map();
    this.#introduce(map);
    if (!map?.members.has(self.storeId)) return;
    const message = encodeMemberMessage({
      type: 'heartbeat',
      mapVersion: map.version,
      report: detector.report(nowMs),
      caughtUp: this.caughtUpLearners(),
      advert: adverts.own.advert,
      cannotRecord: this.#options.cannotRecord(),
    });
    for (const { storeId, status } of map.members.values()) {
      if (storeId === self.storeId || status === 'removed') continue;
      this.#giveUpUnheard(storeId, nowMs);
      transport.send(storeId, 'control', message);
    }
    this.hurryElection();
    this.#reclaim(map);
  }

  /**
   * Into a way that is cut one can write for a long time: TCP tries for a quarter of an hour, and who waits for an answer
   * waits on. So the links to a peer of which nothing is heard, and those from it, are given up and made anew.
   */
  #giveUpUnheard(peer: StoreId, nowMs: number): void {
    const { detector, transport } = this.#options;
    if (!detector.isOutOfHearing(peer, nowMs)) return;
    if (transport.isUp(peer)) transport.reset(peer);
    transport.dismiss(peer);
  }

  /**
   * A life that the map does not know tells everyone it can reach where it is. It may be at another address than before:
   * then nobody else can dial it, and it hears of no leader until somebody has the map say so.
   */
  #introduce(map: ClusterMap | undefined): void {
    const { self, control, peers, facts, tell } = this.#options;
    const known = map?.members.get(self.storeId);
    if (known && (known.boot >= self.boot || control.leader !== undefined)) return;
    for (const { storeId } of peers()) tell(storeId, { type: 'join', facts: facts() });
  }

  /** Learners of shards owned here that hold nearly everything. */
  caughtUpLearners(): readonly (readonly [ShardId, readonly StoreId[]])[] {
    const all: [ShardId, readonly StoreId[]][] = [];
    for (const owned of this.#options.shards.allOwned) {
      const learners = owned.caughtUpLearners;
      if (learners.length > 0) all.push([owned.shard, learners]);
    }
    return all;
  }

  /** Committed map state travels through any member: whoever lags for a heartbeat asks the one it heard of it from. */
  compareMaps(from: StoreId, version: number): void {
    const own = this.#options.map()?.version ?? 0;
    if (version <= own) return;
    if (this.#newerMapSeen > own) this.#options.tell(from, { type: 'mapWanted', version: own });
    this.#newerMapSeen = version;
  }

  /** The leader's process is known to be dead: no need to wait for the time-out. */
  hurryElection(): void {
    const { self, clock, detector, control } = this.#options;
    const { leader, voters } = control;
    if (!leader || leader === self.storeId || !voters.includes(self.storeId)) return;
    const standing = detector.standing(leader, clock.monotonicMs());
    if (standing.type !== 'dead' || standing.why !== 'process died' || standing.isBack) return;
    const members = this.#options.map()?.members;
    const first = voters.find((voter) => voter !== leader && members?.get(voter)?.status === 'up');
    if (first === self.storeId) control.campaignNow();
  }

  /**
   * Shards that the map gives to this life, and that it lost all the same (its promise went to an owner that never came to
   * serve, or it gave up): it asks for a new epoch of each.
   */
  #reclaim(map: ClusterMap): void {
    const { self, shards } = this.#options;
    const lost: Assignment[] = [];
    map.shards.forEach(({ assigned: { epoch, owner, boot, replicas } }, shard) => {
      if (owner !== self.storeId || boot !== self.boot) return;
      if (shards.owned(shard)?.epoch !== epoch) lost.push({ shard, after: epoch, owner, boot, replicas });
    });
    const again = lost.filter(({ shard, after }) => this.#lostShards.get(shard) === after);
    this.#lostShards = new Map(lost.map(({ shard, after }) => [shard, after]));
    if (again.length > 0) this.#options.propose({ type: 'assign', assignments: again });
  }
}
