/**
 * This node as a member of its cluster. Puts together what each follows its own rules elsewhere: links and heartbeats, the
 * control log and the map that it makes, failure detection, the leader's work, the shards of this store and the routing of
 * commands to all others.
 */
import type { StoreId } from '../core/ids.ts';
import type {
  Channel,
  HelloRefusal,
  LinkLoss,
  PeerAddress,
  PeerIdentity,
  TransportHandlers,
} from '../transport/transport.ts';
import { adviceFor } from '../transport/turned-away.ts';
import { ControlDriver } from './control/control-driver.ts';
import { Inbox } from './inbox.ts';
import type { MemberOptions } from './member-options.ts';
import { AddressBook } from './membership/address-book.ts';
import { Adverts } from './membership/adverts.ts';
import { type ClusterMap, type MapChange, membersOf } from './membership/cluster-map.ts';
import { Drains } from './membership/drains.ts';
import { FailureDetector, failureDetectorDefaults } from './membership/failure-detector.ts';
import { foundingMap } from './membership/founding.ts';
import { Heartbeats } from './membership/heartbeats.ts';
import { Joining } from './membership/joining.ts';
import { Leading } from './membership/leading.ts';
import { applyChange } from './membership/map-changes.ts';
import { mapCodec } from './membership/map-codec.ts';
import { encodeMemberMessage, type MemberMessage } from './membership/member-messages.ts';
import { Presence } from './membership/presence.ts';
import { whomToDial } from './membership/whom-to-dial.ts';
import { CommandServer } from './routing/command-server.ts';
import { Queries } from './routing/queries.ts';
import { Router } from './routing/router.ts';
import { MalformedMessage } from './shards/shard-messages.ts';
import { Shards } from './shards/shards.ts';

/** The versions of the protocol that this code speaks. */
export const protocolVersions = { min: 1, max: 1 } as const;

const heartbeatEveryMs = failureDetectorDefaults.heartbeatMs;
/** How often the leader looks for something to do, beside being told. */
const coordinateEveryMs = 100;
/** How long a change of the map may take to be committed before it is asked for again. */
const proposeTimeoutMs = 5_000;

export class ClusterMember implements TransportHandlers {
  readonly storeId: StoreId;
  readonly boot: number;
  readonly router: Router;
  readonly shards: Shards;
  readonly queries: Queries;
  readonly adverts: Adverts;
  readonly detector = new FailureDetector();
  readonly #options: MemberOptions;
  readonly control: ControlDriver<MapChange, ClusterMap>;
  readonly #server: CommandServer;
  readonly #drains: Drains;
  readonly #leading: Leading;
  #map: ClusterMap | undefined;
  /** Peers whose messages reach us, by store. */
  readonly #arrived = new Map<StoreId, PeerIdentity>();
  readonly #linked = new Map<StoreId, PeerIdentity>();
  readonly #joining: Joining;
  readonly #addresses: AddressBook;
  readonly #presence: Presence;
  readonly #heartbeats: Heartbeats;
  readonly #inbox: Inbox;
  readonly #timers: (() => void)[] = [];
  #isClosed = false;
  #isStopping = false;
  readonly #mapListeners = new Set<() => void>();

  constructor(options: MemberOptions) {
    this.#options = options;
    const { journal, clock, random, log, mistaken } = options;
    this.storeId = journal.identity.storeId as StoreId;
    this.boot = journal.boot;
    this.#addresses = new AddressBook(journal);
    this.adverts = new Adverts(this.storeId, options.definitions);
    const send = (to: StoreId, message: Buffer) => options.transport.send(to, 'data', message);
    const isUp = (peer: StoreId) => this.isUp(peer);
    this.router = new Router({
      storeId: this.storeId,
      boot: this.boot,
      clock,
      log,
      mistaken,
      send,
      isUp,
      bootOf: (peer) => this.#linked.get(peer)?.boot ?? this.#map?.members.get(peer)?.boot ?? 0,
      receive: options.receive,
      nextCommandId: options.nextCommandId,
    });
    this.shards = new Shards({
      journal,
      storeId: this.storeId,
      boot: this.boot,
      clock,
      log,
      mistaken,
      send,
      isUp: (peer) => this.#linked.has(peer),
      refusal: options.refusal,
      proposeActivation: (shards) =>
        void this.#propose({ type: 'activate', owner: this.storeId, boot: this.boot, shards }),
      served: (shards) => {
        for (const { shard, epoch, committed } of shards) this.router.becomeHere(shard, epoch, committed);
        options.served(shards);
      },
      fencing: ({ shard, committed }) => this.router.noLongerHere(shard, committed),
      fenced: (shards) => options.dropShards(new Set(shards.map(({ shard }) => shard))),
      ...options.ofShards,
    });
    this.#server = new CommandServer({
      clock,
      mistaken,
      send,
      reset: (peer) => options.transport.reset(peer),
      isHere: (shard) => this.router.isHere(shard),
      epochOf: (shard) => this.shards.served(shard)?.epoch,
      committed: (shard) => this.shards.owned(shard)?.committed ?? 0,
      receive: options.receive,
      relayFrom: (shard) => this.router.relayFrom(shard),
      relay: (command) => this.router.relay(command),
    });
    const { relays } = this.router;
    this.queries = new Queries({ boot: this.boot, clock, send, isUp, relays, answer: options.answerQuery });
    this.#drains = new Drains({
      clock,
      shards: this.shards,
      router: this.router,
      isQuietIn: options.isQuietIn,
      dropShards: options.dropShards,
    });
    this.control = new ControlDriver<MapChange, ClusterMap>({
      self: this.storeId,
      journal,
      clock,
      random,
      codec: mapCodec,
      founds: options.founds,
      send: (to, bytes) => options.transport.send(to, 'control', bytes),
      handlers: {
        committed: (entries) => {
          for (const { index, change } of entries)
            if (index > (this.#map?.version ?? 0)) this.#takeMap(applyChange(this.#map, change, index));
        },
        restored: (_index, map) => {
          if (map.version > (this.#map?.version ?? 0)) this.#takeMap(map);
        },
        takeSnapshot: () => this.#map!,
        leaderChanged: () => this.#leading.roleChanged(),
        malformed: (from, error) => {
          log.error('a peer sent what cannot be read; its link is made anew', { from, error });
          options.transport.reset(from);
        },
      },
    });
    this.#leading = new Leading({
      self: { storeId: this.storeId, boot: this.boot },
      clock,
      mistaken,
      control: this.control,
      detector: this.detector,
      adverts: this.adverts,
      drains: this.#drains,
      map: () => this.#map,
      isUp,
      caughtUp: () => this.#heartbeats.caughtUpLearners(),
      cannotRecord: options.cannotRecord,
      propose: (change) => this.#propose(change),
      tell: (to, message) => this.#tell(to, message),
    });
    this.#joining = new Joining({
      self: this.storeId,
      seeds: options.seeds,
      map: () => this.#map,
      isJoined: () => this.isJoined,
      hasArrived: (peer) => this.#arrived.has(peer),
      dialPeers: () => this.#dialPeers(),
      propose: (change) => void this.#propose(change),
      tell: (to, message) => this.#tell(to, message),
    });
    const facts = () => ({ ...options.facts(), boot: this.boot, protocol: protocolVersions });
    this.#presence = new Presence({
      self: this.storeId,
      clock,
      facts,
      map: () => this.#map,
      isClosed: () => this.#isClosed,
      dialPeers: () => this.#dialPeers(),
      propose: (change) => this.#propose(change),
      tell: (to, message) => this.#tell(to, message),
      dismiss: (peer) => options.transport.dismiss(peer),
      expelled: options.expelled,
    });
    this.#heartbeats = new Heartbeats({
      self: { storeId: this.storeId, boot: this.boot },
      clock,
      detector: this.detector,
      adverts: this.adverts,
      peers: () => this.peers,
      shards: this.shards,
      control: this.control,
      facts,
      cannotRecord: options.cannotRecord,
      map: () => this.#map,
      transport: options.transport,
      tell: (to, message) => this.#tell(to, message),
      propose: (change) => void this.#propose(change),
    });
    this.#inbox = new Inbox({
      shards: this.shards,
      router: this.router,
      server: this.#server,
      queries: this.queries,
      control: this.control,
      leading: this.#leading,
      heartbeats: this.#heartbeats,
      adverts: this.adverts,
      joining: this.#joining,
      presence: this.#presence,
      drains: this.#drains,
      map: () => this.#map,
      isJoined: () => this.isJoined,
      takeMap: (map) => this.#takeMap(map),
      tell: (to, message) => this.#tell(to, message),
    });
  }

  // ---- lifecycle --------------------------------------------------------------------------------------------

  async start(): Promise<void> {
    const { transport } = this.#options;
    await transport.start(this);
    this.shards.start();
    this.router.start();
    this.control.start();
    if (this.#options.founds && !this.#map) {
      const facts = { ...this.#options.facts(), storeId: this.storeId, boot: this.boot, protocol: protocolVersions };
      const map = foundingMap(this.#options.journal, facts);
      void this.#propose({ type: 'found', map });
    }
    this.#dialPeers();
    this.#every(heartbeatEveryMs, () => this.#heartbeats.beat());
    this.#every(coordinateEveryMs, () => this.#leading.look());
    this.#presence.report();
  }

  #every(periodMs: number, task: () => void): void {
    const slot = this.#timers.length;
    const again = () => {
      this.#timers[slot] = this.#options.clock.schedule(periodMs, () => {
        if (this.#isClosed) return;
        task();
        again();
      });
    };
    again();
  }

  /** Hands over what it owns and leads, and waits until that is done or the time is over. It stays a member. */
  async handOff(graceMs: number): Promise<void> {
    if (this.#isStopping || !this.hasOthers) return;
    this.#isStopping = true;
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + graceMs;
    void this.#propose({ type: 'memberStopping', storeId: this.storeId, boot: this.boot });
    const until = async (isDone: () => boolean) => {
      while (!isDone() && this.hasOthers && clock.monotonicMs() < endMs && !this.#isClosed)
        await new Promise<void>((resolve) => clock.schedule(20, resolve));
    };
    await until(() => [...this.shards.allOwned].length === 0);
    if (!this.control.isLeader) return;
    this.control.transferLeadership();
    await until(() => !this.control.isLeader);
  }

  /** Soon nothing can be recorded: what it owns waits in routers until others have it. Resolves once nothing runs. */
  standAside(): Promise<unknown> {
    this.#heartbeats.beat();
    return this.#drains.drain([...this.shards.allOwned]);
  }

  /** Answers everyone who waits, and stops talking. */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
    this.shards.close();
    this.router.close(reason);
    this.#leading.close();
    this.control.close();
    await this.#options.transport.close();
  }

  get map(): ClusterMap | undefined {
    return this.#map;
  }

  get leader(): StoreId | undefined {
    return this.control.leader;
  }

  get voters(): readonly StoreId[] {
    return this.control.voters;
  }

  /** Another member is up, in reach, and there to stay: it can take what this one has. */
  get hasOthers(): boolean {
    for (const { storeId, status, stopping } of this.#map?.members.values() ?? [])
      if (storeId !== this.storeId && status === 'up' && !stopping && this.isUp(storeId)) return true;
    return false;
  }

  get isJoined(): boolean {
    const self = this.#map?.members.get(this.storeId);
    return self !== undefined && self.boot === this.boot && (self.status === 'up' || self.status === 'leaving');
  }

  /** In the map as it is now, and everything assigned to it serves. */
  get isReady(): boolean {
    if (!this.isJoined) return false;
    return this.#map!.shards.every(({ assigned, active }, shard) => {
      if (assigned.epoch === 0) return this.#map!.members.size > 1;
      if (assigned.owner !== this.storeId) return true;
      return assigned.boot === this.boot && active.epoch === assigned.epoch && this.shards.served(shard) !== undefined;
    });
  }

  /** Calls `listener` after each change of the map, until it is cancelled. */
  onMap(listener: () => void): () => void {
    this.#mapListeners.add(listener);
    return () => this.#mapListeners.delete(listener);
  }

  /** Resolves once the change is committed. @throws Error if that is not known in time */
  propose(change: MapChange): Promise<number> {
    return this.control.propose(change, { timeoutMs: proposeTimeoutMs });
  }

  /** Messages go both ways. */
  isUp(peer: StoreId): boolean {
    return this.#linked.has(peer) && this.#arrived.has(peer);
  }

  /** The pulse thread heard of a peer. */
  pulse(peer: StoreId, boot: number, lagMs: number): void {
    this.detector.pulse(peer, boot, lagMs, this.#options.clock.monotonicMs());
  }

  ownLag(lagMs: number): void {
    this.detector.ownLag(lagMs, this.#options.clock.monotonicMs());
  }

  mayTalk(hello: { readonly storeId: StoreId }): HelloRefusal | undefined {
    const isRemoved = this.#map?.members.get(hello.storeId)?.status === 'removed';
    return isRemoved && !this.#options.mistaken('store given up is let in again') ? 'removed' : undefined;
  }

  get peers(): readonly PeerAddress[] {
    return whomToDial({
      self: this.storeId,
      map: this.#map,
      guests: this.#joining.guests,
      known: this.#addresses.beyond(this.#map),
      isSayingGoodbyeTo: (peer) => this.#presence.isSayingGoodbyeTo(peer),
    });
  }

  #dialPeers(): void {
    this.#options.transport.setPeers(this.peers);
  }

  // ---- the map ----------------------------------------------------------------------------------------------

  #takeMap(map: ClusterMap | undefined): void {
    if (!map || map === this.#map || this.#isClosed) return;
    const before = this.#map;
    this.#map = map;
    if (before?.members !== map.members) this.#membersChanged(before, map);
    this.shards.applyMap(map);
    this.router.applyMap(map);
    for (const listener of [...this.#mapListeners]) listener();
    this.#leading.soon();
  }

  #membersChanged(before: ClusterMap | undefined, map: ClusterMap): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const { storeId, boot, status } of map.members.values()) {
      if (storeId === this.storeId) continue;
      if (status === 'removed') {
        const mayHear = before ? before.members.get(storeId)?.status !== 'removed' : this.#arrived.has(storeId);
        if (mayHear) this.#presence.sayGoodbye(storeId, map);
        this.detector.forget(storeId);
        this.adverts.forget(storeId);
        this.#server.forget(storeId);
      } else this.detector.newLife(storeId, boot, nowMs);
    }
    const self = map.members.get(this.storeId);
    if (self) this.#joining.forget(map.members.keys());
    this.control.setMembers(membersOf(map).map(({ storeId }) => storeId));
    this.#addresses.note(map);
    this.#dialPeers();
    const wasMember = before?.members.has(this.storeId) ?? false;
    if (self?.status === 'removed' || (!self && wasMember))
      this.#presence.expel('it was removed from its cluster; to take part again, start it on an empty data directory');
    this.#presence.report();
  }

  async #propose(change: MapChange): Promise<void> {
    try {
      await this.propose(change);
    } catch (error) {
      if (!this.#isClosed) this.#options.log.debug('a change of the map was not committed in time', { change, error });
    }
  }

  // ---- heartbeats and messages between members --------------------------------------------------------------

  #tell(to: StoreId, message: MemberMessage): void {
    this.#options.transport.send(to, 'control', encodeMemberMessage(message));
  }

  message(from: PeerIdentity, channel: Channel, bytes: Buffer): void {
    if (this.#isClosed) return;
    this.detector.heard(from.storeId, this.#options.clock.monotonicMs());
    try {
      this.#inbox.receive(from, channel, bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#options.log.error('a peer sent what cannot be read; its link is made anew', { from, error });
      this.#options.transport.reset(from.storeId);
    }
  }

  // ---- links ------------------------------------------------------------------------------------------------

  linkUp(peer: PeerIdentity): void {
    const { storeId } = peer;
    if ((this.#linked.get(storeId)?.boot ?? peer.boot) < peer.boot) this.#server.forget(storeId);
    this.#linked.set(storeId, peer);
    const nowMs = this.#options.clock.monotonicMs();
    this.detector.newLife(storeId, peer.boot, nowMs);
    this.detector.linkUp(storeId, nowMs);
    this.control.linkUp(storeId);
    this.shards.linkUp(storeId);
    if (this.isUp(storeId)) this.router.linkUp(storeId);
    this.#tell(storeId, { type: 'advert', ...this.adverts.own });
    this.#leading.soon();
  }

  linkDown({ storeId }: PeerIdentity, why: LinkLoss): void {
    this.router.linkDown(storeId);
    this.#linked.delete(storeId);
    this.detector.linkDown(storeId, why, this.#options.clock.monotonicMs());
    this.control.linkDown(storeId);
    this.shards.linkDown(storeId);
    this.queries.linkDown(storeId);
    this.#leading.soon();
  }

  peerArrived(peer: PeerIdentity): void {
    const { storeId } = peer;
    this.#server.forget(storeId);
    this.#arrived.set(storeId, peer);
    this.detector.heard(storeId, this.#options.clock.monotonicMs());
    // It was let in before the map was known: it dials again, and is told.
    if (this.mayTalk(peer) !== undefined) this.#options.transport.dismiss(storeId);
    if (!this.isUp(storeId)) return;
    // Answers to what was asked before may have been lost with its old link.
    this.control.linkUp(storeId);
    this.shards.linkUp(storeId);
    this.router.linkUp(storeId);
  }

  peerLeft({ storeId, boot }: PeerIdentity): void {
    if (this.#arrived.get(storeId)?.boot !== boot) return;
    this.#arrived.delete(storeId);
    this.#server.forget(storeId);
    this.router.linkDown(storeId);
    this.queries.linkDown(storeId);
  }

  dialFailed({ storeId }: PeerAddress, why: 'refused' | 'unreachable' | HelloRefusal): void {
    if (why === 'refused') {
      this.detector.dialRefused(storeId, this.#options.clock.monotonicMs());
      this.#heartbeats.hurryElection();
      this.#leading.soon();
    } else if (why !== 'unreachable') {
      this.#options.log.warn('a peer refuses the connection', { peer: storeId, why, advice: adviceFor(why) });
      // A member that was removed never comes back, whoever else is still linked: stores that an operator gave up may all
      // come back at once, and be a majority of what they remember.
      if (why === 'removed') this.#presence.expel('its cluster does not know this store any more');
    }
  }
}
