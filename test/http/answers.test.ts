/** Every row and every status of the HTTP contract. */
import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorCodes, GreenroomError } from '../../src/core/errors.ts';
import { post, startEdge } from './edge-fixture.ts';

describe('a command', () => {
  it('answers its reply as JSON with its key and position, and 204 for no reply', async () => {
    const { url, gateway } = await startEdge();
    const added = await post(url, 'Counter/alice/add', 3);
    expect(added.status).toBe(200);
    expect(added.headers.get('content-type')).toBe('application/json');
    expect(added.headers.get('idempotency-key')).toMatch(/^~fake/);
    expect(added.headers.get('greenroom-position')).toBe('1');
    expect(await added.json()).toBe(3);
    const nothing = await post(url, 'Counter/alice/nothing');
    expect([nothing.status, await nothing.text()]).toEqual([204, '']);
    expect(gateway.requests[1]!.input).toBeUndefined();
    for (const scalar of [null, 0, false, '', 'text', [], {}]) {
      expect(await (await post(url, 'Counter/alice/echo', scalar)).json()).toEqual(scalar);
    }
  });

  it('passes on the caller’s key, time-out and since, and says when the answer is a replay or woke the actor', async () => {
    const { url, gateway } = await startEdge();
    const headers = { 'Idempotency-Key': 'order-17', 'Greenroom-Timeout-Ms': '1500', 'Greenroom-Since': '0' };
    const first = await post(url, 'Counter/alice/add', 1, headers);
    expect(first.headers.get('idempotency-key')).toBe('order-17');
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(gateway.requests[0]).toMatchObject({ key: 'order-17', timeoutMs: 1500, since: 0 });
    gateway.active.clear();
    const again = await post(url, 'Counter/alice/add', 1, headers);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const woke = await post(url, 'Counter/alice/get');
    expect(woke.headers.get('greenroom-woke')).toBe('1.4;events=1');
    expect(gateway.requests[2]).toMatchObject({ key: undefined, timeoutMs: 30_000, since: undefined });
  });

  it('takes a searched key without a position for a retry, unless its sender says it is the first attempt', async () => {
    const { url, gateway } = await startEdge();
    await post(url, 'Counter/a/get', undefined, { 'Idempotency-Key': '~abc.1' });
    await post(url, 'Counter/a/get', undefined, { 'Idempotency-Key': '~abc.1', 'Greenroom-Since': 'first' });
    await post(url, 'Counter/a/get', undefined, { 'Idempotency-Key': '~abc.1.z' });
    await post(url, 'Counter/a/get', undefined, { 'Idempotency-Key': 'mine' });
    expect(gateway.requests.map((request) => request.since)).toEqual([0, undefined, undefined, undefined]);
  });

  it('answers a rejection with the actor’s own code and details', async () => {
    const { url } = await startEdge();
    const response = await post(url, 'Counter/alice/reject', undefined, { 'Idempotency-Key': 'k1' });
    expect(response.status).toBe(409);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toEqual({
      type: 'urn:greenroom:rejected',
      title: 'The actor said no',
      status: 409,
      detail: 'ask again tomorrow',
      code: 'REJECTED',
      retryable: false,
      rejection: { code: 'NOT_TODAY', details: { day: 1 } },
      idempotencyKey: 'k1',
    });
  });

  for (const code of Object.keys(errorCodes).filter((each) => each !== 'REJECTED') as ErrorCode[]) {
    it(`answers ${code} with ${errorCodes[code].status}, whether it is retryable, and its key`, async () => {
      const { url, gateway } = await startEdge();
      gateway.failNext = [
        new GreenroomError(code, 'why', {
          idempotencyKey: 'assigned',
          issues: [{ path: 'a', message: 'b' }],
          retryAfterMs: 2_100,
        }),
      ];
      const response = await post(url, 'Counter/alice/add', 1);
      const { status, retryable } = errorCodes[code];
      expect(response.status).toBe(status);
      expect(response.headers.get('idempotency-key')).toBe('assigned');
      expect(response.headers.get('retry-after')).toBe([429, 503, 504].includes(status) ? '3' : null);
      expect(await response.json()).toMatchObject({
        code,
        status,
        retryable,
        detail: 'why',
        idempotencyKey: 'assigned',
        issues: [{ path: 'a', message: 'b' }],
      });
    });
  }

  it('answers a defect without its inside, and as what it is: not known to be unexecuted', async () => {
    const { url } = await startEdge();
    const response = await post(url, 'Counter/alice/defect');
    const text = await response.text();
    expect(response.status).toBe(504);
    expect(text).not.toContain('secret');
    expect(JSON.parse(text).code).toBe('OUTCOME_UNKNOWN');
  });

  it('gives every refusal of a command a key', async () => {
    const { url } = await startEdge();
    for (const path of [
      'Counter/a/reject',
      'Counter/a/unknown',
      'Nope/a/get',
      'Counter/%00/get',
      'Counter/a/get?x=1',
    ]) {
      const response = await post(url, path);
      expect(response.headers.get('idempotency-key'), path).toMatch(/^~\w+\.\w+\.0$/);
      expect((await response.json()).idempotencyKey).toBe(response.headers.get('idempotency-key'));
    }
  });
});

describe('the other addresses', () => {
  it('list types, actors by page, states and events', async () => {
    const { url, gateway } = await startEdge();
    const get = async (path: string) => (await fetch(`${url}${path}`)).json();
    expect((await get('/v1/actors')).types[0]).toMatchObject({
      name: 'Counter',
      kind: 'eventSourced',
      commands: [{ name: 'add' }, {}, {}, {}, {}, {}, {}, {}],
    });
    for (const id of ['b', 'a', '🙂', 'ä', 'c/d']) gateway.record(id, { amount: 1 });
    const first = await get('/v1/actors/Counter?limit=2');
    expect(first).toEqual({
      actors: [
        { id: 'a', status: 'active', sequenceNumber: 1 },
        { id: 'b', status: 'active', sequenceNumber: 1 },
      ],
      next: 'b',
    });
    const second = await get('/v1/actors/Counter?after=b&limit=3');
    expect(second.actors.map((actor: { id: string }) => actor.id)).toEqual(['c/d', 'ä', '🙂']);
    expect(second).not.toHaveProperty('next');
    expect((await get('/v1/actors/Counter?after=&limit=')).actors).toHaveLength(5);
    gateway.record('a', { amount: 5 });
    expect(await get('/v1/actors/Counter/a')).toMatchObject({
      type: 'Counter',
      id: 'a',
      shard: 7,
      sequenceNumber: 2,
      state: { value: 6 },
    });
    expect(await get('/v1/actors/Counter/a?at=1')).toMatchObject({ sequenceNumber: 1, state: { value: 1 } });
    expect((await get('/v1/actors/Counter/c%2Fd')).id).toBe('c/d');
    const page = await get('/v1/actors/Counter/a/-/events?limit=1');
    expect(page).toMatchObject({
      events: [{ sequenceNumber: 1, type: 'Added', version: 1, data: { amount: 1 } }],
      next: 1,
    });
    expect(await get('/v1/actors/Counter/a/-/events?after=1&limit=1')).not.toHaveProperty('next');
  });

  it('what is lost, and nothing is given up by a body that does not say so', async () => {
    const { url, gateway } = await startEdge();
    const at = `${url}/v1/cluster/recovery`;
    expect(await (await fetch(at)).json()).toEqual({ decides: true, voters: ['a', 'b'], away: [], shards: [] });
    const accept = (body: unknown) =>
      fetch(at, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    for (const body of [
      {},
      null,
      [],
      true,
      { lost: ['b'] },
      { acceptLoss: 'yes' },
      { acceptLoss: true, lost: 'b' },
      { acceptLoss: true, lost: [1] },
      { acceptLoss: true, lost: ['not a name'] },
      { acceptLoss: true, shards: ['all'] },
      { acceptLoss: true, force: true },
    ])
      expect([body, (await accept(body)).status]).toEqual([body, 400]);
    expect((await fetch(at, { method: 'POST' })).status).toBe(400);
    expect(gateway.losses).toEqual([]);
    const answer = await accept({ acceptLoss: true, lost: ['b'], shards: [3] });
    expect([answer.status, await answer.json()]).toEqual([200, { shards: [3], removed: ['b'], controlLog: false }]);
    expect(gateway.losses).toEqual([{ lost: ['b'], shards: [3] }]);
  });

  it('passivate, resume and delete with 204, drain and remove with 202', async () => {
    const { url, gateway } = await startEdge();
    gateway.record('a', { amount: 1 });
    const statuses = [];
    for (const [method, path] of [
      ['POST', '/v1/actors/Counter/a/-/passivate'],
      ['POST', '/v1/actors/Counter/a/-/resume'],
      ['DELETE', '/v1/actors/Counter/a'],
      ['GET', '/v1/actors/Counter/a'],
      ['POST', '/v1/cluster/members/b/drain'],
      ['DELETE', '/v1/cluster/members/b'],
      ['DELETE', '/v1/cluster/members/unknown'],
      ['DELETE', '/v1/cluster/members/%00'],
    ] as const) {
      statuses.push((await fetch(`${url}${path}`, { method })).status);
    }
    expect(statuses).toEqual([204, 204, 204, 404, 202, 202, 404, 400]);
  });

  it('tell of the cluster, the shards, health and readiness', async () => {
    const { url, gateway } = await startEdge();
    const get = async (path: string) => {
      const response = await fetch(`${url}${path}`);
      return [response.status, await response.json()];
    };
    expect(await get('/v1/cluster')).toMatchObject([
      200,
      { clusterId: 'fake', node: 'a', leader: 'a', members: [{ node: 'a', status: 'up' }] },
    ]);
    expect(await get('/v1/cluster/shards')).toMatchObject([
      200,
      { shards: [{ shard: 0, epoch: 1, status: 'active' }] },
    ]);
    expect(await get('/healthz')).toEqual([200, { status: 'ok' }]);
    expect(await get('/readyz')).toEqual([200, { status: 'ready' }]);
    gateway.ready = { ready: false, reason: 'joining' };
    expect(await get('/readyz')).toMatchObject([503, { code: 'UNAVAILABLE', detail: 'not ready: joining' }]);
  });

  it('serve the dashboard under a strict policy, and nothing else from the disk', async () => {
    const { url } = await startEdge();
    const page = await fetch(`${url}/`);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('content-security-policy')).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style=|https?:\/\//);
    for (const [, asset] of html.matchAll(/(?:src|href)="(\/-\/[^"]+)"/g)) {
      expect((await fetch(`${url}${asset}`)).status, asset).toBe(200);
    }
    expect((await fetch(`${url}/`, { headers: { 'If-None-Match': page.headers.get('etag')! } })).status).toBe(304);
    for (const path of ['/-/..%2Fpackage.json', '/-/__proto__', '/-/', '/-/constructor', '/favicon.ico']) {
      expect((await fetch(`${url}${path}`)).status, path).toBe(404);
    }
  });

  it('answer 404 where nothing is and 405 with Allow for another method', async () => {
    const { url } = await startEdge();
    for (const path of [
      '/nope',
      '/v1',
      '/v1/nothing',
      '/v1/actors/Counter/a/-/nope',
      '/v1/actors/Counter/a/b/c',
      '/v1/actors/a/b/c/d/e/f',
      '/v1/cluster/nope',
      '/v1/cluster/members/a/b',
      '/v2/actors',
    ]) {
      const response = await fetch(`${url}${path}`);
      expect([response.status, (await response.json()).code], path).toEqual([404, 'NOT_FOUND']);
    }
    for (const [method, path, allow] of [
      ['GET', '/v1/actors/Counter/a/add', 'POST, OPTIONS'],
      ['PUT', '/v1/actors/Counter/a', 'GET, DELETE, HEAD, OPTIONS'],
      ['DELETE', '/v1/actors', 'GET, HEAD, OPTIONS'],
      ['POST', '/v1/actors/Counter/a/-/events', 'GET, HEAD, OPTIONS'],
      ['POST', '/healthz', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const response = await fetch(`${url}${path}`, { method });
      expect([response.status, response.headers.get('allow')], path).toEqual([405, allow]);
    }
    expect((await fetch(`${url}/v1/actors`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${url}/v1/actors`, { method: 'OPTIONS' })).headers.get('allow')).toBe('GET, HEAD, OPTIONS');
  });
});
