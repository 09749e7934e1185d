/**
 * The cluster's address: held from the start, so that two nodes cannot take the same one and port 0 becomes a real
 * number. A node alone has nobody to talk to: whoever connects is hung up on.
 */
import { createServer, type Server } from 'node:net';

export interface ClusterAddress {
  /** `host:port` */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @throws Error with `code` `EADDRINUSE`, `EACCES` or `EADDRNOTAVAIL` */
export async function holdClusterAddress(host: string, port: number): Promise<ClusterAddress> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound ? bound.port : port;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    port: boundPort,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
