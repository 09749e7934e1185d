/** Bad input is refused with a clear error for the one who sent it, and nobody else notices (P10). */
import { describe, expect, it } from 'vitest';
import { bodyBytesMax, headerBytesMax, pipelinedRequestsMax } from '../../src/http/limits.ts';
import { parseInput } from '../../src/http/request-body.ts';
import { post, startEdge } from './edge-fixture.ts';
import { exchangeRaw, RawConnection, statusOf } from './raw-connection.ts';

const json = { 'Content-Type': 'application/json' };

describe('an address', () => {
  it('may hold any id as one percent-encoded segment, decoded once', async () => {
    const { url, gateway } = await startEdge();
    for (const id of [
      'a/b',
      '%2F',
      '🙂🙂',
      'ü',
      ' ',
      '?#&=',
      '-',
      '__proto__',
      'constructor',
      '...',
      'x'.repeat(512),
    ]) {
      expect((await post(url, `Counter/${encodeURIComponent(id)}/get`)).status, id).toBe(200);
      expect(gateway.requests.at(-1)!.id).toBe(id);
    }
  });

  it('is refused if it holds no id', async () => {
    const { edge, gateway } = await startEdge();
    for (const id of [
      '',
      '%00',
      '%0A',
      '%7F',
      '.',
      '..',
      '%2E',
      '%2e%2E',
      '%',
      '%zz',
      '%FF',
      '%C0%AF',
      '%ED%A0%80',
      'x'.repeat(513),
      'x'.repeat(10_240),
      '%F0%9F%99%82'.repeat(200),
    ]) {
      const answer = await exchangeRaw(
        edge.port,
        `POST /v1/actors/Counter/${id}/get HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(statusOf(answer), id).toBe(400);
      expect(answer).toContain('"code":"BAD_REQUEST"');
    }
    expect(gateway.requests).toHaveLength(0);
  });

  it('with a type or command that objects have by nature is just unknown', async () => {
    const { url } = await startEdge();
    for (const name of [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'Nope',
      'a%2Fb',
      '%F0%9F%99%82',
      'x'.repeat(9_000),
    ]) {
      expect((await (await post(url, `${name}/a/get`)).json()).code, name).toBe('UNKNOWN_ACTOR_TYPE');
      expect((await (await post(url, `Counter/a/${name}`)).json()).code, name).toBe('UNKNOWN_COMMAND');
      for (const path of [`/v1/actors/${name}`, `/v1/actors/${name}/a`, `/v1/actors/${name}/a/-/events`]) {
        expect((await fetch(`${url}${path}`)).status, path).toBe(404);
      }
      const stream = await fetch(`${url}/v1/actors/${name}/a/-/events`, { headers: { Accept: 'text/event-stream' } });
      expect(stream.status).toBe(404);
    }
  });

  it('has no parameters that it does not know, and whole numbers where it takes numbers', async () => {
    const { url, gateway } = await startEdge();
    gateway.record('a', { amount: 1 });
    for (const query of [
      'Counter?limit=0',
      'Counter?limit=1001',
      'Counter?limit=-1',
      'Counter?limit=1.5',
      'Counter?limit=x',
      'Counter?limit=1e2',
      'Counter?limit=1&limit=2',
      'Counter?before=1',
      'Counter?after=%00',
      'Counter?after=%FF',
      'Counter?__proto__=1',
      'Counter/a?at=-1',
      'Counter/a?at=99',
      'Counter/a?at=9007199254740993',
      'Counter/a/-/events?after=-1',
      'Counter/a/-/events?after=abc',
    ]) {
      const response = await fetch(`${url}/v1/actors/${query}`);
      expect([response.status, (await response.json()).code], query).toEqual([400, 'BAD_REQUEST']);
    }
  });
});

describe('headers', () => {
  it('with a time-out, key or since that cannot be meant are refused', async () => {
    const { url, gateway } = await startEdge();
    for (const [name, value] of [
      ['Greenroom-Timeout-Ms', '0'],
      ['Greenroom-Timeout-Ms', '-5'],
      ['Greenroom-Timeout-Ms', '1.5'],
      ['Greenroom-Timeout-Ms', 'soon'],
      ['Greenroom-Timeout-Ms', '1e3'],
      ['Greenroom-Timeout-Ms', 'Infinity'],
      ['Greenroom-Timeout-Ms', '600001'],
      ['Idempotency-Key', 'two words'],
      ['Idempotency-Key', 'ü'],
      ['Idempotency-Key', 'x'.repeat(129)],
      ['Greenroom-Since', '-1'],
    ] as const) {
      const response = await post(url, 'Counter/a/add', 1, { 'Idempotency-Key': 'k', [name]: value });
      expect([response.status, (await response.json()).code], `${name}: ${value}`).toEqual([400, 'BAD_REQUEST']);
    }
    expect(gateway.requests).toHaveLength(0);
  });

  it('over their limit are refused with 431', async () => {
    const { edge } = await startEdge();
    const answer = await exchangeRaw(
      edge.port,
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(headerBytesMax)}\r\n\r\n`,
    );
    expect(statusOf(answer)).toBe(431);
    expect(answer).toContain('application/problem+json');
  });
});

describe('a body', () => {
  it('that is not JSON is refused, saying where it goes wrong', async () => {
    const where = (text: string) => {
      try {
        parseInput(Buffer.from(text));
        return 'fine';
      } catch (error) {
        return (error as Error).message.replace('the body is not JSON: ', '');
      }
    };
    expect(where('{"a":1')).toBe("line 1, column 7: expected ',' or '}' but the text ends");
    expect(where('{\n  "a" = 1}')).toBe('line 2, column 7: expected \':\' but found "="');
    expect(where('[1,]')).toBe('line 1, column 4: expected a value but found "]"');
    expect(where('{a:1}')).toBe('line 1, column 2: expected a name in double quotes or \'}\' but found "a"');
    expect(where('{"a":1,}')).toBe('line 1, column 8: expected a name in double quotes but found "}"');
    expect(where('1 2')).toBe('line 1, column 3: expected the end but found "2"');
    expect(where('"\t"')).toMatch(/^line 1, column 1: expected a value/);
    expect(where("'x'")).toMatch(/column 1: expected a value but found "'"/);
    expect(where(' ')).toBe('line 1, column 2: expected a value but the text ends');
    expect(where('nul')).toMatch(/column 1/);
    expect(where('"\\x"')).toMatch(/column 1/);
    expect(where('[{"a":[1,2,{"b":tru}]}]')).toMatch(/column 17/);
    expect(where('[[],{},"",-1.5e+3,true,null]')).toBe('fine');
  });

  it('of a million brackets, quotes or escapes is refused without harm', async () => {
    const { url } = await startEdge();
    for (const body of [
      '['.repeat(1_000_000),
      '{"a":'.repeat(200_000),
      `"${'\\n'.repeat(500_000)}`,
      `"${'x'.repeat(1_000_000)}`,
    ]) {
      const response = await fetch(`${url}/v1/actors/Counter/a/echo`, { method: 'POST', headers: json, body });
      expect([response.status, (await response.json()).code]).toEqual([400, 'BAD_REQUEST']);
    }
    const deep = await fetch(`${url}/v1/actors/Counter/a/echo`, {
      method: 'POST',
      headers: json,
      body: '['.repeat(50_000) + ']'.repeat(50_000),
    });
    expect((await deep.json()).code).toBe('INVALID_INPUT');
    const proto = await fetch(`${url}/v1/actors/Counter/a/echo`, {
      method: 'POST',
      headers: json,
      body: '{"__proto__":{"x":1}}',
    });
    expect((await proto.json()).code).toBe('INVALID_INPUT');
  });

  it('that is not UTF-8 is refused', async () => {
    const { url } = await startEdge();
    const response = await fetch(`${url}/v1/actors/Counter/a/echo`, {
      method: 'POST',
      headers: json,
      body: Buffer.from([0x22, 0xc3, 0x28, 0x22]),
    });
    expect(await response.json()).toMatchObject({ status: 400, detail: 'the body is not well-formed UTF-8' });
  });

  it('must be application/json in UTF-8, uncompressed', async () => {
    const { url } = await startEdge();
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${url}/v1/actors/Counter/a/echo`, { method: 'POST', headers, body: Buffer.from('1') })).status;
    expect(await status({})).toBe(415);
    expect(await status({ 'Content-Type': 'text/plain' })).toBe(415);
    expect(await status({ 'Content-Type': 'application/x-www-form-urlencoded' })).toBe(415);
    expect(await status({ 'Content-Type': 'application/json; charset=latin1' })).toBe(415);
    expect(await status({ ...json, 'Content-Encoding': 'gzip' })).toBe(415);
    expect(await status({ 'Content-Type': 'Application/JSON; charset=UTF-8' })).toBe(200);
    expect(await status(json)).toBe(200);
  });

  it('of exactly the limit is taken; one byte more is refused, and its sender sees that', async () => {
    const { url } = await startEdge();
    const send = (bytes: number) =>
      fetch(`${url}/v1/actors/Counter/a/echo`, { method: 'POST', headers: json, body: `"${'x'.repeat(bytes - 2)}"` });
    expect((await send(bodyBytesMax)).status).toBe(200);
    for (const bytes of [bodyBytesMax + 1, 10 * 1024 * 1024]) {
      const response = await send(bytes);
      expect([response.status, (await response.json()).code]).toEqual([413, 'TOO_LARGE']);
    }
  });

  it('without a declared length is refused as soon as it is too large, and its sender sees that', async () => {
    const { url } = await startEdge();
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536;
        if (sent > 10 * 1024 * 1024) controller.close();
        else controller.enqueue(new Uint8Array(65_536).fill(0x31));
      },
    });
    const response = await fetch(`${url}/v1/actors/Counter/a/echo`, {
      method: 'POST',
      headers: json,
      body,
      duplex: 'half',
    } as RequestInit);
    expect([response.status, (await response.json()).code]).toEqual([413, 'TOO_LARGE']);
  });

  it('whose sender leaves in the middle, or before the refusal is read to its end, harms nobody', async () => {
    const { edge, url, gateway } = await startEdge();
    const head = (length: number) =>
      `POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n[`;
    for (const length of [100, bodyBytesMax + 1]) {
      const connection = new RawConnection(edge.port);
      connection.write(head(length));
      if (length > bodyBytesMax) await expect.poll(() => statusOf(connection.text)).toBe(413);
      connection.socket.resetAndDestroy();
      await connection.closed;
    }
    const figures = async () =>
      (await (await fetch(`${url}/metrics`)).text()).match(/^greenroom_http_(?:body_bytes|requests_in_flight) \d+$/gm);
    await expect.poll(figures).toEqual(['greenroom_http_requests_in_flight 1', 'greenroom_http_body_bytes 0']);
    expect(gateway.requests).toHaveLength(0);
  });

  it('is not asked for when its sender waits for 100 Continue and it would be too large', async () => {
    const { edge } = await startEdge();
    const head = (length: number) =>
      `POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n`;
    const large = await exchangeRaw(edge.port, `${head(bodyBytesMax + 1)}\r\n`);
    expect(statusOf(large)).toBe(413);
    expect(large).not.toContain('100 Continue');
    const small = await exchangeRaw(edge.port, `${head(1)}Connection: close\r\n\r\n7`);
    expect(small).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/);
  });
});

describe('what is no HTTP', () => {
  it('is answered with a problem, or dropped, and never harms the edge', async () => {
    const { edge, url } = await startEdge();
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
      'POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'GET \u0000 HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ]) {
      const answer = await exchangeRaw(edge.port, bytes);
      expect(statusOf(answer), String(bytes)).toBe(400);
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('and random bytes in place of parts of a request, neither', async () => {
    const { edge, url, gateway } = await startEdge();
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const good =
      'POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]';
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(good);
      for (let changes = 1 + random(6); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
      await exchangeRaw(edge.port, bytes.subarray(0, random(bytes.length + 1)));
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(gateway.requests.every((request) => request.type.length > 0)).toBe(true);
  });

  it('is closed when it pipelines more requests than are kept unanswered', async () => {
    const { edge, gateway, url } = await startEdge();
    const connection = new RawConnection(edge.port);
    const one = 'POST /v1/actors/Counter/a/never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n';
    connection.write(one.repeat(pipelinedRequestsMax + 1));
    await connection.closed;
    expect(gateway.requests.length).toBeLessThanOrEqual(pipelinedRequestsMax);
    gateway.releaseAll();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});
