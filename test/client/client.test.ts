/** What a client promises when nothing breaks: order, bounds, refs that JavaScript may touch, events. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { eventSourced } from '../../src/actors/actor.ts';
import { ActorLines } from '../../src/client/actor-line.ts';
import { realEnvironment } from '../../src/client/environment.ts';
import { connect, type GreenroomError } from '../../src/client/index.ts';
import { KnownPositions } from '../../src/client/known-positions.ts';
import { queuedPerActorMax } from '../../src/client/limits.ts';
import { SseParser } from '../../src/client/sse-parser.ts';
import { startEdge } from '../http/edge-fixture.ts';

class Tally extends eventSourced({
  name: 'Counter',
  initialState: () => ({ value: 0 }),
  events: { Added: (state, event: { amount: number }) => ({ value: state.value + event.amount }) },
}) {
  add(amount: number): number {
    this.persist('Added', { amount });
    return this.state.value;
  }
  echo(input: { text: string }) {
    return input;
  }
  nothing() {}
}

describe('a client', () => {
  it('calls by class under the name the class has in the cluster, and answers replies of every kind', async () => {
    const { url } = await startEdge();
    const client = connect(url);
    const tally = client.actor(Tally, 'ä/b?c#d%2F🙂');
    expect(await tally.add(2)).toBe(2);
    expect(await tally.echo({ text: 'ß🙂' })).toEqual({ text: 'ß🙂' });
    expect(await tally.nothing()).toBeUndefined();
    const seen = await client.inspect(Tally, 'ä/b?c#d%2F🙂');
    expect(seen.id).toBe('ä/b?c#d%2F🙂');
    expect(seen.state.value).toBe(2);
    client.close();
  });

  it('sends the commands to one actor one at a time, in the order they were called', async () => {
    const { url, gateway } = await startEdge();
    let inFlight = 0;
    let inFlightMax = 0;
    const client = connect(url, {
      fetch: async (input, init) => {
        inFlightMax = Math.max(inFlightMax, ++inFlight);
        try {
          return await fetch(input, init);
        } finally {
          inFlight -= 1;
        }
      },
    });
    const tally = client.actor(Tally, 'alice');
    const replies = await Promise.all(Array.from({ length: 40 }, () => tally.add(1)));
    expect(replies).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(inFlightMax).toBe(1);
    expect(gateway.requests).toHaveLength(40);
    client.close();
  });

  it('sends the input as it was when the call was made', async () => {
    const { url } = await startEdge();
    const client = connect(url);
    const tally = client.actor(Tally, 'alice');
    const input = { text: 'before' };
    const first = tally.add(1);
    const second = tally.echo(input);
    input.text = 'after';
    await first;
    expect(await second).toEqual({ text: 'before' });
    client.close();
  });

  it('refuses input that is not plain data, with its path, before it is sent', async () => {
    const { url, gateway } = await startEdge();
    const error = await connect(url)
      .actor(Tally, 'alice')
      .echo({ a: [new Date()] } as never)
      .catch((e: GreenroomError) => e);
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: 'the input of echo.a[0] is a Date; use a number' });
    expect(gateway.requests).toHaveLength(0);
  });

  it('makes refs that can be awaited, printed and encoded without a call', async () => {
    const { url, gateway } = await startEdge();
    const ref = connect(url).actor(Tally, 'alice') as any;
    expect(await ref).toBe(ref);
    expect(JSON.stringify({ ref })).toBe('{"ref":{}}');
    expect(inspect(ref)).toBeTypeOf('string');
    for (const name of [
      'then',
      'catch',
      'finally',
      'toJSON',
      'toString',
      'valueOf',
      'constructor',
      'id',
      '_hidden',
      'onActivate',
      Symbol.iterator,
    ]) {
      expect(ref[name]).toBeUndefined();
    }
    expect(gateway.requests).toHaveLength(0);
  });

  it('refuses a call for whose actor too many wait, and one whose time ends in line', async () => {
    const lines = new ActorLines(realEnvironment(undefined));
    let release = (_: unknown) => {};
    const head = lines.inTurn('a', performance.now() + 60_000, () => new Promise((resolve) => (release = resolve)));
    const late = lines.inTurn('a', performance.now() + 5, async () => 'sent');
    await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const waiting = Array.from({ length: queuedPerActorMax }, () =>
      lines.inTurn('a', performance.now() + 60_000, async () => 1),
    );
    await expect(lines.inTurn('a', performance.now() + 60_000, async () => 1)).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
    expect(await lines.inTurn('b', performance.now() + 60_000, async () => 'free')).toBe('free');
    release(0);
    await head;
    expect((await Promise.all(waiting)).length).toBe(queuedPerActorMax);
  });

  it('remembers a bounded number of positions, and they only grow', () => {
    const positions = new KnownPositions(2);
    positions.see('a', 5);
    positions.see('a', 3);
    positions.see('b', 1);
    expect(positions.get('a')).toBe(5);
    positions.see('a', 6);
    positions.see('c', 1);
    expect([positions.get('a'), positions.get('b'), positions.size]).toEqual([6, undefined, 2]);
  });

  it('refuses addresses, names, ids and time-outs that cannot be meant', () => {
    expect(() => connect('localhost:8400')).toThrow(/not an address/);
    expect(() => connect([])).toThrow(/needs the address/);
    expect(() => connect('http://a', { timeout: -1 })).toThrow(/timeout/);
    expect(() => connect('http://a').actor('__proto__', 'x')).toThrow(/actor type/);
    expect(() => connect('http://a').actor('A', '..')).toThrow(/actor id/);
  });
});

describe('a client that follows events', () => {
  it('goes on after the last event it saw when the connection breaks: no gap, no repeat', async () => {
    const { url, gateway } = await startEdge();
    for (let i = 1; i <= 3; i++) gateway.record('alice', { amount: i });
    let opened = 0;
    const client = connect(url, {
      fetch: async (input, init) => {
        opened += 1;
        if (opened === 2) throw new TypeError('fetch failed');
        const response = await fetch(input, init);
        if (opened > 3) return response;
        const reader = response.body!.getReader();
        let chunks = 0;
        const body = new ReadableStream({
          async pull(controller) {
            if (++chunks > 1) return controller.error(new TypeError('terminated'));
            controller.enqueue((await reader.read()).value!);
          },
        });
        return new Response(body, response);
      },
    });
    const seen: number[] = [];
    setTimeout(() => gateway.record('alice', { amount: 4 }), 150);
    for await (const event of client.events(Tally, 'alice')) {
      seen.push(event.sequenceNumber);
      if (event.data.amount === 4) break;
    }
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(opened).toBeGreaterThan(2);
    client.close();
  });

  it('ends with its signal, and throws what coming back cannot help', async () => {
    const { url } = await startEdge();
    const client = connect(url);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    for await (const _ of client.events('Counter', 'nobody', { signal: controller.signal })) expect.unreachable();
    await expect(async () => {
      for await (const _ of client.events('Unknown', 'x')) expect.unreachable();
    }).rejects.toMatchObject({ code: 'UNKNOWN_ACTOR_TYPE' });
    client.close();
  });

  it('reads a stream that is cut anywhere, also inside a character', () => {
    const bytes = new TextEncoder().encode(
      ': hi\nretry: 1\n\nid: 1\ndata: {"a":"🙂"}\n\nevent: problem\r\ndata: x\r\n\r\n',
    );
    for (let cut = 0; cut <= bytes.length; cut++) {
      const parser = new SseParser();
      const messages = [...parser.push(bytes.subarray(0, cut)), ...parser.push(bytes.subarray(cut))];
      expect(messages).toEqual([
        { event: '', data: '{"a":"🙂"}' },
        { event: 'problem', data: 'x' },
      ]);
    }
  });
});
