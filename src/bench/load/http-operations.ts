/**
 * Operations over HTTP: keep-alive sockets that write ready-made requests and read just enough of the answers.
 * Deliberately thin, so that the server and not the generator is measured. One request at a time on a socket.
 */
import { connect, type Socket } from 'node:net';
import { callChooser } from './workload.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** `{key}` stands for the key. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  /** Of all requests, relative to the others' shares; default 1. */
  readonly share?: number;
}

export interface HttpOptions {
  readonly requests: readonly HttpRequest[];
  /** Ports on 127.0.0.1; connections are spread over them in turn. */
  readonly ports: readonly number[];
}

/** An answer may not be longer: a benchmark's are small. */
const answerBytesMax = 1024 * 1024;

/** What {@link generateLoad} calls. Connections are made as they are needed, and kept. */
export async function openOperations({ requests, ports }: HttpOptions) {
  const idle: HttpConnection[] = [];
  const all = new Set<HttpConnection>();
  const nextRequest = callChooser(requests);
  const open = (): HttpConnection => {
    const connection = new HttpConnection(ports[all.size % ports.length]!, requests);
    all.add(connection);
    return connection;
  };
  return {
    async once(key: number): Promise<void> {
      const connection = idle.pop() ?? open();
      try {
        await connection.request(nextRequest(), key);
        idle.push(connection);
      } catch (error) {
        if (connection.isOpen) idle.push(connection);
        else all.delete(connection);
        throw error;
      }
    },
    async close(): Promise<void> {
      for (const connection of all) connection.close();
    },
  };
}

class HttpConnection {
  readonly #socket: Socket;
  readonly #texts: readonly { readonly before: string; readonly after: string }[];
  #received: Buffer = Buffer.alloc(0);
  #resolve: (() => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  #failure: Error | undefined;

  constructor(port: number, requests: readonly HttpRequest[]) {
    this.#texts = requests.map((request) => textsOf(request, port));
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** @throws Error for an answer that is not 2xx, or a connection that breaks */
  request(index: number, key: number): Promise<void> {
    const { before, after } = this.#texts[index]!;
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(`${before}${key}${after}`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = answerEnd(this.#received);
    if (end === undefined) {
      if (this.#received.length > answerBytesMax) this.#socket.destroy(new Error('an answer is too long'));
      return;
    }
    const answer = this.#received.subarray(0, end);
    this.#received = this.#received.subarray(end);
    const [resolve, reject] = [this.#resolve, this.#reject];
    this.#resolve = undefined;
    this.#reject = undefined;
    // "HTTP/1.1 2xx": the class of the status is the tenth byte.
    if (answer[9] === 0x32) resolve?.();
    else reject?.(new Error(answer.toString('latin1', 9, Math.min(answer.length, 400)).replace(/\s+/g, ' ')));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#reject?.(this.#failure);
    this.#resolve = undefined;
    this.#reject = undefined;
  }
}

/** A request, but for its key. */
function textsOf({ method, path, body }: HttpRequest, port: number): { before: string; after: string } {
  const [before = '', after = ''] = path.split('{key}');
  let head = ` HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
  if (body !== undefined) head += `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return { before: `${method} ${before}`, after: `${after}${head}\r\n${body ?? ''}` };
}

/** Where the first answer in `bytes` ends; undefined if it is not whole yet. By content-length, or in chunks. */
export function answerEnd(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length) {
    const end = headEnd + 4 + Number(length[1]);
    return bytes.length >= end ? end : undefined;
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return headEnd + 4;
  let at = headEnd + 4;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2 + size + 2;
    if (bytes.length < at) return undefined;
    if (size === 0) return at;
  }
}
