/** A bare socket to the edge, for requests that no HTTP library would send. */
import { connect, type Socket } from 'node:net';

export class RawConnection {
  readonly socket: Socket;
  text = '';
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Everything the edge said until it closed the connection. */
  async untilClosed(): Promise<string> {
    await this.closed;
    return this.text;
  }
}

/** Sends bytes, ends the request side, and answers all that came back. */
export async function exchangeRaw(port: number, bytes: string | Buffer): Promise<string> {
  const connection = new RawConnection(port);
  connection.socket.end(bytes);
  return connection.untilClosed();
}

/** The status of the first answer in `text`. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? Number.NaN);
}
