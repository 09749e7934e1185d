/** The transport of a node without a network: it reaches nobody, and nobody reaches it. For tests of one node. */
import type { Transport } from './transport.ts';

export function loneTransport(address: string): Transport {
  return {
    address,
    async start() {},
    setPeers() {},
    isUp: () => false,
    send: () => false,
    bufferedBytes: () => 0,
    reset() {},
    dismiss() {},
    async close() {},
  };
}
