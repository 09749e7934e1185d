/** Starting, stopping, bounds and figures of the edge. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../src/core/log.ts';
import { startHttp } from '../../src/http/edge.ts';
import { bodyBytesMax, bytesInFlightMax } from '../../src/http/limits.ts';
import { post, realClock, startEdge } from './edge-fixture.ts';
import { FakeGateway } from './fake-gateway.ts';
import { RawConnection } from './raw-connection.ts';

describe('closing the edge', () => {
  it('lets requests in progress finish, refuses new ones, ends streams and closes idle connections', async () => {
    const { edge, gateway, url } = await startEdge();
    const idle = new RawConnection(edge.port);
    idle.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await expect.poll(() => idle.text).toContain('200 OK');
    const stream = new RawConnection(edge.port);
    stream.write('GET /v1/actors/Counter/a/-/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
    await expect.poll(() => stream.text).toContain('retry:');
    const running = post(url, 'Counter/a/never');
    await expect.poll(() => gateway.requests.length).toBe(1);
    const closed = edge.close(10_000);
    expect(edge.close(0)).toBe(closed);
    await Promise.all([idle.closed, stream.closed]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    gateway.releaseAll();
    const answer = await running;
    expect([answer.status, await answer.json(), answer.headers.get('connection')]).toEqual([200, 'late', 'close']);
    await closed;
  });

  it('waits no longer than its grace', async () => {
    const { edge, gateway, url } = await startEdge();
    const running = post(url, 'Counter/a/never').catch((error: Error) => error);
    await expect.poll(() => gateway.requests.length).toBe(1);
    await edge.close(20);
    expect(await running).toBeInstanceOf(Error);
  });
});

describe('starting the edge', () => {
  it('says why an address cannot be had', async () => {
    const { edge } = await startEdge();
    const second = startHttp({
      gateway: new FakeGateway(),
      host: '127.0.0.1',
      port: edge.port,
      log: silentLog,
      clock: realClock,
    });
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE', port: edge.port });
  });
});

describe('bytes in flight', () => {
  it('over the node’s limit are refused as overload, executed nowhere, and free again when callers leave', async () => {
    const { edge, gateway, url } = await startEdge();
    const connections = Array.from({ length: bytesInFlightMax / bodyBytesMax }, () => new RawConnection(edge.port));
    const head = `POST /v1/actors/Counter/a/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${bodyBytesMax}\r\n\r\n[`;
    for (const connection of connections) connection.write(head);
    const held = async () =>
      Number((await (await fetch(`${url}/metrics`)).text()).match(/^greenroom_http_body_bytes (\d+)/m)![1]);
    await expect.poll(held).toBe(bytesInFlightMax);
    const refused = await post(url, 'Counter/a/echo', 'x');
    expect([refused.status, refused.headers.get('retry-after'), (await refused.json()).code]).toEqual([
      429,
      '1',
      'OVERLOADED',
    ]);
    expect((await post(url, 'Counter/a/get')).status).toBe(200);
    for (const connection of connections) connection.socket.destroy();
    await expect.poll(held).toBe(0);
    expect((await post(url, 'Counter/a/echo', 'x')).status).toBe(200);
    expect(gateway.requests).toHaveLength(2);
  });
});

describe('the metrics page', () => {
  it('holds the node’s figures, the edge’s and the process’s, as Prometheus reads them', async () => {
    const { gateway, url } = await startEdge();
    gateway.extraMetrics = [
      {
        name: 'greenroom_wake_seconds',
        kind: 'histogram',
        help: 'Wakes.',
        buckets: [
          { le: 0.001, count: 2 },
          { le: 1, count: 3 },
        ],
        sum: 0.5,
        count: 4,
      },
      { name: 'greenroom_commands_total', kind: 'counter', help: 'Commands.', labels: { type: 'a"b\\c\nd' }, value: 1 },
    ];
    await post(url, 'Counter/a/reject');
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const page = await response.text();
    expect(page).toContain(
      '# TYPE greenroom_commands_total counter\ngreenroom_commands_total{type="Counter"} 1\ngreenroom_commands_total{type="a\\"b\\\\c\\nd"} 1\n',
    );
    expect(page).toContain(
      'greenroom_wake_seconds_bucket{le="0.001"} 2\ngreenroom_wake_seconds_bucket{le="1"} 3\ngreenroom_wake_seconds_bucket{le="+Inf"} 4\ngreenroom_wake_seconds_sum 0.5\ngreenroom_wake_seconds_count 4\n',
    );
    expect(page).toContain('greenroom_http_answers_total{status="409"} 1\n');
    expect(page).toMatch(/^process_resident_memory_bytes \d+$/m);
    const names = [...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
    if (!lint.error) expect(`${lint.stdout}${lint.stderr}`).toBe('');
  });
});
