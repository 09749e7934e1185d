/**
 * The transport on WebSockets. Every node dials every peer that it is told of, on one socket per channel, and sends on
 * the sockets it dialled; it receives on those that others dialled. So two nodes that dial each other at once need no
 * rule for which connection wins, and a fault in one direction stays in one direction.
 *
 * Here is what belongs together: the listener, the arrivals (links that lead here) and the links (that lead away).
 * The hello is `hello.ts`, the bytes on the wire `frames.ts`, the port `websocket-listener.ts`, dialling
 * `websocket-link.ts`.
 */
import { performance } from 'node:perf_hooks';
import { assert } from '../core/assert.ts';
import type { StoreId } from '../core/ids.ts';
import type { Random } from '../core/random.ts';
import { type ArrivalRules, Arrivals } from './arrivals.ts';
import { FrameReader } from './frames.ts';
import type { Hello } from './hello.ts';
import type {
  Channel,
  ClusterDescription,
  HelloRefusal,
  PeerAddress,
  Transport,
  TransportHandlers,
} from './transport.ts';
import { standardTransportLimits, type TransportLimits } from './transport-limits.ts';
import type { TransportTls } from './transport-tls.ts';
import { type TurnedAway, TurnedAwayBook } from './turned-away.ts';
import { type LinkContext, WebSocketLink } from './websocket-link.ts';
import { type Admission, type AdmittedSocket, WebSocketListener } from './websocket-listener.ts';

export interface WebSocketTransportOptions extends ArrivalRules {
  /** Where to listen. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** `host:port` as told to peers; default: where it listens. */
  readonly advertise?: string | undefined;
  /** Shared by all nodes of the cluster. Without one, whoever reaches the port and knows the cluster's id is a peer. */
  readonly secret?: string | undefined;
  /** Beside the secret or instead of it. */
  readonly tls?: TransportTls | undefined;
  /** Answers probes; without it they are refused. */
  readonly describe?: (() => ClusterDescription) | undefined;
  readonly limits?: Partial<TransportLimits> | undefined;
  /** Told of who is turned away at the port, for a log: so seldom that strangers cannot fill one. */
  readonly turnedAway?: ((stranger: TurnedAway, times: number) => void) | undefined;
  /** For jitter. */
  readonly random: Random;
}

export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions;
  readonly #limits: TransportLimits;
  readonly #listener: WebSocketListener;
  readonly #arrivals: Arrivals<AdmittedSocket>;
  readonly #links = new Map<StoreId, WebSocketLink>();
  readonly #context: LinkContext;
  readonly #turnedAwayBook = new TurnedAwayBook();
  #peers: readonly PeerAddress[] = [];
  #handlers: TransportHandlers | undefined;
  #address: string | undefined;
  #linkNumber = 0;
  #stallCheck: NodeJS.Timeout | undefined;
  /** To be told in the next turn, in order. */
  #news: ((handlers: TransportHandlers) => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: WebSocketTransportOptions) {
    this.#options = options;
    this.#limits = { ...standardTransportLimits, ...options.limits };
    const { clusterId, identity, protocol, secret, tls, random, describe } = options;
    this.#arrivals = new Arrivals(options, {
      peerArrived: (peer) => {
        this.#tell((handlers) => handlers.peerArrived(peer));
        this.#links.get(peer.storeId)?.peerIsThere();
      },
      peerLeft: (peer) => this.#tell((handlers) => handlers.peerLeft(peer)),
      hangUp: (socket) => (this.#closing ? socket.close() : socket.destroy()),
      newerLife: (storeId, boot) => this.#links.get(storeId)?.newerLife(boot),
    });
    this.#listener = new WebSocketListener({
      host: options.host,
      port: options.port,
      secret,
      tls,
      limits: this.#limits,
      admit: (hello, socket) => this.#admit(hello, socket),
      turnedAway: (stranger) => this.#turnedAway(stranger),
      answerProbe: () => (describe ? { type: 'probe', description: describe() } : 'malformed'),
    });
    this.#context = {
      self: { clusterId, ...identity },
      protocol,
      secret,
      tls,
      limits: this.#limits,
      random,
      nextLinkNumber: () => {
        this.#linkNumber += 1;
        return this.#linkNumber;
      },
      linkUp: (peer) => this.#tell((handlers) => handlers.linkUp(peer)),
      linkDown: (peer, why) => this.#tell((handlers) => handlers.linkDown(peer, why)),
      dialFailed: (peer, why) => this.#tell((handlers) => handlers.dialFailed(peer, why)),
      sawLife: ({ storeId, boot }) => this.#arrivals.sawLife(storeId, boot),
    };
  }

  get address(): string {
    assert(this.#address !== undefined, 'the address is known once the transport has started');
    return this.#address;
  }

  async start(handlers: TransportHandlers): Promise<void> {
    assert(!this.#handlers && !this.#closing, 'a transport starts once');
    this.#handlers = handlers;
    const { host, advertise } = this.#options;
    const port = await this.#listener.listen();
    this.#address = advertise ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (this.#closing) return;
    const { stallMs } = this.#limits;
    this.#stallCheck = setInterval(() => this.#checkStalls(), Math.min(1_000, stallMs / 4));
    this.#stallCheck.unref();
    this.setPeers(this.#peers);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = peers;
    if (this.#address === undefined || this.#closing) return;
    const named = new Set(peers.map(({ storeId }) => storeId));
    for (const [storeId, link] of this.#links) {
      if (named.has(storeId)) continue;
      this.#links.delete(storeId);
      void link.close();
    }
    for (const peer of peers) {
      const link = this.#links.get(peer.storeId);
      if (link) link.moveTo(peer);
      else this.#links.set(peer.storeId, new WebSocketLink(peer, this.#context));
    }
  }

  isUp(to: StoreId): boolean {
    return this.#links.get(to)?.isUp ?? false;
  }

  send(to: StoreId, channel: Channel, bytes: Uint8Array): boolean {
    assert(
      bytes.length >= 1 && bytes.length <= this.#limits.messageBytesMax,
      () => `a message has 1 to ${this.#limits.messageBytesMax} bytes, got ${bytes.length}`,
    );
    return this.#links.get(to)?.send(channel, bytes) ?? false;
  }

  bufferedBytes(to: StoreId): number {
    return this.#links.get(to)?.bufferedBytes ?? 0;
  }

  reset(to: StoreId): void {
    this.#links.get(to)?.reset();
  }

  dismiss(from: StoreId): void {
    this.#arrivals.dismiss(from);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // So that `closing` is set before anything below is told.
    await Promise.resolve();
    clearInterval(this.#stallCheck);
    const links = [...this.#links.values()];
    this.#links.clear();
    const closed = links.map((link) => link.close());
    for (const arrival of this.#arrivals.all) this.#arrivals.end(arrival);
    if (this.#handlers) await Promise.all([...closed, this.#listener.close()]);
    this.#tellNews();
    this.#handlers = undefined;
  }

  #turnedAway(stranger: TurnedAway): void {
    if (this.#closing) return;
    const times = this.#turnedAwayBook.note(stranger, performance.now());
    if (times !== undefined) this.#options.turnedAway?.(stranger, times);
  }

  #admit(hello: Hello, socket: AdmittedSocket): Admission | HelloRefusal {
    const why = this.#closing ? 'outdated' : this.#arrivals.whyRefused(hello);
    if (why) return why;
    const arrival = this.#arrivals.admit(hello, socket);
    const { channel } = hello;
    const reader = new FrameReader(this.#limits.messageBytesMax);
    const deliver = (bytes: Buffer): boolean => {
      this.#handlers!.message(arrival.peer, channel, bytes);
      return !arrival.isOver;
    };
    return {
      welcome: this.#arrivals.welcome,
      frame: (bytes) => {
        // News of the arrival itself comes first, and so does whatever else happened before.
        this.#tellNews();
        const isUnderstood = arrival.isComplete && reader.read(bytes, deliver);
        if (!isUnderstood) this.#arrivals.end(arrival);
      },
      ended: () => this.#arrivals.end(arrival),
    };
  }

  #checkStalls(): void {
    const nowMs = performance.now();
    for (const link of this.#links.values()) link.checkStall(nowMs);
  }

  /** Handlers never run during a call. */
  #tell(news: (handlers: TransportHandlers) => void): void {
    if (this.#news.length === 0) setImmediate(() => this.#tellNews());
    this.#news.push(news);
  }

  #tellNews(): void {
    while (this.#news.length > 0) {
      const news = this.#news.shift()!;
      if (this.#handlers) news(this.#handlers);
    }
  }
}
