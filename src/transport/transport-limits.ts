/** What bounds a transport, beside the lengths that its contract names. Tests set smaller ones. */
import { linkBufferBytesMax, messageBytesMax, stallMs } from './transport.ts';

export interface TransportLimits {
  /** Bytes that may wait on one channel of a link. */
  readonly linkBufferBytesMax: number;
  readonly messageBytesMax: number;
  /** A channel on which something waits and nothing moves is cut after this. */
  readonly stallMs: number;
  /** From the connection to the end of the hello, for either side. */
  readonly helloTimeoutMs: number;
  /** Sockets that have not finished their hello. One more closes the oldest, which has had the most time. */
  readonly strangersMax: number;
  /** How long `close` waits for peers to take what was sent and to say goodbye. */
  readonly closeTimeoutMs: number;
}

export const standardTransportLimits: TransportLimits = {
  linkBufferBytesMax,
  messageBytesMax,
  stallMs,
  helloTimeoutMs: 5_000,
  strangersMax: 64,
  closeTimeoutMs: 1_000,
};

/** All that a stranger may send, WebSocket headers included: a hello has about 400 bytes. */
export const strangerBytesMax = 8 * 1024;

/**
 * A WebSocket frame at most. A longer message goes in pieces, so that a slow peer is told from one that takes
 * nothing: the operating system tells of a write only when it has taken all of it.
 */
export const frameBytesMax = 256 * 1024;

/** Bytes given to the socket and not yet taken. More wait here, for the same reason. */
export const socketWindowBytes = 1024 * 1024;

/** Stores whose newest life is remembered. Beyond, the one heard of longest ago and not here now is forgotten. */
export const knownStoresMax = 10_000;
