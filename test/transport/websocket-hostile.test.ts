/** Over real sockets: what strangers try, certificates, limits, and peers that take nothing. */
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { checkCredentials } from '../../src/cluster/credentials.ts';
import type { NodeName, StoreId } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { probeCluster } from '../../src/transport/probe-cluster.ts';
import type { TransportHandlers } from '../../src/transport/transport.ts';
import type { TurnedAway } from '../../src/transport/turned-away.ts';
import { websocketPath } from '../../src/transport/websocket-channel.ts';
import { WebSocketTransport, type WebSocketTransportOptions } from '../../src/transport/websocket-transport.ts';
import { makeCertificates } from '../certificates.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const one of open.splice(0).reverse()) await one.close();
});

type Log = TransportHandlers & { news: string[]; bytes: Buffer[]; until(isSo: () => boolean): Promise<void> };

function log(): Log {
  const news: string[] = [];
  const bytes: Buffer[] = [];
  let wake = (): void => {};
  const note = (text: string): void => {
    news.push(text);
    wake();
  };
  return {
    news,
    bytes,
    linkUp: (peer) => note(`up ${peer.storeId}`),
    linkDown: (peer, why) => note(`down ${peer.storeId} ${why}`),
    peerArrived: (peer) => note(`arrived ${peer.storeId}`),
    peerLeft: (peer) => note(`left ${peer.storeId}`),
    dialFailed: (peer, why) => note(`failed ${peer.storeId} ${why}`),
    message(_, __, message) {
      bytes.push(message);
      wake();
    },
    async until(isSo) {
      while (!isSo()) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

async function start(name: string, more: Partial<WebSocketTransportOptions> = {}) {
  const heard = log();
  const transport = new WebSocketTransport({
    clusterId: 'cluster',
    identity: { storeId: name as StoreId, node: name as NodeName, boot: 1 },
    protocol: { min: 1, max: 1 },
    host: '127.0.0.1',
    port: 0,
    random: seededRandom(1),
    ...more,
  });
  open.push(transport);
  await transport.start(heard);
  const dials = (to: string, address: string) => transport.setPeers([{ storeId: to as StoreId, address }]);
  return { transport, heard, dials, address: transport.address };
}

function raw(address: string): { socket: Socket; closed: Promise<void>; received: Buffer[] } {
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => received.push(chunk));
  open.push({ close: () => socket.destroy() });
  return { socket, received, closed: new Promise((resolve) => socket.on('close', () => resolve())) };
}

async function stranger(address: string): Promise<{ websocket: WebSocket; texts: string[]; closed: Promise<void> }> {
  const websocket = new WebSocket(`ws://${address}${websocketPath}`, { perMessageDeflate: false });
  const texts: string[] = [];
  websocket.on('error', () => {});
  websocket.on('message', (data) => texts.push(String(data)));
  open.push({ close: () => websocket.terminate() });
  const closed = new Promise<void>((resolve) => websocket.on('close', () => resolve()));
  await new Promise((resolve) => websocket.on('open', resolve));
  return { websocket, texts, closed };
}

const hello = {
  type: 'hello',
  clusterId: 'cluster',
  node: 'x',
  storeId: 'x',
  boot: 1,
  protocol: { min: 1, max: 1 },
  channel: 'data',
  link: 1,
  wants: 'a',
  nonce: 'n',
};

describe('a stranger', () => {
  test.each([
    ['not HTTP', () => Buffer.from('\x00\xff\x13\x37 nonsense\r\n\r\n')],
    ['a page', () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['headers without end', () => Buffer.from(`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`)],
  ])('that sends %s is hung up on', async (_, bytes) => {
    const { address } = await start('a');
    const { socket, closed } = raw(address);
    socket.write(bytes());
    await closed;
    expect(socket.destroyed).toBe(true);
  });

  test.each([
    ['a text that is not JSON', 'hello?'],
    ['half a hello', JSON.stringify(hello).slice(0, 40)],
    ['a hello of wrong types', JSON.stringify({ ...hello, boot: '1' })],
    ['a hello nested without end', '['.repeat(3_000)],
    ['an array', '[]'],
    ['a proof before the hello', JSON.stringify({ type: 'proof', proof: '' })],
    ['names that are those of objects', '{"type":"hello","__proto__":{"boot":1}}'],
  ])('that sends %s is told that it is malformed', async (_, text) => {
    const { address, heard } = await start('a');
    const { websocket, texts, closed } = await stranger(address);
    websocket.send(text);
    await closed;
    expect(texts).toEqual(['{"type":"refused","why":"malformed"}']);
    expect(heard.news).toEqual([]);
  });

  test('may not send more than a hello has, in one frame or in many', async () => {
    const { address, heard } = await start('a');
    for (const bytes of [[Buffer.alloc(100_000)], Array.from({ length: 100 }, () => Buffer.alloc(1_000))]) {
      const { websocket, closed } = await stranger(address);
      for (const chunk of bytes) websocket.send(chunk, { fin: false });
      await closed;
    }
    expect(heard.news).toEqual([]);
  });

  test('that announces a huge frame and sends it slowly costs no memory, and is cut at the deadline', async () => {
    const { address } = await start('a', { limits: { helloTimeoutMs: 200 } });
    const { socket, closed } = raw(address);
    socket.write(
      `GET ${websocketPath} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]));
    const drip = setInterval(() => socket.write('x'), 10);
    const startMs = performance.now();
    await closed;
    clearInterval(drip);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  test('that says nothing, or sends headers byte by byte, is cut at the deadline', async () => {
    const { address } = await start('a', { limits: { helloTimeoutMs: 200 } });
    const [silent, slow] = [raw(address), raw(address)];
    const text = 'GET / HTTP/1.1\r\nhost: x\r\n';
    let at = 0;
    const drip = setInterval(() => slow.socket.write(text[at++ % text.length]!), 20);
    await Promise.all([silent.closed, slow.closed]);
    clearInterval(drip);
    expect(silent.socket.destroyed && slow.socket.destroyed).toBe(true);
  });

  test('is one of few: crowds of them keep no peer out', async () => {
    const a = await start('a', { limits: { strangersMax: 4 } });
    const crowd = Array.from({ length: 20 }, () => raw(a.address));
    await Promise.all(crowd.slice(0, 16).map(({ closed }) => closed));
    const b = await start('b');
    b.dials('a', a.address);
    await b.heard.until(() => b.heard.news.includes('up a'));
  });

  test('that does not know the secret is refused, also by its own words sent back', async () => {
    const { address, heard } = await start('a', { secret: 'right' });
    const one = await stranger(address);
    one.websocket.send(JSON.stringify(hello));
    await vi.waitFor(() => expect(one.texts.length).toBe(1));
    one.websocket.send(JSON.stringify({ type: 'proof', proof: JSON.parse(one.texts[0]!).nonce }));
    await one.closed;
    expect(one.texts[1]).toBe('{"type":"refused","why":"wrong secret"}');
    expect(heard.news).toEqual([]);
  });
});

describe('certificates', () => {
  const { a, b, foreign, elsewhere, between, below } = makeCertificates(['ours', 'theirs'], {
    a: { authority: 'ours', host: '127.0.0.1' },
    b: { authority: 'ours', host: '127.0.0.1' },
    foreign: { authority: 'theirs', host: '127.0.0.1' },
    elsewhere: { authority: 'ours', host: '10.0.0.1' },
    between: { authority: 'ours', host: '127.0.0.1', signs: true },
    below: { authority: 'between', host: '127.0.0.1' },
  });

  test('of one authority connect nodes, for longer than strangers may stay', async () => {
    const one = await start('a', { tls: a, limits: { helloTimeoutMs: 500, strangersMax: 2 } });
    const other = await start('b', { tls: b });
    other.dials('a', one.address);
    await other.heard.until(() => other.heard.news.includes('up a'));
    await new Promise((resolve) => setTimeout(resolve, 700));
    const crowd = Array.from({ length: 6 }, () => raw(one.address));
    await Promise.all(crowd.slice(0, 4).map(({ closed }) => closed));
    other.transport.send('a' as StoreId, 'control', Buffer.from('x'));
    await one.heard.until(() => one.heard.bytes.length === 1);
    expect(other.heard.news).toEqual(['up a']);
  });

  test.each([
    [
      'of two authorities that both trust',
      () => ({ ...a, ca: a.ca + foreign.ca }),
      () => ({ ...foreign, ca: a.ca + foreign.ca }),
    ],
    ['of one in between, which they show', () => a, () => ({ ...below, cert: below.cert + between.cert, ca: a.ca })],
  ])('%s connect nodes, and are fit to start with', async (_, listener, dialler) => {
    for (const tls of [listener(), dialler()]) expect(() => checkCredentials({ tls })).not.toThrow();
    const one = await start('a', { tls: listener() });
    const other = await start('b', { tls: dialler() });
    other.dials('a', one.address);
    await other.heard.until(() => other.heard.news.length > 0);
    expect(other.heard.news).toEqual(['up a']);
  });

  test.each([
    ['of another authority', () => ({ ...foreign, ca: a.ca })],
    ['of one in between, which it does not show', () => ({ ...below, ca: a.ca })],
  ])('%s are not fit to start with', (_, tls) => {
    expect(() => checkCredentials({ tls: tls() })).toThrow('is not signed by the authority of --tls-ca');
  });

  test.each([
    ['of another authority', () => foreign, () => a],
    ['for another host', () => b, () => elsewhere],
  ])('%s are refused', async (_, dialler, listener) => {
    const one = await start('a', { tls: listener() });
    const other = await start('b', { tls: dialler() });
    other.dials('a', one.address);
    await other.heard.until(() => other.heard.news.length > 0);
    expect(other.heard.news).toEqual(['failed a wrong certificate']);
    expect(one.heard.news).toEqual([]);
  });

  test.each([
    ['that it does not trust', () => ({ tls: { ...foreign, ca: a.ca } }), 'wrong certificate'],
    ['that does not trust it', () => ({ tls: foreign }), /wrong certificate|handshake cut off/],
    ['without TLS', () => ({}), 'TLS on one side'],
  ])('a listener tells of a dialler %s, and where it came from', async (_, dialler, why) => {
    const turnedAway: TurnedAway[] = [];
    const one = await start('a', { tls: a, turnedAway: (stranger) => turnedAway.push(stranger) });
    const other = await start('b', dialler());
    other.dials('a', one.address);
    await vi.waitFor(() => expect(turnedAway.length).toBeGreaterThan(0));
    expect(turnedAway[0]).toMatchObject({ host: '127.0.0.1', why: expect.stringMatching(why) });
    expect(one.heard.news).toEqual([]);
  });

  test('a listener without TLS tells of a dialler that has it; neither tells of a look at the port', async () => {
    const turnedAway: TurnedAway[] = [];
    const plain = await start('a', { turnedAway: (stranger) => turnedAway.push(stranger) });
    const tls = await start('b', { tls: b, turnedAway: (stranger) => turnedAway.push(stranger) });
    for (const { address } of [plain, tls]) {
      const { socket, closed } = raw(address);
      socket.on('connect', () => socket.end());
      await closed;
    }
    tls.dials('a', plain.address);
    await tls.heard.until(() => tls.heard.news.includes('failed a TLS on one side'));
    await vi.waitFor(() => expect(turnedAway.length).toBeGreaterThan(0));
    expect(turnedAway).toEqual([{ host: '127.0.0.1', why: 'TLS on one side' }]);
  });

  test('of a dialler that the listener does not trust get it hung up on, also where the dialler trusts', async () => {
    const one = await start('a', { tls: a });
    const other = await start('b', { tls: { ...foreign, ca: a.ca } });
    other.dials('a', one.address);
    await other.heard.until(() => other.heard.news.length > 0);
    // The listener hangs up without an alert, so the dialler cannot tell this from a fault of the network.
    expect(other.heard.news[0]).toBe('failed a unreachable');
    expect(one.heard.news).toEqual([]);
  });

  test('are missed by who has none, and by who asks one that has none', async () => {
    const [tls, plain] = [await start('a', { tls: a }), await start('b')];
    await expect(probeCluster(tls.address, {}, 2_000)).rejects.toMatchObject({
      code: 'TLS_ON_ONE_SIDE',
      message: expect.stringContaining('this one has no --tls-ca'),
    });
    await expect(probeCluster(plain.address, { tls: a }, 2_000)).rejects.toMatchObject({
      code: 'TLS_ON_ONE_SIDE',
      message: expect.stringContaining('does not: give every node'),
    });
  });
});

describe('a link', () => {
  test('carries messages of every size, whole and in order', async () => {
    const a = await start('a');
    const b = await start('b');
    b.dials('a', a.address);
    await b.heard.until(() => b.heard.news.includes('up a'));
    const sizes = [1, 65_531, 65_532, 65_533, 262_139, 262_140, 262_141, 262_144, 524_288, 5_000_000, 3];
    const sent = sizes.map((size, i) => Buffer.alloc(size, i + 1));
    for (const bytes of sent) expect(b.transport.send('a' as StoreId, 'data', bytes)).toBe(true);
    await a.heard.until(() => a.heard.bytes.length === sizes.length);
    expect(a.heard.bytes.every((bytes, i) => bytes.equals(sent[i]!))).toBe(true);
    await vi.waitFor(() => expect(b.transport.bufferedBytes('a' as StoreId)).toBe(0));
  });

  test('that has just begun to send is not taken for stalled', async () => {
    const a = await start('a');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const b = await start('b', { limits: { stallMs: 400 } });
    b.dials('a', a.address);
    await b.heard.until(() => b.heard.news.includes('up a'));
    expect(performance.now()).toBeGreaterThan(400);
    b.transport.send('a' as StoreId, 'data', Buffer.from('x'));
    vi.advanceTimersByTime(100);
    expect(b.transport.isUp('a' as StoreId)).toBe(true);
  });

  test('to a peer that takes nothing is cut', async () => {
    const a = await start('a');
    // In between stands what stops reading on command, as a machine that hangs does.
    const pipes: Socket[] = [];
    const proxy = createServer((client) => {
      const server = connect(Number(a.address.split(':')[1]), '127.0.0.1');
      for (const socket of [client, server]) socket.on('error', () => {});
      client.pipe(server).pipe(client);
      client.on('close', () => server.destroy());
      pipes.push(client, server);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    open.push({
      close() {
        for (const socket of pipes) socket.destroy();
        proxy.close();
      },
    });
    const b = await start('b', { limits: { stallMs: 400 } });
    b.dials('a', `127.0.0.1:${(proxy.address() as { port: number }).port}`);
    await b.heard.until(() => b.heard.news.includes('up a'));
    for (const socket of pipes) socket.unpipe().pause();
    for (let i = 0; i < 12; i++) b.transport.send('a' as StoreId, 'data', Buffer.alloc(4_000_000));
    await b.heard.until(() => b.heard.news.includes('down a stalled'));
    expect(b.heard.news.slice(0, 2)).toEqual(['up a', 'down a stalled']);
  });

  test('goes down with a goodbye, and its messages arrive before it', async () => {
    const a = await start('a');
    const b = await start('b');
    b.dials('a', a.address);
    a.dials('b', b.address);
    await b.heard.until(() => b.heard.news.includes('up a'));
    await a.heard.until(() => a.heard.news.includes('up b'));
    for (let i = 0; i < 100; i++) b.transport.send('a' as StoreId, 'data', Buffer.alloc(1_000, i));
    await Promise.all([b.transport.close(), b.transport.close()]);
    await a.heard.until(() => a.heard.news.includes('down b closed by peer') && a.heard.news.includes('left b'));
    expect(a.heard.bytes.length).toBe(100);
    expect(b.heard.news.filter((news) => news.startsWith('down'))).toEqual(['down a closed here']);
  });
});
