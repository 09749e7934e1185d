/**
 * The transport: messages between the nodes of one cluster. A peer is a store (`storeId`) in one life of its process
 * (`boot`); what is meant for another store or another life is never delivered.
 *
 * ## Contract
 *
 * - **Links.** A link leads from this node to one peer, on one channel. `data` carries bulk, `control` carries consensus
 *   and heartbeats, so that bulk never delays them. Links are made and made again by the transport, for every peer
 *   named by `setPeers`, with backoff; both channels of a peer come up and go down together.
 * - **In order, without a gap, at most once.** What is sent over one link arrives in the order sent. A link that breaks
 *   loses a tail of what was sent, never something in the middle; `linkDown` says so, and `linkUp` begins a new one.
 *   Once a message of a newer link of a peer has been delivered, nothing of its older links is.
 * - **Bounded.** `send` answers false, and sends nothing, when there is no link or more than `linkBufferBytesMax` wait.
 *   A peer that takes nothing for `stallMs` has its link cut.
 * - **Never during a call.** Handlers run in turns of their own, never inside `send` or `setPeers`.
 * - **Batched.** What is sent within one turn of the event loop leaves as one frame per link.
 * - **Closed for good.** `close` ends every link: here it is told as `closed here`, to peers as `closed by peer`. All of
 *   it has been told when `close` resolves, and nothing is told after that. A transport starts once.
 *
 * `test/transport/transport-suite.ts` says the same as tests, which every transport passes.
 *
 * A message is 1 byte to `messageBytesMax`. The receiver owns the bytes it is handed, and may keep them.
 */
import type { NodeName, StoreId } from '../core/ids.ts';

/** Who a peer is, in one life of its process. */
export interface PeerIdentity {
  readonly storeId: StoreId;
  readonly node: NodeName;
  /** Counts the starts of its store, from 1. */
  readonly boot: number;
}

export type Channel = 'data' | 'control';

/** Where a peer is dialled. */
export interface PeerAddress {
  readonly storeId: StoreId;
  /** `host:port` */
  readonly address: string;
}

/** What a cluster tells a node that wants to join it, before that node has a store. */
export interface ClusterDescription {
  readonly clusterId: string;
  readonly shardCount: number;
  readonly replicas: number;
  /** The node that answered. */
  readonly node: NodeName;
  readonly storeId: StoreId;
  /** Addresses of all members it knows, its own included. */
  readonly addresses: readonly string[];
}

/** Why a hello was refused; a reason that will not pass by itself is told to people. */
export type HelloRefusal =
  | 'wrong cluster'
  | 'wrong secret'
  /** One side does not accept the other's certificate. */
  | 'wrong certificate'
  /** One side speaks TLS, and the other does not. */
  | 'TLS on one side'
  | 'wrong store'
  | 'no common protocol version'
  /** The dialled node is this node itself. */
  | 'self'
  /** A newer life of the same store is connected, or the node that was dialled is closing. */
  | 'outdated'
  /** The dialled node knows that this store was removed from the cluster, which is for good. */
  | 'removed'
  | 'malformed';

/** What happens to links, told by the transport. */
export interface TransportHandlers {
  /** Messages to `peer` are now delivered, both channels. A new link: whatever an older one lost stays lost. */
  linkUp(peer: PeerIdentity): void;
  /** Messages sent over the link and not answered may or may not have arrived. */
  linkDown(peer: PeerIdentity, why: LinkLoss): void;
  /** A peer reached us: its messages will be delivered. Told before its first message, also for peers never named. */
  peerArrived(peer: PeerIdentity): void;
  /** No further message of this life of the peer will be delivered over what broke. It may arrive again. */
  peerLeft(peer: PeerIdentity): void;
  message(from: PeerIdentity, channel: Channel, bytes: Buffer): void;
  /**
   * A dial failed: its process is not there (`refused`), nothing answers (`unreachable`), or it says no. Told of every
   * dial, also when the answer is the same: what it means may depend on what has happened here since.
   */
  dialFailed(peer: PeerAddress, why: 'refused' | 'unreachable' | HelloRefusal): void;
}

/** `reset`: the connection ended without a goodbye, as when a process dies. */
export type LinkLoss = 'reset' | 'closed by peer' | 'stalled' | 'closed here';

export interface Transport {
  /** `host:port` as told to peers. Only after `start`. */
  readonly address: string;
  /** Listens, and dials who is named. @throws Error with `code` `EADDRINUSE` and alike */
  start(handlers: TransportHandlers): Promise<void>;
  /** Exactly these are kept connected from now on. Links to others are closed. */
  setPeers(peers: readonly PeerAddress[]): void;
  /** Whether there is a link to the peer now. */
  isUp(to: StoreId): boolean;
  /**
   * The bytes are copied: the sender may use its buffer again.
   *
   * @returns false if there is no link, or too much waits on it: then nothing was sent
   * @throws AssertionFailure for an empty message, or one beyond `messageBytesMax`
   */
  send(to: StoreId, channel: Channel, bytes: Uint8Array): boolean;
  /** Bytes sent to the peer on the data channel that the operating system has not taken yet. */
  bufferedBytes(to: StoreId): number;
  /** Cuts the links to a peer and makes new ones. */
  reset(to: StoreId): void;
  /** Cuts what the peer dialled here. It may dial again; then `mayTalk` is asked again. */
  dismiss(from: StoreId): void;
  /** Idempotent. Resolves also where `start` failed or was never called. */
  close(): Promise<void>;
}

/** Bytes that may wait on one link, so on one channel. */
export const linkBufferBytesMax = 64 * 1024 * 1024;
/** Length of one message at most. */
export const messageBytesMax = 48 * 1024 * 1024;
/** A link on which something waits and nothing moves is cut after this. */
export const stallMs = 10_000;
