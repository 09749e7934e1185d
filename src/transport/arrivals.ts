/**
 * Who reached this node, and who may. Pure bookkeeping, the same for every driver, so that a simulation decides as
 * sockets do.
 *
 * Invariants: of one store at most one arrival exists, of the newest life and, within it, of the newest link heard of;
 * what is older is refused, also after the newer has gone. `peerArrived` and `peerLeft` alternate, per arrival.
 */
import type { StoreId } from '../core/ids.ts';
import { type Hello, type HelloIdentity, haveCommonVersion, type ProtocolRange, type Welcome } from './hello.ts';
import type { Channel, HelloRefusal, PeerIdentity } from './transport.ts';
import { knownStoresMax } from './transport-limits.ts';

/** Who this node is, and what it accepts. */
export interface ArrivalRules {
  readonly clusterId: string;
  readonly identity: PeerIdentity;
  readonly protocol: ProtocolRange;
  /** Asked last, of peers that are right in all else. */
  readonly mayTalk?: ((hello: HelloIdentity) => HelloRefusal | undefined) | undefined;
}

/** One link of a peer that leads here. `S` is whatever carries a channel. */
export interface Arrival<S> {
  readonly peer: PeerIdentity;
  readonly link: number;
  readonly sockets: Map<Channel, S>;
  /** Both channels are here, and `peerArrived` was told. */
  isComplete: boolean;
  /** Nothing more of it is delivered. */
  isOver: boolean;
}

export interface ArrivalEvents<S> {
  peerArrived(peer: PeerIdentity): void;
  peerLeft(peer: PeerIdentity): void;
  /** The socket belongs to an arrival that is over. */
  hangUp(socket: S): void;
  /** A newer life of a store was heard of than any before. */
  newerLife(storeId: StoreId, boot: number): void;
}

interface Known<S> {
  readonly boot: number;
  link: number;
  arrival: Arrival<S> | undefined;
}

export class Arrivals<S> {
  readonly #rules: ArrivalRules;
  readonly #events: ArrivalEvents<S>;
  /** In the order in which they were last heard of. */
  readonly #known = new Map<StoreId, Known<S>>();

  constructor(rules: ArrivalRules, events: ArrivalEvents<S>) {
    this.#rules = rules;
    this.#events = events;
  }

  get welcome(): Welcome {
    const { clusterId, identity, protocol } = this.#rules;
    return { type: 'hello', clusterId, ...identity, protocol };
  }

  whyRefused(hello: Hello): HelloRefusal | undefined {
    const { clusterId, identity, protocol, mayTalk } = this.#rules;
    if (hello.storeId === identity.storeId) return 'self';
    if (hello.clusterId !== clusterId) return 'wrong cluster';
    if (hello.wants !== identity.storeId) return 'wrong store';
    if (!haveCommonVersion(hello.protocol, protocol)) return 'no common protocol version';
    const known = this.#known.get(hello.storeId);
    if (known && (hello.boot < known.boot || (hello.boot === known.boot && isOlderLink(hello, known)))) {
      return 'outdated';
    }
    const { node, storeId, boot } = hello;
    return mayTalk?.({ clusterId, node, storeId, boot });
  }

  /** One channel of a link; call it only if {@link whyRefused} finds nothing. */
  admit(hello: Hello, socket: S): Arrival<S> {
    const { node, storeId, boot, link, channel } = hello;
    this.sawLife(storeId, boot);
    const known = this.#known.get(storeId)!;
    if (known.arrival && known.arrival.link !== link) this.end(known.arrival);
    known.link = link;
    known.arrival ??= { peer: { storeId, node, boot }, link, sockets: new Map(), isComplete: false, isOver: false };
    const { arrival } = known;
    arrival.sockets.set(channel, socket);
    if (arrival.sockets.size === 2) {
      arrival.isComplete = true;
      this.#events.peerArrived(arrival.peer);
    }
    return arrival;
  }

  /** Ends an arrival, both channels. Does nothing if it is over. */
  end(arrival: Arrival<S>): void {
    if (arrival.isOver) return;
    arrival.isOver = true;
    const known = this.#known.get(arrival.peer.storeId);
    if (known?.arrival === arrival) known.arrival = undefined;
    for (const socket of arrival.sockets.values()) this.#events.hangUp(socket);
    if (arrival.isComplete) this.#events.peerLeft(arrival.peer);
  }

  /** Ends what there is of a store. Does nothing if that is nothing. */
  dismiss(storeId: StoreId): void {
    const arrival = this.#known.get(storeId)?.arrival;
    if (arrival) this.end(arrival);
  }

  /** Of every hello and welcome: an arrival of an older life is over. @returns false if that life is outdated */
  sawLife(storeId: StoreId, boot: number): boolean {
    const known = this.#known.get(storeId);
    if (known && boot < known.boot) return false;
    this.#known.delete(storeId);
    if (known?.boot === boot) {
      this.#known.set(storeId, known);
      return true;
    }
    if (known?.arrival) this.end(known.arrival);
    this.#known.set(storeId, { boot, link: 0, arrival: undefined });
    this.#forgetOldest();
    this.#events.newerLife(storeId, boot);
    return true;
  }

  /** All arrivals there are, complete or not. */
  get all(): readonly Arrival<S>[] {
    return [...this.#known.values()].flatMap(({ arrival }) => arrival ?? []);
  }

  #forgetOldest(): void {
    if (this.#known.size <= knownStoresMax) return;
    for (const [storeId, { arrival }] of this.#known) {
      if (arrival) continue;
      this.#known.delete(storeId);
      return;
    }
  }
}

/** A link that is over is never taken up again. */
function isOlderLink<S>({ link, channel }: Hello, known: Known<S>): boolean {
  if (link !== known.link) return link < known.link;
  return !known.arrival || known.arrival.sockets.has(channel);
}
