/** Foreign web pages, foreign names for this machine, and callers without a token are kept out. */
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { OriginGuard } from '../../src/http/origin-guard.ts';
import { post, startEdge } from './edge-fixture.ts';
import { exchangeRaw, statusOf } from './raw-connection.ts';

/** `fetch` does not let its caller set Host and Origin. */
function ask(
  url: string,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}${path}`, { method, headers, agent: false }, (response) => {
      response.resume();
      resolve({ status: response.statusCode!, headers: response.headers });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('a foreign origin', () => {
  it('is refused for reads, commands and preflights; one’s own is not', async () => {
    const { url, gateway } = await startEdge();
    const path = '/v1/actors/Counter/a/get';
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1', 'https://localhost']) {
      expect((await ask(url, path, { Origin: origin }, 'POST')).status, origin).toBe(403);
      expect((await ask(url, '/v1/actors', { Origin: origin })).status).toBe(403);
      expect(
        (await ask(url, path, { Origin: origin, 'Access-Control-Request-Method': 'POST' }, 'OPTIONS')).status,
      ).toBe(403);
    }
    expect(gateway.requests).toHaveLength(0);
    expect((await ask(url, path, { Origin: url }, 'POST')).status).toBe(200);
  });

  it('that is allowed may ask first, call, and read the answer’s headers', async () => {
    const { url } = await startEdge({ corsOrigins: ['https://shop.example'] });
    const headers = { Origin: 'https://shop.example' };
    const preflight = await ask(url, '/v1/actors/Counter/a/get', headers, 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-allow-headers': expect.stringContaining('Idempotency-Key'),
      vary: 'Origin',
    });
    const answer = await ask(url, '/v1/actors/Counter/a/get', headers, 'POST');
    expect(answer.status).toBe(200);
    expect(answer.headers['access-control-allow-origin']).toBe('https://shop.example');
    expect(answer.headers['access-control-expose-headers']).toContain('Greenroom-Position');
    const refused = await ask(url, '/v1/nope', headers);
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([404, 'https://shop.example']);
    expect((await ask(url, '/v1/actors', { Origin: 'https://shop.example.evil' })).status).toBe(403);
  });
});

describe('on loopback, Host', () => {
  it('must be a loopback name, or one that was allowed', async () => {
    const { url, edge } = await startEdge({ allowedHosts: ['dev.example'] });
    const status = async (host: string) => (await ask(url, '/healthz', { Host: host })).status;
    for (const host of [
      'localhost',
      'LOCALHOST:8400',
      '127.0.0.1:9',
      '127.8.8.8',
      '[::1]:8400',
      'dev.example',
      'dev.example:80',
    ]) {
      expect(await status(host), host).toBe(200);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '[::2]']) {
      expect([host, await status(host)]).toEqual([host, 403]);
    }
    expect(statusOf(await exchangeRaw(edge.port, 'GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'))).toBe(
      403,
    );
    expect(statusOf(await exchangeRaw(edge.port, 'GET /healthz HTTP/1.0\r\n\r\n'))).toBe(403);
  });

  it('is free elsewhere', () => {
    const guard = new OriginGuard({ host: '0.0.0.0', corsOrigins: [], allowedHosts: [] });
    expect(guard.check({ host: 'greenroom.example' })).toBeUndefined();
    expect(() => guard.check({ host: 'greenroom.example', origin: 'https://evil.example' })).toThrow(/not allowed/);
  });
});

describe('a token', () => {
  it('is needed for everything that tells or does something, where tokens are set', async () => {
    const { url, gateway } = await startEdge({ tokens: ['s3cret', 'other'] });
    for (const authorization of [
      undefined,
      'Bearer wrong',
      'Bearer ',
      'Basic czNjcmV0',
      's3cret',
      'Bearer s3cret2',
      'Bearer  ',
    ]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
      const response = await post(url, 'Counter/a/get', undefined, headers);
      expect(response.status, authorization).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect((await response.json()).code).toBe('UNAUTHENTICATED');
      for (const path of ['/v1/actors', '/v1/cluster', '/v1/cluster/shards', '/metrics', '/v1/actors/Counter']) {
        expect((await fetch(`${url}${path}`, { headers })).status, path).toBe(401);
      }
    }
    expect(gateway.requests).toHaveLength(0);
    for (const token of ['s3cret', 'other']) {
      expect((await post(url, 'Counter/a/get', undefined, { Authorization: `Bearer ${token}` })).status).toBe(200);
    }
    for (const path of ['/healthz', '/readyz', '/']) expect((await fetch(`${url}${path}`)).status, path).toBe(200);
  });
});
