/** Two transports over real sockets: order, proofs, strangers, and a peer that begins a new life. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
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
  readonly messages: string[] = [];
  #wake: () => void = () => {};

  linkUp = ({ storeId, boot }: PeerIdentity) => this.#note(`up ${storeId}/${boot}`);
  linkDown = ({ storeId }: PeerIdentity) => this.#note(`down ${storeId}`);
  peerArrived = ({ storeId, boot }: PeerIdentity) => this.#note(`arrived ${storeId}/${boot}`);
  peerLeft = ({ storeId }: PeerIdentity) => this.#note(`left ${storeId}`);
  dialFailed = ({ storeId }: { storeId: StoreId }, why: string) => this.#note(`failed ${storeId} ${why}`);
  message = (_from: PeerIdentity, channel: string, bytes: Buffer) => {
    this.messages.push(`${channel} ${bytes.toString()}`);
    this.#wake();
  };

  #note(what: string): void {
    this.news.push(what);
    this.#wake();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

async function node(name: string, more: { boot?: number; secret?: string; port?: number; clusterId?: string } = {}) {
  const { boot = 1, port = 0, clusterId = 'cluster' } = more;
  const identity = { storeId: `store-${name}` as StoreId, node: name as NodeName, boot };
  const transport: WebSocketTransport = new WebSocketTransport({
    clusterId,
    identity,
    protocol: { min: 1, max: 1 },
    host: '127.0.0.1',
    port,
    random: seededRandom(1),
    secret: more.secret ?? secret,
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

describe('a link', () => {
  test('brings messages in order, on both channels, after the arrival was told', async () => {
    const [a, b] = [await node('a'), await node('b')];
    a.transport.setPeers([b.peer]);
    await a.heard.until(() => a.transport.isUp(b.peer.storeId) && a.heard.news.length > 0);
    for (let number = 0; number < 1_000; number++) {
      expect(a.transport.send(b.peer.storeId, 'data', Buffer.from(`${number}`))).toBe(true);
      if (number % 100 === 0) a.transport.send(b.peer.storeId, 'control', Buffer.from(`${number}`));
    }
    await b.heard.until(() => b.heard.messages.length === 1_010);
    const numbers = (channel: string) =>
      b.heard.messages.filter((each) => each.startsWith(channel)).map((each) => Number(each.split(' ')[1]));
    expect(numbers('data')).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
    expect(numbers('control')).toEqual(Array.from({ length: 10 }, (_, index) => index * 100));
    expect(a.heard.news).toEqual(['up store-b/1']);
    expect(b.heard.news).toEqual(['arrived store-a/1']);
    expect(b.transport.send(a.peer.storeId, 'data', Buffer.from('x'))).toBe(false);
  });

  test('to a peer that went and came back leads to its new life', async () => {
    const [a, b] = [await node('a'), await node('b')];
    a.transport.setPeers([b.peer]);
    await a.heard.until(() => a.heard.news.includes('up store-b/1'));
    await b.transport.close();
    await a.heard.until(() => a.heard.news.includes('down store-b'));
    const again = await node('b', { boot: 2, port: Number(b.peer.address.split(':')[1]) });
    await a.heard.until(() => a.heard.news.includes('up store-b/2'));
    a.transport.send(b.peer.storeId, 'data', Buffer.from('hello'));
    await again.heard.until(() => again.heard.messages.length > 0);
    expect(again.heard.messages).toEqual(['data hello']);
  });
});

describe('a peer is refused', () => {
  test.each([
    ['with another secret', { secret: 'another secret of sixteen bytes' }, 'wrong secret'],
    ['of another cluster', { clusterId: 'other' }, 'wrong cluster'],
  ])('%s', async (_, more, why) => {
    const [a, b] = [await node('a', more), await node('b')];
    a.transport.setPeers([b.peer]);
    await a.heard.until(() => a.heard.news.length > 0);
    expect(a.heard.news[0]).toBe(`failed store-b ${why}`);
    expect(b.heard.news).toEqual([]);
  });

  test('that means another store, or itself', async () => {
    const [a, b] = [await node('a'), await node('b')];
    a.transport.setPeers([
      { storeId: 'store-z' as StoreId, address: b.peer.address },
      { storeId: 'store-y' as StoreId, address: a.peer.address },
    ]);
    await a.heard.until(() => a.heard.news.length >= 2);
    expect(new Set(a.heard.news)).toEqual(new Set(['failed store-z wrong store', 'failed store-y self']));
  });
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
