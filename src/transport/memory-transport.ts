/**
 * The transport in memory: a network that a test or the simulator owns. The same contract as over sockets, with every
 * delay and every fault decided outside: it has no timers and no chance of its own.
 *
 * A link is made like a socket's: the dial takes a delay, and succeeds if the address listens, nothing is cut and the
 * peer's `arrivals.ts`, the same as behind sockets, admits it. Both sides learn of it; what is then sent arrives in order,
 * per channel, after the policy's delay. A broken link loses what is on its way, from some message on, per channel, and
 * is dialled anew. So does one that is closed: over sockets a goodbye comes after what was sent, unless the peer is slow.
 */
import { assert } from '../core/assert.ts';
import type { StoreId } from '../core/ids.ts';
import { type Arrival, type ArrivalRules, Arrivals } from './arrivals.ts';
import type { Hello, ProtocolRange } from './hello.ts';
import {
  type Channel,
  type HelloRefusal,
  type LinkLoss,
  linkBufferBytesMax,
  messageBytesMax,
  type PeerAddress,
  type PeerIdentity,
  type Transport,
  type TransportHandlers,
} from './transport.ts';

/** What the network does with each message and dial. */
export interface LinkPolicy {
  /** How long it takes. A later message of the same link and channel never overtakes an earlier one. */
  delayMs(from: StoreId, to: StoreId, channel: Channel, bytes: number): number;
  /** Until a dial is answered, or fails. */
  dialMs(from: StoreId, to: StoreId): number;
  /** Until an end learns of a link that was cut. */
  detectMs(from: StoreId, to: StoreId): number;
}

export interface MemoryNetworkOptions {
  /** Runs a task later, in the world's time. */
  readonly schedule: (delayMs: number, task: () => void) => void;
  readonly nowMs: () => number;
  readonly policy: LinkPolicy;
}

export interface MemoryTransportOptions extends Omit<ArrivalRules, 'protocol'> {
  readonly address: string;
  /** Default: version 1 alone. */
  readonly protocol?: ProtocolRange;
  /** Runs a task of this node: held while it is paused, dropped once it has crashed. */
  readonly defer: (task: () => void) => void;
}

const redialMs = 100;

/** One link from one life of a node to one life of another. */
interface Link {
  readonly from: MemoryTransport;
  readonly to: MemoryTransport;
  arrival: Arrival<Link> | undefined;
  isOver: boolean;
  /** The ends that know. */
  readonly told: Set<MemoryTransport>;
  /** A cut took a message: nothing that was sent after it arrives either, also if the cut has healed by then. */
  hasGap: boolean;
  /** When the last message of a channel arrives. */
  readonly arrivesMs: Record<Channel, number>;
  /** Bytes on their way, of each channel: bulk that waits keeps no heartbeat back. */
  readonly buffered: Record<Channel, number>;
}

export class MemoryNetwork {
  readonly options: MemoryNetworkOptions;
  readonly #listening = new Map<string, MemoryTransport>();
  readonly #links = new Set<Link>();
  /** `from to`: nothing passes. */
  readonly #cuts = new Set<string>();

  constructor(options: MemoryNetworkOptions) {
    this.options = options;
  }

  transport(options: MemoryTransportOptions): MemoryTransport {
    return new MemoryTransport(this, options);
  }

  /** From now on nothing passes in this direction; the ends find out after a while. */
  cut(from: StoreId, to: StoreId): void {
    this.#cuts.add(`${from} ${to}`);
    for (const link of this.#links) {
      if (link.from.storeId !== from || link.to.storeId !== to) continue;
      this.options.schedule(this.options.policy.detectMs(from, to), () => this.#end(link, 'stalled'));
    }
  }

  heal(from: StoreId, to: StoreId): void {
    this.#cuts.delete(`${from} ${to}`);
  }

  healAll(): void {
    this.#cuts.clear();
  }

  isCut(from: StoreId, to: StoreId): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  /** The link in this direction breaks at once: what is on its way is lost. */
  break(from: StoreId, to: StoreId): void {
    for (const link of this.#links) {
      if (link.from.storeId === from && link.to.storeId === to) this.#end(link, 'reset');
    }
  }

  /** The process dies: its links are reset, and it is never told anything again. */
  crash(transport: MemoryTransport): void {
    transport.isDead = true;
    if (this.#listening.get(transport.address) === transport) this.#listening.delete(transport.address);
    for (const link of this.#links) {
      if (link.from === transport || link.to === transport) this.#end(link, 'reset');
    }
  }

  /** @internal */
  listen(transport: MemoryTransport): void {
    const { address } = transport;
    if (this.#listening.has(address))
      throw Object.assign(new Error(`${address} is in use`), { code: 'EADDRINUSE', port: 0 });
    this.#listening.set(address, transport);
  }

  /** @internal */
  leave(transport: MemoryTransport): void {
    if (this.#listening.get(transport.address) === transport) this.#listening.delete(transport.address);
    for (const link of this.#links) {
      if (link.from === transport) this.#end(link, 'closed here');
      else if (link.to === transport) this.#end(link, 'closed by peer');
    }
  }

  /** @internal Tries to make a link; `made` or `failed` is called later. */
  dial(
    from: MemoryTransport,
    peer: PeerAddress,
    made: (link: Link) => void,
    failed: (why: 'refused' | 'unreachable' | HelloRefusal) => void,
  ): void {
    const { policy, schedule } = this.options;
    schedule(policy.dialMs(from.storeId, peer.storeId), () => {
      if (from.isDead) return;
      const to = this.#listening.get(peer.address);
      if (!to) return failed('refused');
      if (this.isCut(from.storeId, to.storeId) || this.isCut(to.storeId, from.storeId)) return failed('unreachable');
      const hello = from.hello(peer.storeId);
      const refusal = to.whyRefused(hello);
      if (refusal) return failed(refusal);
      if (!from.sawLife(to.identity)) return failed('outdated');
      const link: Link = {
        from,
        to,
        arrival: undefined,
        isOver: false,
        told: new Set(),
        hasGap: false,
        arrivesMs: { data: 0, control: 0 },
        buffered: { data: 0, control: 0 },
      };
      this.#links.add(link);
      to.admit(hello, link);
      made(link);
    });
  }

  /** @internal */
  carry(link: Link, channel: Channel, bytes: Buffer): void {
    const { policy, schedule, nowMs } = this.options;
    if (link.isOver || this.isCut(link.from.storeId, link.to.storeId)) link.hasGap = true;
    if (link.hasGap) return;
    const delayMs = policy.delayMs(link.from.storeId, link.to.storeId, channel, bytes.length);
    const atMs = Math.max(nowMs() + delayMs, link.arrivesMs[channel]);
    link.arrivesMs[channel] = atMs;
    link.buffered[channel] += bytes.length;
    schedule(atMs - nowMs(), () => {
      link.buffered[channel] -= bytes.length;
      if (this.isCut(link.from.storeId, link.to.storeId)) link.hasGap = true;
      if (link.isOver || link.hasGap) return;
      link.to.deliver(link, channel, bytes);
    });
  }

  /** @internal One end closes it. The other hears so, unless nothing passes on that way: then it finds out by itself. */
  end(link: Link, why: LinkLoss, by: MemoryTransport): void {
    const other = by === link.from ? link.to : link.from;
    if (!this.isCut(by.storeId, other.storeId)) {
      this.#end(link, why);
      return;
    }
    this.#end(link, why, [by]);
    this.options.schedule(this.options.policy.detectMs(by.storeId, other.storeId), () => this.#end(link, 'stalled'));
  }

  #end(link: Link, why: LinkLoss, ends: readonly MemoryTransport[] = [link.from, link.to]): void {
    link.isOver = true;
    this.#links.delete(link);
    for (const end of ends) {
      if (link.told.has(end)) continue;
      link.told.add(end);
      if (end === link.from) end.linkEnded(link, why);
      else end.arrivalEnded(link);
    }
  }
}

export class MemoryTransport implements Transport {
  readonly identity: PeerIdentity;
  readonly address: string;
  isDead = false;
  readonly #network: MemoryNetwork;
  readonly #options: MemoryTransportOptions;
  readonly #rules: ArrivalRules;
  readonly #arrivals: Arrivals<Link>;
  readonly #links = new Map<StoreId, Link>();
  readonly #dialling = new Set<StoreId>();
  #peers: readonly PeerAddress[] = [];
  #handlers: TransportHandlers | undefined;
  #linkNumber = 0;
  #isListening = false;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    this.#network = network;
    this.#options = options;
    this.identity = options.identity;
    this.address = options.address;
    this.#rules = { protocol: { min: 1, max: 1 }, ...options };
    this.#arrivals = new Arrivals(this.#rules, {
      peerArrived: (peer) => this.#tell((handlers) => handlers.peerArrived(peer)),
      peerLeft: (peer) => this.#tell((handlers) => handlers.peerLeft(peer)),
      hangUp: (link) => network.end(link, 'reset', this),
      newerLife: (storeId, boot) => this.#newerLife(storeId, boot),
    });
  }

  get storeId(): StoreId {
    return this.identity.storeId;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    assert(!this.#handlers && !this.#isClosed, 'a transport starts once');
    this.#handlers = handlers;
    this.#network.listen(this);
    this.#isListening = true;
    this.setPeers(this.#peers);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = peers;
    if (!this.#isListening || this.#isClosed) return;
    for (const [storeId, link] of this.#links)
      if (!peers.some((peer) => peer.storeId === storeId)) this.#network.end(link, 'closed here', this);
    for (const { storeId } of peers) this.#dial(storeId);
  }

  isUp(to: StoreId): boolean {
    return this.#links.has(to);
  }

  send(to: StoreId, channel: Channel, bytes: Uint8Array): boolean {
    assert(
      bytes.length > 0 && bytes.length <= messageBytesMax,
      () => `a message has 1 to ${messageBytesMax} bytes, got ${bytes.length}`,
    );
    const link = this.#links.get(to);
    if (!link || this.isDead || link.buffered[channel] + bytes.length > linkBufferBytesMax) return false;
    this.#network.carry(link, channel, Buffer.from(bytes));
    return true;
  }

  bufferedBytes(to: StoreId): number {
    return this.#links.get(to)?.buffered.data ?? 0;
  }

  reset(to: StoreId): void {
    const link = this.#links.get(to);
    if (link) this.#network.end(link, 'closed here', this);
  }

  dismiss(from: StoreId): void {
    this.#arrivals.dismiss(from);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#network.leave(this);
    if (!this.#handlers || this.isDead) return;
    // What is still to be told was deferred before this.
    await new Promise<void>((told) => this.#options.defer(told));
    this.#handlers = undefined;
  }

  #dial(storeId: StoreId): void {
    if (this.#links.has(storeId) || this.#dialling.has(storeId) || this.#isClosed || this.isDead) return;
    const peer = this.#peers.find((each) => each.storeId === storeId);
    if (!peer) return;
    this.#dialling.add(storeId);
    const ended = () => {
      this.#dialling.delete(storeId);
      return !this.#isClosed && !this.isDead && this.#peers.some((each) => each.storeId === storeId);
    };
    this.#network.dial(
      this,
      peer,
      (link) => {
        if (!ended()) {
          this.#network.end(link, 'closed here', this);
          return;
        }
        this.#links.set(storeId, link);
        this.#tell((handlers) => handlers.linkUp(link.to.identity));
      },
      (why) => {
        if (!ended()) return;
        this.#tell((handlers) => handlers.dialFailed(peer, why));
        this.#network.options.schedule(redialMs, () => this.#dial(storeId));
      },
    );
  }

  /** @internal What it says of itself on a new link. Both channels say the same, but for which they are. */
  hello(wants: StoreId): Hello {
    this.#linkNumber += 1;
    const { clusterId, identity, protocol } = this.#rules;
    return {
      type: 'hello',
      clusterId,
      ...identity,
      protocol,
      channel: 'data',
      link: this.#linkNumber,
      wants,
      nonce: '',
    };
  }

  /** @internal */
  whyRefused(hello: Hello): HelloRefusal | undefined {
    return this.isDead || this.#isClosed ? 'outdated' : this.#arrivals.whyRefused(hello);
  }

  /** @internal Of who answered a dial. @returns false if a newer life of its store is known */
  sawLife({ storeId, boot }: PeerIdentity): boolean {
    return this.#arrivals.sawLife(storeId, boot);
  }

  /** @internal */
  admit(hello: Hello, link: Link): void {
    link.arrival = this.#arrivals.admit(hello, link);
    this.#arrivals.admit({ ...hello, channel: 'control' }, link);
  }

  /** @internal */
  arrivalEnded({ arrival }: Link): void {
    if (arrival) this.#arrivals.end(arrival);
  }

  #newerLife(storeId: StoreId, boot: number): void {
    const link = this.#links.get(storeId);
    if (link && link.to.identity.boot < boot) this.#network.end(link, 'reset', this);
  }

  /** @internal */
  linkEnded(link: Link, why: LinkLoss): void {
    const { storeId } = link.to;
    if (this.#links.get(storeId) !== link) return;
    this.#links.delete(storeId);
    const told = link.to.isDead ? 'reset' : why;
    this.#tell((handlers) => handlers.linkDown(link.to.identity, told));
    this.#network.options.schedule(redialMs / 10, () => this.#dial(storeId));
  }

  /** @internal */
  deliver(link: Link, channel: Channel, bytes: Buffer): void {
    this.#tell((handlers) => {
      if (!link.isOver) handlers.message(link.from.identity, channel, bytes);
    });
  }

  #tell(news: (handlers: TransportHandlers) => void): void {
    this.#options.defer(() => {
      if (!this.isDead && this.#handlers) news(this.#handlers);
    });
  }
}
