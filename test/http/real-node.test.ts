/** The contract over a real node: journal on disk, recovery, retries through the log. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Accepts, Actor, durableState, eventSourced, type StandardSchema } from '../../src/actors/actor.ts';
import { connect, type GreenroomError } from '../../src/client/index.ts';
import { Rejection } from '../../src/core/errors.ts';
import { type GreenroomNode, startNode } from '../../src/start-node.ts';
import { post } from './edge-fixture.ts';

const positive: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof value === 'number' && value > 0
        ? { value }
        : { issues: [{ message: 'must be a positive number', path: ['amount'] }] },
  },
};

class Counter extends eventSourced({
  initialState: () => ({ value: 0 }),
  events: { Added: (state, event: { amount: number }) => ({ value: state.value + event.amount }) },
}) {
  static readonly accepts: Accepts<Counter> = { addPositive: positive };
  add(amount: number): number {
    this.persist('Added', { amount });
    return this.state.value;
  }
  addPositive(amount: number): number {
    return this.add(amount);
  }
  get(): number {
    return this.state.value;
  }
  echo(input: unknown): unknown {
    return input;
  }
  reject(): void {
    throw new Rejection('NOT_TODAY', 'ask again tomorrow', { day: 1 });
  }
  crash(): void {
    throw new Error('boom');
  }
  nothing(): void {}
}

class Stock extends durableState({ initialState: () => ({ available: 3 }) }) {
  reserve(): number {
    this.save({ available: this.state.available - 1 });
    return this.state.available;
  }
}

class Session extends Actor {
  ping(): string {
    return 'pong';
  }
}

let data: string;
let node: GreenroomNode;
let url: string;

async function start(): Promise<void> {
  node = await startNode({ actors: [Counter, Stock, Session], node: 'a', port: 0, httpPort: 0, data, shards: 16 });
  url = node.httpUrl!;
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'greenroom-http-'));
  await start();
});

afterAll(async () => {
  await node.close();
  await rm(data, { recursive: true });
});

const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

describe('a real node over HTTP', () => {
  it('keeps what it acknowledged, wakes by replay, and remembers keys through a restart', async () => {
    const headers = { 'Idempotency-Key': 'order-17' };
    expect(await (await post(url, 'Counter/alice/add', 5, headers)).json()).toBe(5);
    expect((await fetch(`${url}/v1/actors/Counter/alice/-/passivate`, { method: 'POST' })).status).toBe(204);
    const woken = await post(url, 'Counter/alice/get');
    expect(woken.headers.get('greenroom-woke')).toMatch(/^\d+\.\d;events=\d+$/);
    await node.close();
    await start();
    const again = await post(url, 'Counter/alice/add', 5, headers);
    expect([again.headers.get('idempotent-replayed'), await again.json()]).toEqual(['true', 5]);
    expect(await codeOf(await post(url, 'Counter/alice/add', 6, headers))).toEqual([422, 'KEY_REUSED']);
  });

  it('gives an assigned key back with which a retry has no second effect', async () => {
    const first = await post(url, 'Counter/assigned/add', 1);
    const key = first.headers.get('idempotency-key')!;
    const retried = await post(url, 'Counter/assigned/add', 1, { 'Idempotency-Key': key });
    expect([retried.headers.get('idempotent-replayed'), await retried.json()]).toEqual(['true', 1]);
  });

  it('answers every kind of refusal by its code', async () => {
    expect(await codeOf(await post(url, 'Counter/a/reject'))).toEqual([409, 'REJECTED']);
    expect(await codeOf(await post(url, 'Counter/a/crash'))).toEqual([500, 'COMMAND_FAILED']);
    expect(await codeOf(await post(url, 'Nope/a/get'))).toEqual([404, 'UNKNOWN_ACTOR_TYPE']);
    for (const name of [
      'nope',
      '__proto__',
      'constructor',
      'then',
      'persist',
      'state',
      'onActivate',
      'hasOwnProperty',
    ]) {
      expect(await codeOf(await post(url, `Counter/a/${name}`)), name).toEqual([404, 'UNKNOWN_COMMAND']);
    }
    expect(await codeOf(await fetch(`${url}/v1/actors/Counter/never-used`))).toEqual([404, 'UNKNOWN_ACTOR']);
    expect(await codeOf(await fetch(`${url}/v1/actors/Counter/never-used/-/events`))).toEqual([404, 'UNKNOWN_ACTOR']);
    const invalid = await post(url, 'Counter/a/addPositive', -1);
    expect(invalid.status).toBe(400);
    expect(await invalid.json()).toMatchObject({
      code: 'INVALID_INPUT',
      issues: [{ path: 'amount', message: 'must be a positive number' }],
    });
    for (const body of ['{"__proto__":1}', `${'['.repeat(200)}${']'.repeat(200)}`, '"\\ud800"']) {
      const response = await fetch(`${url}/v1/actors/Counter/a/echo`, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json' },
      });
      expect(await codeOf(response), body).toEqual([400, 'INVALID_INPUT']);
    }
  });

  it('shows types, actors by page, states in time and events', async () => {
    const get = async (path: string) => (await fetch(`${url}/v1/actors${path}`)).json();
    expect((await get('')).types.map(({ name, kind }: { name: string; kind: string }) => [name, kind])).toEqual([
      ['Counter', 'eventSourced'],
      ['Stock', 'durableState'],
      ['Session', 'memory'],
    ]);
    for (const id of ['page/1', 'page/2', 'page/🙂'])
      for (let i = 1; i <= 3; i++) await post(url, `Counter/${encodeURIComponent(id)}/add`, i);
    const ids: string[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page: { actors: { id: string }[]; next?: string } = await get(
        `/Counter?limit=2&after=${encodeURIComponent(after)}`,
      );
      ids.push(...page.actors.map(({ id }) => id));
      after = page.next;
    }
    expect(ids.filter((id) => id.startsWith('page/'))).toEqual(['page/1', 'page/2', 'page/🙂']);
    expect(new Set(ids).size).toBe(ids.length);
    const values = [];
    for (const at of [0, 1, 2, 3]) values.push((await get(`/Counter/page%2F1?at=${at}`)).state.value);
    expect(values).toEqual([0, 1, 3, 6]);
    expect((await fetch(`${url}/v1/actors/Counter/page%2F1?at=4`)).status).toBe(400);
    const page = await get('/Counter/page%2F1/-/events?limit=2');
    expect(page).toMatchObject({
      events: [{ sequenceNumber: 1, type: 'Added', version: 1, data: { amount: 1 } }, { sequenceNumber: 2 }],
      next: 2,
    });
    await post(url, 'Stock/tea/reserve');
    expect(await get('/Stock/tea')).toMatchObject({ state: { available: 2 }, sequenceNumber: 1 });
    expect(await (await post(url, 'Session/s1/ping')).json()).toBe('pong');
  });

  it('follows events over a client, deletes, and goes on counting', async () => {
    const client = connect(url);
    const counter = client.actor(Counter, 'followed');
    await counter.add(1);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const event of client.events(Counter, 'followed')) {
        seen.push(event.sequenceNumber);
        if (event.data.amount === 3) return;
      }
    })();
    await counter.add(2);
    expect(await counter.add(3)).toBe(6);
    await reading;
    expect(seen).toEqual([1, 2, 3]);
    expect((await fetch(`${url}/v1/actors/Counter/followed`, { method: 'DELETE' })).status).toBe(204);
    await expect(client.inspect(Counter, 'followed')).rejects.toMatchObject({ code: 'UNKNOWN_ACTOR' });
    expect(await counter.add(10)).toBe(10);
    expect((await client.inspect(Counter, 'followed')).sequenceNumber).toBeGreaterThan(3);
    client.close();
  });

  it('executes a client’s command once, though the connection breaks after it', async () => {
    let broken = 0;
    const flaky: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (init?.method === 'POST' && broken++ % 2 === 0) {
        await response.text();
        throw new TypeError('fetch failed');
      }
      return response;
    };
    const client = connect(url, { fetch: flaky });
    const other = connect(url);
    const counter = client.actor(Counter, 'flaky');
    for (let i = 1; i <= 8; i++) {
      expect(await counter.add(1)).toBe(2 * i - 1);
      await other.actor(Counter, 'flaky').add(1);
    }
    expect(await other.actor(Counter, 'flaky').get()).toBe(16);
    client.close();
    other.close();
  });

  it('lets a client’s rejections and errors through as what they are', async () => {
    const counter = connect(url).actor(Counter, 'errors');
    const failure = (promise: Promise<unknown>) => promise.catch((error: GreenroomError) => error);
    expect(await failure(counter.reject())).toMatchObject({
      name: 'Rejection',
      code: 'NOT_TODAY',
      details: { day: 1 },
    });
    expect(await failure(counter.crash())).toMatchObject({
      code: 'COMMAND_FAILED',
      idempotencyKey: expect.any(String),
    });
    expect(await failure((counter as any).nope())).toMatchObject({ code: 'UNKNOWN_COMMAND' });
    expect(await counter.nothing()).toBeUndefined();
  });

  it('has figures that Prometheus’s own linter accepts', async () => {
    const page = await (await fetch(`${url}/metrics`)).text();
    expect(page).toMatch(/^greenroom_commands_total \d+$/m);
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
    if (!lint.error) expect(`${lint.stdout}${lint.stderr}`).toBe('');
  });
});
