/**
 * The transport in memory: a network that a test or the simulator owns. The same contract as over sockets, with every
 * delay and every fault decided outside: it has no timers and no chance of its own.
 *
 * A link is made like a socket's: the dial takes a delay, and succeeds if the address listens and nothing is cut. Both
 * sides learn of it; what is then sent arrives in order, per channel, after the policy's delay. A broken link loses what
 * is on its way, from some message on, per channel, and is dialled anew.
 */
import { assert } from '../core/assert.ts';
import type { StoreId } from '../core/ids.ts';
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

export interface MemoryTransportOptions {
  readonly identity: PeerIdentity;
  readonly address: string;
  readonly clusterId: string;
  /** Runs a task of this node: held while it is paused, dropped once it has crashed. */
  readonly defer: (task: () => void) => void;
  readonly mayTalk?: (hello: { readonly storeId: StoreId }) => HelloRefusal | undefined;
}

const redialMs = 100;

/** One link from one life of a node to one life of another. */
interface Link {
  readonly from: MemoryTransport;
  readonly to: MemoryTransport;
  isOver: boolean;
  /** A cut took a message: nothing that was sent after it arrives either, also if the cut has healed by then. */
  hasGap: boolean;
  /** When the last message of a channel arrives. */
  readonly arrivesMs: Record<Channel, number>;
  buffered: number;
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
    for (const link of this.#links)
      if (link.from === transport || link.to === transport) this.#end(link, 'closed by peer');
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
      if (to.storeId === from.storeId) return failed('self');
      if (to.storeId !== peer.storeId) return failed('wrong store');
      if (to.clusterId !== from.clusterId) return failed('wrong cluster');
      const refusal = to.whyRefused(from.identity);
      if (refusal) return failed(refusal);
      for (const link of this.#links)
        if (link.from.storeId === from.storeId && link.to === to) this.#end(link, 'reset');
      const link: Link = { from, to, isOver: false, hasGap: false, arrivesMs: { data: 0, control: 0 }, buffered: 0 };
      this.#links.add(link);
      to.arrived(link, from.identity);
      made(link);
    });
  }

  /** @internal */
  carry(link: Link, channel: Channel, bytes: Buffer): void {
    const { policy, schedule, nowMs } = this.options;
    if (this.isCut(link.from.storeId, link.to.storeId)) link.hasGap = true;
    if (link.hasGap) return;
    const delayMs = policy.delayMs(link.from.storeId, link.to.storeId, channel, bytes.length);
    const atMs = Math.max(nowMs() + delayMs, link.arrivesMs[channel]);
    link.arrivesMs[channel] = atMs;
    link.buffered += bytes.length;
    schedule(atMs - nowMs(), () => {
      link.buffered -= bytes.length;
      if (this.isCut(link.from.storeId, link.to.storeId)) link.hasGap = true;
      if (link.isOver || link.hasGap) return;
      link.to.deliver(link, channel, bytes);
    });
  }

  /** @internal */
  end(link: Link, why: LinkLoss): void {
    this.#end(link, why);
  }

  #end(link: Link, why: LinkLoss): void {
    if (link.isOver) return;
    link.isOver = true;
    this.#links.delete(link);
    link.from.linkEnded(link, why);
    link.to.arrivalEnded(link);
  }
}

export class MemoryTransport implements Transport {
  readonly identity: PeerIdentity;
  readonly address: string;
  readonly clusterId: string;
  isDead = false;
  readonly #network: MemoryNetwork;
  readonly #options: MemoryTransportOptions;
  readonly #links = new Map<StoreId, Link>();
  readonly #dialling = new Set<StoreId>();
  readonly #boots = new Map<StoreId, number>();
  #peers: readonly PeerAddress[] = [];
  #handlers: TransportHandlers | undefined;
  #isClosed = false;

  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    this.#network = network;
    this.#options = options;
    this.identity = options.identity;
    this.address = options.address;
    this.clusterId = options.clusterId;
  }

  get storeId(): StoreId {
    return this.identity.storeId;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    this.#network.listen(this);
    this.#handlers = handlers;
    this.setPeers(this.#peers);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = peers;
    if (!this.#handlers) return;
    for (const [storeId, link] of this.#links)
      if (!peers.some((peer) => peer.storeId === storeId)) this.#network.end(link, 'closed here');
    for (const { storeId } of peers) this.#dial(storeId);
  }

  isUp(to: StoreId): boolean {
    return this.#links.has(to);
  }

  send(to: StoreId, channel: Channel, bytes: Uint8Array): boolean {
    assert(
      bytes.length > 0 && bytes.length <= messageBytesMax,
      () => `a message has 1 byte or more, got ${bytes.length}`,
    );
    const link = this.#links.get(to);
    if (!link || this.isDead || link.buffered + bytes.length > linkBufferBytesMax) return false;
    this.#network.carry(link, channel, Buffer.from(bytes));
    return true;
  }

  bufferedBytes(to: StoreId): number {
    return this.#links.get(to)?.buffered ?? 0;
  }

  reset(to: StoreId): void {
    const link = this.#links.get(to);
    if (link) this.#network.end(link, 'closed here');
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#network.leave(this);
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
          this.#network.end(link, 'closed here');
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

  /** @internal */
  whyRefused({ storeId, boot }: PeerIdentity): HelloRefusal | undefined {
    if (this.isDead || this.#isClosed || boot < (this.#boots.get(storeId) ?? 0)) return 'outdated';
    return this.#options.mayTalk?.({ storeId });
  }

  /** @internal */
  arrived(_link: Link, peer: PeerIdentity): void {
    this.#boots.set(peer.storeId, peer.boot);
    this.#tell((handlers) => handlers.peerArrived(peer));
    const stale = this.#links.get(peer.storeId);
    if (stale && stale.to.identity.boot < peer.boot) this.#network.end(stale, 'reset');
  }

  /** @internal */
  arrivalEnded(link: Link): void {
    this.#tell((handlers) => handlers.peerLeft(link.from.identity));
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
