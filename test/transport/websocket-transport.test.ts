/** Two transports over real sockets: proofs, strangers and probes. What every transport does is in `transport-suite.ts`. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { NodeName, StoreId } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { ProbeError, probeCluster } from '../../src/transport/probe-cluster.ts';
import type { PeerIdentity, TransportHandlers } from '../../src/transport/transport.ts';
import { WebSocketTransport } from '../../src/transport/websocket-transport.ts';

const secret = 'a secret of sixteen bytes or more';
const open: WebSocketTransport[] = [];

afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close();
});

class Heard implements TransportHandlers {
  readonly news: string[] = [];
  #wake: () => void = () => {};

  linkUp = ({ storeId, boot }: PeerIdentity) => this.#note(`up ${storeId}/${boot}`);
  linkDown = ({ storeId }: PeerIdentity) => this.#note(`down ${storeId}`);
  peerArrived = ({ storeId, boot }: PeerIdentity) => this.#note(`arrived ${storeId}/${boot}`);
  peerLeft = ({ storeId }: PeerIdentity) => this.#note(`left ${storeId}`);
  dialFailed = ({ storeId }: { storeId: StoreId }, why: string) => this.#note(`failed ${storeId} ${why}`);
  message = () => this.#note('a message');

  #note(what: string): void {
    this.news.push(what);
    this.#wake();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

async function node(name: string, itsSecret = secret) {
  const clusterId = 'cluster';
  const identity = { storeId: `store-${name}` as StoreId, node: name as NodeName, boot: 1 };
  const transport: WebSocketTransport = new WebSocketTransport({
    clusterId,
    identity,
    protocol: { min: 1, max: 1 },
    host: '127.0.0.1',
    port: 0,
    random: seededRandom(1),
    secret: itsSecret,
    describe: () => ({
      clusterId,
      shardCount: 4,
      replicas: 3,
      node: identity.node,
      storeId: identity.storeId,
      addresses: [transport.address],
    }),
  });
  open.push(transport);
  const heard = new Heard();
  await transport.start(heard);
  return { transport, heard, peer: { storeId: identity.storeId, address: transport.address } };
}

test('a peer with another secret is refused', async () => {
  const [a, b] = [await node('a', 'another secret of sixteen bytes'), await node('b')];
  a.transport.setPeers([b.peer]);
  await a.heard.until(() => a.heard.news.length > 0);
  expect(a.heard.news[0]).toBe('failed store-b wrong secret');
  expect(b.heard.news).toEqual([]);
});

test('a stranger that sends noise is hung up on, and peers are none the worse', async () => {
  const [a, b] = [await node('a'), await node('b')];
  const [host, port] = b.peer.address.split(':');
  const stranger = connect(Number(port), host);
  stranger.on('error', () => {});
  stranger.write(Buffer.alloc(64 * 1024, 0x5a));
  await once(stranger, 'close');
  a.transport.setPeers([b.peer]);
  await a.heard.until(() => a.heard.news.includes('up store-b/1'));
});

test('a probe learns the cluster’s settings, and needs the secret', async () => {
  const { peer } = await node('a');
  expect(await probeCluster(peer.address, { secret }, 5_000)).toMatchObject({ clusterId: 'cluster', shardCount: 4 });
  const wrong = probeCluster(peer.address, { secret: 'another secret of sixteen bytes' }, 5_000);
  await expect(wrong).rejects.toMatchObject({ code: 'WRONG_SECRET' });
  await expect(probeCluster('127.0.0.1:1', { secret }, 5_000)).rejects.toBeInstanceOf(ProbeError);
});
