/**
 * Counts what goes over the cluster links of this process: the sockets that its cluster port accepted and the ones that
 * it dialled (a node dials nobody but other nodes). Created before the node starts, so that it sees every socket.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { WireBytes } from './cluster-under-test.ts';

export class ClusterWire {
  /** The node's cluster port; 0 until it is known. */
  port = 0;
  readonly #dialled = new Set<Socket>();
  readonly #accepted = new Set<Socket>();
  #closed: WireBytes = { sent: 0, received: 0 };

  constructor() {
    subscribe('net.client.socket', (message) => this.#watch((message as { socket: Socket }).socket, this.#dialled));
    subscribe('net.server.socket', (message) => this.#watch((message as { socket: Socket }).socket, this.#accepted));
  }

  bytes(): WireBytes {
    const accepted = [...this.#accepted].filter(({ localPort }) => localPort === this.port);
    return [...this.#dialled, ...accepted].reduce(plus, this.#closed);
  }

  #watch(socket: Socket, open: Set<Socket>): void {
    open.add(socket);
    // The port of an accepted socket is not known any more once it is closed.
    const { localPort } = socket;
    socket.once('close', () => {
      open.delete(socket);
      if (open === this.#dialled || localPort === this.port) this.#closed = plus(this.#closed, socket);
    });
  }
}

function plus({ sent, received }: WireBytes, { bytesWritten, bytesRead }: Socket): WireBytes {
  return { sent: sent + bytesWritten, received: received + bytesRead };
}
