/**
 * One channel of one link on a WebSocket that this node dialled: the hello, then what is sent. Frames wait here and
 * not in the socket, beyond a window, so that it can be seen whether they move.
 *
 * Frames are masked with zero, which is no mask: masks protect proxies from pages in browsers, and there are neither.
 */
import type { Socket } from 'node:net';
import type { ClientOptions } from 'ws';
import WebSocket from 'ws';
import { FrameWriter, lengthBytes } from './frames.ts';
import { DiallerHello, type Hello, type Probe, type Welcome } from './hello.ts';
import type { HelloRefusal } from './transport.ts';
import { frameBytesMax, socketWindowBytes, strangerBytesMax, type TransportLimits } from './transport-limits.ts';
import { clientTlsOptions, isNotTrusted, isPlain, type TransportTls, wantsTls } from './transport-tls.ts';

/** The path of the cluster's WebSocket; its number changes when the hello does. */
export const websocketPath = '/greenroom/1';

/** The close code that says goodbye. */
export const goodbyeCode = 1000;

export type DialFailure = 'refused' | 'unreachable' | HelloRefusal;

export interface DialOptions {
  readonly address: string;
  readonly opening: Hello | Probe;
  readonly secret: string | undefined;
  readonly tls: TransportTls | undefined;
  readonly limits: TransportLimits;
}

export interface ChannelEvents {
  welcomed(welcome: Welcome): void;
  /** Before the welcome; nothing follows. `detail` is what TLS says about it. */
  failed(why: DialFailure, detail?: string): void;
  /** After the welcome; nothing follows. */
  ended(isGoodbye: boolean): void;
}

export class WebSocketChannel {
  readonly #events: ChannelEvents;
  readonly #limits: TransportLimits;
  readonly #hello: DiallerHello;
  readonly #deadline: NodeJS.Timeout;
  readonly #writer = new FrameWriter();
  #websocket: WebSocket | undefined;
  #state: 'hello' | 'open' | 'over' = 'hello';
  #isFlushDue = false;
  /** Frames that wait for room in the window. */
  #queue: Buffer[] = [];
  #waitingBytes = 0;
  #inSocketBytes = 0;
  #takenBytes = 0;

  constructor({ address, opening, secret, tls, limits }: DialOptions, events: ChannelEvents) {
    this.#events = events;
    this.#limits = limits;
    this.#hello = new DiallerHello(opening, secret);
    this.#deadline = setTimeout(() => this.#fail('unreachable'), limits.helloTimeoutMs);
    try {
      const scheme = tls ? 'wss' : 'ws';
      this.#websocket = new WebSocket(`${scheme}://${address}${websocketPath}`, clientOptions(tls, limits));
    } catch {
      // Not an address: told in a turn of its own, like every failure.
      setImmediate(() => this.#fail('unreachable'));
      return;
    }
    this.#listen(this.#websocket);
  }

  /** Bytes sent that the operating system has not taken yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Grows as the operating system takes what was sent. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Only while open. @returns false if too much waits */
  send(bytes: Uint8Array): boolean {
    const waiting = this.#waitingBytes + lengthBytes + bytes.length;
    if (waiting > this.#limits.linkBufferBytesMax) return false;
    this.#waitingBytes = waiting;
    this.#writer.add(bytes);
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(this.#flush);
    }
    return true;
  }

  /** Says goodbye after what was sent. No event follows. Resolves when the connection is gone. */
  close(): Promise<void> {
    if (this.#state !== 'open') return this.destroy();
    this.#queue.push(...this.#writer.take());
    for (const frame of this.#queue) this.#websocket!.send(frame, { binary: true });
    this.#end();
    this.#websocket!.close(goodbyeCode);
    return this.#closed();
  }

  /** Cuts the connection. No event follows. Resolves when it is gone. */
  destroy(): Promise<void> {
    this.#end();
    this.#websocket?.terminate();
    return this.#closed();
  }

  #closed(): Promise<void> {
    const websocket = this.#websocket;
    if (!websocket || websocket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => websocket.once('close', () => resolve()));
  }

  #listen(websocket: WebSocket): void {
    websocket.on('upgrade', ({ socket }) => this.#boundStranger(socket));
    websocket.on('open', () => websocket.send(this.#hello.openingText));
    websocket.on('message', (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
    websocket.on('unexpected-response', (_, { statusCode, headers }) =>
      this.#fail(wantsTls(statusCode, headers.upgrade) ? 'TLS on one side' : 'malformed'),
    );
    websocket.on('error', (error: DialError) => this.#fail(failureOf(error), error.reason ?? error.message));
    websocket.on('close', (code) => {
      if (this.#state === 'hello') this.#fail('unreachable');
      if (this.#state !== 'open') return;
      this.#end();
      this.#events.ended(code === goodbyeCode);
    });
  }

  /** Whoever answers is a stranger to us, too, and after the welcome has nothing more to say. */
  #boundStranger(socket: Socket): void {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received > strangerBytesMax) socket.destroy();
    });
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#state !== 'hello') return;
    if (isBinary) {
      this.#fail('malformed');
      return;
    }
    const step = this.#hello.step(data.toString());
    switch (step.type) {
      case 'send':
        this.#websocket!.send(step.text);
        return;
      case 'refused':
        this.#fail(step.why);
        return;
      case 'welcome':
        clearTimeout(this.#deadline);
        this.#state = 'open';
        this.#events.welcomed(step.welcome);
    }
  }

  #fail(why: DialFailure, detail?: string): void {
    // An error of an open socket is told by its `close`.
    if (this.#state !== 'hello') return;
    this.destroy();
    this.#events.failed(why, detail);
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#state = 'over';
    this.#queue = [];
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#state !== 'open') return;
    this.#queue.push(...this.#writer.take());
    this.#pump();
  };

  #pump(): void {
    let taken = 0;
    while (taken < this.#queue.length && this.#inSocketBytes + frameBytesMax <= socketWindowBytes) {
      const frame = this.#queue[taken]!;
      taken += 1;
      this.#inSocketBytes += frame.length;
      this.#websocket!.send(frame, { binary: true }, (error) => {
        if (!error) this.#onTaken(frame.length);
      });
    }
    if (taken === this.#queue.length) this.#queue = [];
    else if (taken > 0) this.#queue.splice(0, taken);
  }

  #onTaken(bytes: number): void {
    this.#inSocketBytes -= bytes;
    this.#waitingBytes -= bytes;
    this.#takenBytes += bytes;
    if (this.#state === 'open' && this.#queue.length > 0) this.#pump();
  }
}

function clientOptions(tls: TransportTls | undefined, limits: TransportLimits): ClientOptions {
  return {
    perMessageDeflate: false,
    maxPayload: strangerBytesMax,
    followRedirects: false,
    closeTimeout: limits.closeTimeoutMs,
    generateMask: (mask: Buffer) => mask.fill(0),
    ...(tls && clientTlsOptions(tls)),
  } as ClientOptions;
}

interface DialError extends NodeJS.ErrnoException {
  /** Of OpenSSL's own errors: the part that says something. */
  readonly reason?: string;
}

function failureOf(error: DialError): DialFailure {
  if (error.code === 'ECONNREFUSED') return 'refused';
  if (isNotTrusted(error)) return 'wrong certificate';
  if (isPlain(error)) return 'TLS on one side';
  // What answers does not speak HTTP, or not TLS, or not WebSocket.
  const isForeign =
    /^(HPE_|WS_ERR_|EPROTO|ERR_SSL_WRONG)/.test(error.code ?? '') || /Sec-WebSocket|Upgrade/.test(error.message);
  return isForeign ? 'malformed' : 'unreachable';
}
