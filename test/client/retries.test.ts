/** Exactly-once effect and honest errors through a network that breaks (P4). */
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../src/actors/actor.ts';
import { connect, type GreenroomError } from '../../src/client/index.ts';
import { GreenroomError as CoreError } from '../../src/core/errors.ts';
import { startEdge } from '../http/edge-fixture.ts';

declare class Counter extends Actor {
  add(amount: number): number;
  get(): number;
  reject(): void;
  crash(): void;
  never(): string;
}

type Fault = 'none' | 'before' | 'refused' | 'after' | 'midBody' | 'proxy502';

/** A network that does what the script says, then works. */
function brokenFetch(script: Fault[]): typeof fetch {
  return async (input, init) => {
    const fault = script.shift() ?? 'none';
    if (fault === 'refused') throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } });
    if (fault === 'before') throw new TypeError('fetch failed');
    if (fault === 'proxy502') return new Response('<html>bad gateway</html>', { status: 502 });
    const response = await fetch(input, init);
    if (fault === 'after') {
      await response.text();
      throw new TypeError('fetch failed');
    }
    if (fault === 'midBody') {
      await response.text();
      const body = new ReadableStream({ pull: (controller) => controller.error(new TypeError('terminated')) });
      return new Response(body, { status: response.status, headers: response.headers });
    }
    return response;
  };
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: GreenroomError) => error,
  );

describe('a client on a network that breaks', () => {
  for (const faults of [
    ['before'],
    ['refused'],
    ['after'],
    ['midBody'],
    ['proxy502'],
    ['after', 'refused'],
  ] as Fault[][]) {
    it(`adds once when the connection fails: ${faults.join(', then ')}`, async () => {
      const { url, gateway } = await startEdge();
      const client = connect(url, { fetch: brokenFetch(['none', ...faults]) });
      const counter = client.actor<Counter>('Counter', 'alice');
      expect(await counter.add(1)).toBe(1);
      expect(await counter.add(1)).toBe(2);
      expect(await counter.get()).toBe(2);
      expect(new Set(gateway.requests.slice(1, -1).map((request) => request.key)).size).toBe(1);
      client.close();
    });
  }

  it('says since only where an attempt may have been executed, and then what it knew before the first', async () => {
    const { url, gateway } = await startEdge();
    const client = connect(url, { fetch: brokenFetch(['none', 'none', 'refused', 'after']) });
    const counter = client.actor<Counter>('Counter', 'alice');
    for (let i = 0; i < 3; i++) await counter.add(1);
    expect(gateway.requests.map((request) => request.since)).toEqual([undefined, undefined, undefined, 2]);
    client.close();
  });

  it('uses an id that the actor remembers where it knows no position yet', async () => {
    const { url, gateway } = await startEdge();
    const client = connect(url, { fetch: brokenFetch(['after']) });
    await client.actor<Counter>('Counter', 'alice').add(1);
    await client.actor<Counter>('Counter', 'alice').add(1);
    expect(gateway.requests.map((request) => [request.key!.startsWith('~'), request.since])).toEqual([
      [false, undefined],
      [false, 0],
      [true, undefined],
    ]);
    client.close();
  });

  it('answers OUTCOME_UNKNOWN when the time ends after an attempt that may have been executed', async () => {
    const { url } = await startEdge();
    const client = connect(url, { timeout: 200, fetch: brokenFetch(['after', ...Array(50).fill('refused')]) });
    const error = await failureOf(client.actor<Counter>('Counter', 'alice').add(1));
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true });
    expect(error!.idempotencyKey).toMatch(/^\w+\.1$/);
  });

  it('is not tried a third time when two connections broke under it: it may be what kills the nodes', async () => {
    const { url, gateway } = await startEdge();
    const other = await startEdge();
    const client = connect([url, other.url], { fetch: brokenFetch(['after', 'refused', 'after']) });
    const error = await failureOf(client.actor<Counter>('Counter', 'alice').add(1));
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('not tried again') });
    expect(gateway.requests.length + other.gateway.requests.length).toBe(2);
  });

  it('asks again after an unknown outcome only if the node says when', async () => {
    const { url, gateway } = await startEdge();
    const client = connect(url);
    const counter = client.actor<Counter>('Counter', 'alice');
    gateway.failNext = [new CoreError('OUTCOME_UNKNOWN', 'this node stopped', { retryAfterMs: 1_000 })];
    expect(await counter.add(1)).toBe(1);
    gateway.failNext = [new CoreError('OUTCOME_UNKNOWN', '2 nodes died while they ran this command')];
    expect(await failureOf(counter.add(1))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(gateway.requests).toHaveLength(3);
  });

  it('answers UNAVAILABLE when no attempt reached a node', async () => {
    const { url, edge } = await startEdge();
    await edge.close(0);
    const client = connect(url, { timeout: 150 });
    expect(await failureOf(client.actor<Counter>('Counter', 'alice').add(1))).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('waits as long as the node asks before it tries again', async () => {
    const { url, gateway } = await startEdge();
    gateway.failNext = [
      new CoreError('OVERLOADED', 'busy', { retryAfterMs: 1_000 }),
      new CoreError('UNAVAILABLE', 'moving', { retryAfterMs: 1_000 }),
    ];
    const pauses: number[] = [];
    const client = connect(url);
    const before = performance.now();
    expect(await client.actor<Counter>('Counter', 'alice').add(5)).toBe(5);
    pauses.push(performance.now() - before);
    expect(pauses[0]).toBeGreaterThan(1_900);
    client.close();
  });

  it('does not retry what retrying cannot help', async () => {
    const { url, gateway } = await startEdge();
    const client = connect(url);
    const counter = client.actor<Counter>('Counter', 'alice');
    expect(await failureOf(counter.reject())).toMatchObject({
      name: 'Rejection',
      code: 'NOT_TODAY',
      message: 'ask again tomorrow',
      details: { day: 1 },
    });
    expect(await failureOf(counter.crash())).toMatchObject({ code: 'COMMAND_FAILED', retryable: false });
    gateway.failNext = [new CoreError('INVALID_INPUT', 'no', { issues: [{ path: 'a.0', message: 'is wrong' }] })];
    expect(await failureOf(counter.add(1))).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: 'a.0', message: 'is wrong' }],
    });
    gateway.failNext = [new CoreError('QUARANTINED', 'broken')];
    expect(await failureOf(counter.add(1))).toMatchObject({ code: 'QUARANTINED' });
    expect(gateway.requests).toHaveLength(4);
    client.close();
  });

  it('goes on with the next node when one does not answer', async () => {
    const { url } = await startEdge();
    const gone = await startEdge();
    await gone.edge.close(0);
    const client = connect([gone.url, url]);
    expect(await client.actor<Counter>('Counter', 'alice').add(1)).toBe(1);
    client.close();
  });

  it('waits for many answers at once without a word from Node about leaks', async () => {
    const { url, gateway } = await startEdge();
    const warnings: string[] = [];
    const heard = (warning: Error) => warnings.push(warning.name);
    process.on('warning', heard);
    const client = connect(url);
    const sent = Array.from({ length: 12 }, (_, i) => failureOf(client.actor<Counter>('Counter', `n${i}`).never()));
    await expect.poll(() => gateway.requests.length).toBe(12);
    client.close();
    expect((await Promise.all(sent)).every((error) => error?.code === 'OUTCOME_UNKNOWN')).toBe(true);
    process.off('warning', heard);
    expect(warnings).toEqual([]);
    gateway.releaseAll();
  });

  it('gives a caller’s own key one effect, whoever sends it', async () => {
    const { url } = await startEdge();
    const first = connect(url);
    const second = connect(url);
    expect(await first.actor<Counter>('Counter', 'alice', { key: 'order-17' }).add(1)).toBe(1);
    expect(await second.actor<Counter>('Counter', 'alice', { key: 'order-17' }).add(1)).toBe(1);
    expect(await failureOf(second.actor<Counter>('Counter', 'alice', { key: 'order-17' }).add(2))).toMatchObject({
      code: 'KEY_REUSED',
    });
    expect(() => first.actor<Counter>('Counter', 'alice', { key: '~mine' })).toThrow(/does not begin with ~/);
  });

  it('ends its calls when it is closed: sent ones unknown, waiting ones not executed', async () => {
    const { url, gateway } = await startEdge();
    const client = connect(url);
    const counter = client.actor<Counter>('Counter', 'alice');
    const sent = failureOf(counter.never());
    const waiting = failureOf(counter.add(1));
    await expect.poll(() => gateway.requests.length).toBe(1);
    client.close();
    expect(await sent).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await failureOf(counter.add(1))).toMatchObject({ code: 'UNAVAILABLE' });
    gateway.releaseAll();
    expect(gateway.requests).toHaveLength(1);
  });
});
