/** Nodes as processes that prove themselves to each other by certificates; and what is said of those that cannot. */
import { beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../certificates.ts';
import { ensureBuilt } from './built.ts';
import { directoryWith, greenroom, type Spawned } from './spawned.ts';

beforeAll(ensureBuilt);

const waitMs = 90_000;
const host = '127.0.0.1';

const certificates = makeCertificates(['ours', 'theirs'], {
  a: { authority: 'ours', host },
  b: { authority: 'ours', host },
  c: { authority: 'ours', host },
  stranger: { authority: 'theirs', host },
  elsewhere: { authority: 'ours', host: '10.0.0.1' },
});

const files: Record<string, string> = {
  secret: 'a secret of more than sixteen bytes',
  other: 'another one of them, as long',
};
for (const [name, { cert, key, ca }] of Object.entries(certificates)) {
  Object.assign(files, { [`${name}.pem`]: cert, [`${name}.key`]: key, [`${name}-ca.pem`]: ca });
}

const tls = (name: keyof typeof certificates, ca = name): string[] => [
  '--tls-cert',
  `${name}.pem`,
  '--tls-key',
  `${name}.key`,
  '--tls-ca',
  `${ca}-ca.pem`,
];

class Terminals {
  readonly cwd = directoryWith(files);

  spawn(name: string, ...args: string[]): Spawned {
    const own = ['--node', name, '--data', `data-${name}`, '--port', '0', '--http-port', '0', '--log-format', 'json'];
    return greenroom(['start', 'actors.ts', ...own, ...args], this.cwd);
  }

  async start(name: string, ...args: string[]): Promise<{ cluster: string; http: string; process: Spawned }> {
    const process = this.spawn(name, '--shards', '8', ...args);
    return { ...(await process.isReady()), process };
  }

  /** A node that is to end by itself, with what it says. */
  async refused(name: string, ...args: string[]): Promise<{ code: number | null; out: string; error: string }> {
    const process = this.spawn(name, ...args);
    const { code } = await process.ended;
    return { code, out: process.out, error: process.error };
  }

  async call(http: string, ...args: string[]): Promise<string> {
    const process = greenroom(['call', 'Counter', 'hits', ...args, '--url', http, '--ca', 'a-ca.pem'], this.cwd);
    await process.ended;
    return process.out + process.error;
  }
}

interface Warning {
  readonly msg: string;
  readonly from?: string;
  readonly why?: string;
  readonly detail?: string;
  readonly advice?: string;
}

/** Waits until a node has logged this of a stranger. */
async function turnedAway(node: Spawned, why: RegExp): Promise<Warning> {
  const [line] = await node.says(new RegExp(`^.*"why":"(?:${why.source})".*was turned away.*$`, 'm'));
  return JSON.parse(line);
}

describe('nodes with certificates of one authority', () => {
  test('form a cluster: what is written through one is read through the others', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a', ...tls('a'));
    const join = ['--join', a.cluster];
    const [b, c] = await Promise.all([
      terminals.start('b', ...join, ...tls('b')),
      terminals.start('c', ...join, ...tls('c')),
    ]);
    expect(a.http).toMatch(/^https:/);
    expect(await terminals.call(a.http, 'add', '2')).toBe('2\n');
    expect(await terminals.call(b.http, 'add', '3')).toBe('5\n');
    expect(await terminals.call(c.http, 'get')).toBe('5\n');
    for (const { process } of [a, b, c]) expect(process.error).not.toMatch(/turned away|refuses the connection/);

    // A member whose certificate was replaced by one of another authority says so for as long as it is so.
    b.process.signal('SIGTERM');
    await b.process.ended;
    const place = ['--port', b.cluster.split(':')[1]!];
    const astray = terminals.spawn('b', ...place, ...tls('stranger'));
    const [line] = await astray.says(/^.*a peer refuses the connection.*$/m);
    expect(JSON.parse(line)).toMatchObject({
      why: 'wrong certificate',
      advice: expect.stringContaining('every node needs a --tls-cert that the authority'),
    });
    await turnedAway(a.process, /wrong certificate|handshake cut off/);
    astray.signal('SIGKILL');
    await astray.ended;
    const again = await terminals.start('b', ...place, ...tls('b'));
    expect(await terminals.call(again.http, 'add', '1')).toBe('6\n');
  });
});

describe('a node that has no such certificate', () => {
  test('is refused, and either side says why and what to do', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a', ...tls('a'));
    const join = ['--join', a.cluster];

    const foreign = await terminals.refused('foreign', ...join, ...tls('stranger'));
    expect(foreign).toMatchObject({ code: 2, out: '' });
    expect(foreign.error).toContain(
      `The node at ${a.cluster} and this one do not accept each other’s certificates (self-signed certificate in certificate chain): every node needs a --tls-cert that the authority in the others’ --tls-ca signed`,
    );
    expect(await turnedAway(a.process, /wrong certificate|handshake cut off/)).toMatchObject({
      from: host,
      advice: expect.stringContaining('every node needs a --tls-cert that the authority'),
    });

    const plain = await terminals.refused('plain', ...join);
    expect(plain).toMatchObject({ code: 2, out: '' });
    expect(plain.error).toContain(
      `The node at ${a.cluster} speaks only TLS with other nodes, and this one has no --tls-ca: give every node of the cluster --tls-cert, --tls-key and --tls-ca`,
    );
    expect(await turnedAway(a.process, /TLS on one side/)).toMatchObject({
      from: host,
      advice: expect.stringContaining('give every node of the cluster --tls-cert'),
    });

    // It trusts the cluster's authority, but shows a certificate of another: it can see that by itself.
    const mixed = await terminals.refused('mixed', ...join, ...tls('stranger', 'a'));
    expect(mixed).toMatchObject({ code: 2, out: '' });
    expect(mixed.error).toContain('the certificate of --tls-cert is not signed by the authority of --tls-ca');

    expect(await terminals.call(a.http, 'add', '1')).toBe('1\n');
  });

  test('for the host it listens on is refused by those that dial it', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const elsewhere = await terminals.start('elsewhere', ...tls('elsewhere'));
    const joiner = await terminals.refused('b', '--join', elsewhere.cluster, ...tls('b'));
    expect(joiner).toMatchObject({ code: 2, out: '' });
    expect(joiner.error).toMatch(
      /do not accept each other’s certificates \(.*IP: 127\.0\.0\.1 is not in the cert's list/,
    );
    expect(joiner.error).toContain('that names the host at which it is dialled');
  });

  test('is told of by a cluster without TLS, too', { timeout: waitMs }, async () => {
    const terminals = new Terminals();
    const plain = await terminals.start('plain');
    const joiner = await terminals.refused('b', '--join', plain.cluster, ...tls('b'));
    expect(joiner).toMatchObject({ code: 2, out: '' });
    expect(joiner.error).toContain(
      `This node speaks TLS with other nodes, and what answers at ${plain.cluster} does not`,
    );
    expect(await turnedAway(plain.process, /TLS on one side/)).toMatchObject({ from: host });
  });
});

describe('without certificates', () => {
  test('another secret, or none, is refused, and either side says why and what to do', {
    timeout: waitMs,
  }, async () => {
    const terminals = new Terminals();
    const a = await terminals.start('a', '--secret-file', 'secret');
    const join = ['--join', a.cluster];
    const wrong = await terminals.refused('wrong', ...join, '--secret-file', 'other');
    expect(wrong).toMatchObject({ code: 2, out: '' });
    expect(wrong.error).toContain(
      `The node at ${a.cluster} and this one do not agree on the cluster secret: give every node of the cluster the same --secret-file`,
    );
    expect(await turnedAway(a.process, /wrong secret/)).toMatchObject({
      from: host,
      advice: 'give every node of the cluster the same --secret-file',
    });
    const none = await terminals.refused('none', ...join);
    expect(none).toMatchObject({ code: 2, out: '' });
    expect(none.error).toContain('do not agree on the cluster secret, of which this one has none');
  });
});
