/** HTTPS: the edge, the client and the command line with a certificate of a private authority. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { trustingFetch } from '../../src/cli/trusting-fetch.ts';
import { connect } from '../../src/client/index.ts';
import { startNode } from '../../src/start-node.ts';
import { run } from '../cli/text-terminal.ts';
import { startEdge } from './edge-fixture.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const pem = (name: string) => readFileSync(pathOf(name), 'utf8');
const tls = { cert: pem('node.pem'), key: pem('node.key') };

interface Counter {
  add(by: number): number;
}

describe('a node with a certificate', () => {
  test('serves HTTPS, and its address says so', async () => {
    const { url } = await startEdge({ tls, tokens: ['a-token-of-this-test'] });
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const ask = trustingFetch(pem('ca.pem'));
    expect((await ask(`${url}/healthz`)).status).toBe(200);
    expect((await ask(`${url}/v1/actors`)).status).toBe(401);
    const headers = { Authorization: 'Bearer a-token-of-this-test', Origin: url };
    expect(await (await ask(`${url}/v1/actors`, { headers })).json()).toHaveProperty('types');
    await expect(trustingFetch(pem('other-ca.pem'))(`${url}/healthz`)).rejects.toMatchObject({
      message: 'fetch failed',
    });
    await expect(fetch(`${url.replace('https', 'http')}/healthz`)).rejects.toThrow();
  });

  test('is called by a client that trusts it; one that does not knows that nothing was executed', async () => {
    const { url, gateway } = await startEdge({ tls });
    const trusting = connect(url, { fetch: trustingFetch(pem('ca.pem')) });
    const counter = trusting.actor('Counter', 'tls') as unknown as Counter;
    expect(await counter.add(2)).toBe(2);
    const executed = gateway.requests.length;
    const stranger = connect(url, { fetch: trustingFetch(pem('other-ca.pem')), timeout: 200 });
    const added = (async () => (stranger.actor('Counter', 'tls') as unknown as Counter).add(1))();
    await expect(added).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(gateway.requests).toHaveLength(executed);
    trusting.close();
    stranger.close();
  });

  test('is reached by the command line with --ca or GREENROOM_CA, streams included', async () => {
    const { url } = await startEdge({ tls });
    const call = ['call', 'Counter', 'hits', 'add', '3', '--url', url];
    expect(await run([...call, '--ca', pathOf('ca.pem')])).toEqual({ exitCode: 0, out: '3', error: '' });
    const events = ['events', 'Counter', 'hits', '--url', url];
    expect((await run(events, { env: { GREENROOM_CA: pathOf('ca.pem') } })).out).toContain('Added');
    const untrusted = await run([...call, '--ca', pathOf('other-ca.pem')]);
    expect(untrusted.exitCode).toBe(1);
    expect(untrusted.error).toContain('is not trusted: its certificate is signed by nobody known here');
    const noAuthority = await run(call);
    expect(noAuthority.exitCode).toBe(1);
    expect(noAuthority.error).toContain('--ca or GREENROOM_CA');
    const inClear = await run(['status', '--url', url.replace('https', 'http')]);
    expect(inClear.exitCode).toBe(3);
    expect(inClear.error).toContain('if it has TLS, its address begins with https://');
  });

  test('says so if the address has no TLS, or the file no certificate', async () => {
    const { url } = await startEdge();
    for (const ca of [[], ['--ca', pathOf('ca.pem')]]) {
      const wrong = await run(['status', '--url', url.replace('http', 'https'), ...ca]);
      expect(wrong.error).toContain('there is no TLS at this address');
      expect(wrong.exitCode).toBe(2);
    }
    expect((await run(['status', '--ca', pathOf('node.key')])).error).toContain('holds no certificate in PEM');
    expect((await run(['status'], { env: { GREENROOM_CA: pathOf('nothing.pem') } })).exitCode).toBe(2);
  });
});

test.each([
  ['a certificate that is none', { tls: { cert: 'no', key: tls.key } }, 'tls: '],
  ['the key of another', { tls: { cert: tls.cert, key: pem('other.key') } }, 'tls: '],
  ['a secret that can be guessed', { secret: 'fifteen bytes..' }, 'secret has 15 bytes'],
])('startNode refuses %s', async (_what, options, message) => {
  const error = await startNode({ actors: [], port: 0, httpPort: 0, ...options }).catch((e) => e);
  expect(error.code).toBe('BAD_REQUEST');
  expect(error.message).toContain(message);
});
