/**
 * The cluster's port: WebSockets of peers and nothing else. A connection is a stranger until its hello is over, and a
 * stranger gets little: one text at a time, a few kilobytes in all, a few seconds, and a place among few. So nothing
 * that strangers send can fill memory or keep peers out for long.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Hello, ListenerHello, type Probe, refusalText, type Welcome } from './hello.ts';
import { newNonce } from './proof.ts';
import type { HelloRefusal } from './transport.ts';
import { frameBytesMax, strangerBytesMax, type TransportLimits } from './transport-limits.ts';
import { isNotTrusted, serverTlsOptions, type TransportTls, tlsFirstByte, wantsTlsResponse } from './transport-tls.ts';
import type { TurnedAway } from './turned-away.ts';
import { goodbyeCode, websocketPath } from './websocket-channel.ts';

/** A socket whose hello is over. */
export interface AdmittedSocket {
  /** Cuts the connection; nothing more is told of it. */
  destroy(): void;
  /** Says goodbye; nothing more is told of it. */
  close(): void;
}

/** What becomes of an admitted socket. */
export interface Admission {
  readonly welcome: Welcome;
  frame(bytes: Buffer): void;
  ended(): void;
}

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string | undefined;
  readonly tls: TransportTls | undefined;
  readonly limits: TransportLimits;
  /** A peer that proved the secret asks to be let in. */
  admit(hello: Hello, socket: AdmittedSocket): Admission | HelloRefusal;
  answerProbe(): Welcome | HelloRefusal;
  turnedAway(stranger: TurnedAway): void;
}

interface Stranger {
  readonly connection: Socket;
  readonly deadline: NodeJS.Timeout;
}

/** Of a connection that is not (yet) a WebSocket. */
interface ClientError extends Error {
  readonly code?: string;
  /** What it sent, if it was no HTTP. */
  readonly rawPacket?: Buffer;
  /** Of OpenSSL's own errors: the part that says something. */
  readonly reason?: string;
}

/** An HTTP request that may become a WebSocket: its headers at most. */
const headerBytesMax = 4 * 1024;

export class WebSocketListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #websockets: WebSocketServer;
  /**
   * Connections without a finished hello, oldest first, by where they come from: TLS puts another stream over a
   * connection, which has nothing else in common with it.
   */
  readonly #strangers = new Map<string, Stranger>();
  readonly #connections = new Set<Socket>();
  /** Connections on which TLS is still beginning. */
  readonly #handshakes = new Set<string>();
  /** Those that ended meanwhile and of which the error is still to come, in order: by then a socket has no address. */
  readonly #cutOff: { readonly host: string; readonly isSilent: boolean }[] = [];

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { tls, limits } = options;
    const http = { maxHeaderSize: headerBytesMax, keepAlive: false, noDelay: true };
    this.#server = tls ? createTlsServer({ ...http, ...serverTlsOptions(tls) }) : createServer(http);
    const closing = { closeTimeout: limits.closeTimeoutMs };
    this.#websockets = new WebSocketServer({
      ...closing,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      path: websocketPath,
      maxPayload: frameBytesMax,
    });
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.#server.on('request', (_, response) => {
      response.writeHead(426, { connection: 'close', 'content-type': 'text/plain' });
      response.end('This port is for the nodes of a Greenroom cluster.\n', () => response.socket?.destroy());
    });
    this.#server.on('clientError', (error: ClientError, socket) => this.#onClientError(error, socket as Socket));
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#handshakes.delete(originOf(socket)));
    this.#server.on('tlsClientError', (error: ClientError, socket: TLSSocket) => this.#onTlsError(error, socket));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      this.#websockets.handleUpgrade(request, socket, head, (websocket) => this.#onWebSocket(websocket, socket));
    });
  }

  /** @throws Error with `code` `EADDRINUSE` and alike */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  get strangerCount(): number {
    return this.#strangers.size;
  }

  /** Takes no more connections, and cuts those of strangers. Resolves when all are gone, which the timeout ensures. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { connection } of this.#strangers.values()) connection.destroy();
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, this.#options.limits.closeTimeoutMs);
    await closed;
    clearTimeout(timer);
  }

  #onConnection(connection: Socket): void {
    const origin = originOf(connection);
    const host = connection.remoteAddress ?? '';
    this.#connections.add(connection);
    if (this.#options.tls) this.#handshakes.add(origin);
    connection.on('close', () => {
      this.#connections.delete(connection);
      // One that ends without a word looks whether the port is open, or was cut at the deadline.
      if (this.#handshakes.delete(origin)) this.#cutOff.push({ host, isSilent: connection.bytesRead === 0 });
      this.#forgetStranger(origin);
    });
    connection.on('error', () => connection.destroy());
    if (this.#strangers.size >= this.#options.limits.strangersMax) {
      const [oldest] = this.#strangers;
      oldest![1].connection.destroy();
      this.#forgetStranger(oldest![0]);
    }
    const deadline = setTimeout(() => connection.destroy(), this.#options.limits.helloTimeoutMs);
    this.#strangers.set(origin, { connection, deadline });
  }

  #onClientError({ rawPacket }: ClientError, socket: Socket): void {
    if (this.#options.tls || rawPacket?.[0] !== tlsFirstByte) {
      socket.destroy();
      return;
    }
    this.#options.turnedAway({ host: socket.remoteAddress ?? '', why: 'TLS on one side' });
    // In plain text, which tells TLS on the other side where it is.
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => socket.destroy());
  }

  #onTlsError(error: ClientError, socket: TLSSocket): void {
    const origin = originOf(socket);
    const { turnedAway } = this.#options;
    if (!this.#handshakes.delete(origin)) {
      const { host, isSilent } = this.#cutOff.shift() ?? { host: '', isSilent: true };
      // TLS tells why it does not trust a certificate by this alone, also where that is typed as an error.
      const distrust = socket.authorizationError as unknown as string | null | undefined;
      if (distrust) turnedAway({ host, why: 'wrong certificate', detail: distrust });
      else if (!isSilent) turnedAway({ host, why: 'handshake cut off' });
      return;
    }
    const host = socket.remoteAddress ?? '';
    if (error.code === 'ERR_SSL_HTTP_REQUEST') {
      turnedAway({ host, why: 'TLS on one side' });
      // TLS has given up on it; below, the connection is still there.
      const connection = this.#strangers.get(origin)?.connection;
      connection?.end(wantsTlsResponse, () => connection.destroy());
      return;
    }
    if (isNotTrusted(error)) turnedAway({ host, why: 'wrong certificate', detail: error.reason ?? error.message });
    socket.destroy();
  }

  #forgetStranger(origin: string): void {
    clearTimeout(this.#strangers.get(origin)?.deadline);
    this.#strangers.delete(origin);
  }

  #onWebSocket(websocket: WebSocket, socket: Socket): void {
    const origin = originOf(socket);
    const hello = new ListenerHello(this.#options.secret, newNonce());
    const unbound = boundBytes(socket);
    websocket.on('error', () => websocket.terminate());
    const onText = (data: Buffer, isBinary: boolean): void => {
      const step = isBinary ? ({ type: 'refuse', why: 'malformed' } as const) : hello.step(data.toString());
      if (step.type === 'send') {
        websocket.send(step.text);
        return;
      }
      websocket.off('message', onText);
      const outcome = step.type === 'proved' ? this.#decide(step.opening, websocket) : step.why;
      if (typeof outcome === 'string') {
        this.#options.turnedAway({ host: socket.remoteAddress ?? '', why: outcome });
        websocket.send(refusalText(outcome));
        websocket.close(goodbyeCode);
        return;
      }
      websocket.send(hello.welcomeText(outcome));
      if (step.type !== 'proved' || step.opening.type === 'probe') {
        websocket.close(goodbyeCode);
        return;
      }
      this.#forgetStranger(origin);
      unbound();
    };
    websocket.on('message', onText);
  }

  /** @returns what to welcome it with; from now on its frames are delivered */
  #decide(opening: Hello | Probe, websocket: WebSocket): Welcome | HelloRefusal {
    if (opening.type === 'probe') return this.#options.answerProbe();
    let isLetGo = false;
    const admission = this.#options.admit(opening, {
      destroy() {
        isLetGo = true;
        websocket.terminate();
      },
      close() {
        isLetGo = true;
        websocket.close(goodbyeCode);
      },
    });
    if (typeof admission === 'string') return admission;
    websocket.on('message', (data: Buffer) => {
      if (!isLetGo) admission.frame(data);
    });
    websocket.on('close', () => {
      if (!isLetGo) admission.ended();
    });
    return admission.welcome;
  }
}

/** Cuts the connection of a stranger that says too much. @returns what ends the watch */
function boundBytes(socket: Socket): () => void {
  let received = 0;
  const watch = (chunk: Buffer): void => {
    received += chunk.length;
    if (received > strangerBytesMax) socket.destroy();
  };
  socket.prependListener('data', watch);
  return () => socket.off('data', watch);
}

function originOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
