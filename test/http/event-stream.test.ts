/** Events as they commit: no gap, no repeat, and nobody's pace but the consumer's. */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { eventStreamsMax, heartbeatEveryMs, stalledCallerMs } from '../../src/http/limits.ts';
import { realClock, startEdge } from './edge-fixture.ts';
import { RawConnection } from './raw-connection.ts';

const accept = { Accept: 'text/event-stream' };

async function open(url: string, headers: Record<string, string> = {}, query = '') {
  const response = await fetch(`${url}/v1/actors/Counter/a/-/events${query}`, { headers: { ...accept, ...headers } });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    response,
    reader,
    async until(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
      }
      return text;
    },
  };
}

const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

/** A clock whose timers run only when the test says so. */
function stoppedClock(): Clock & { advance(ms: number): void } {
  const timers = new Set<{ atMs: number; task: () => void }>();
  let nowMs = 0;
  return {
    ...realClock,
    schedule(delayMs, task) {
      const timer = { atMs: nowMs + delayMs, task };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...timers]) {
        if (timer.atMs > nowMs) continue;
        timers.delete(timer);
        timer.task();
      }
    },
  };
}

describe('an event stream', () => {
  it('shows what is committed, then each event as it commits, with the sequence number as id', async () => {
    const { url, gateway } = await startEdge();
    gateway.record('a', { amount: 1 });
    const stream = await open(url);
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream');
    const first = await stream.until(/\ndata: .*\n\n/);
    expect(first).toContain(
      'id: 1\ndata: {"sequenceNumber":1,"type":"Added","version":1,"data":{"amount":1},"at":1700000000000}\n\n',
    );
    gateway.record('a', { amount: 2 });
    expect(idsIn(await stream.until(/id: 2\n.*\n\n/))).toEqual([1, 2]);
    await stream.reader.cancel();
  });

  it('goes on after Last-Event-ID, which counts more than ?after=', async () => {
    const { url, gateway } = await startEdge();
    for (let i = 1; i <= 5; i++) gateway.record('a', { amount: i });
    const resumed = await open(url, { 'Last-Event-ID': '3' }, '?after=1');
    expect(idsIn(await resumed.until(/id: 5\n/))).toEqual([4, 5]);
    const after = await open(url, {}, '?after=4');
    expect(idsIn(await after.until(/id: 5\n/))).toEqual([5]);
    const bad = await open(url, { 'Last-Event-ID': 'x' });
    expect(bad.response.status).toBe(400);
  });

  it('sends a comment when there is nothing to say', async () => {
    const clock = stoppedClock();
    const { url } = await startEdge({ clock });
    const stream = await open(url);
    await stream.until(/retry/);
    clock.advance(heartbeatEveryMs);
    expect(await stream.until(/: still here\n\n/)).not.toContain('data:');
    await stream.reader.cancel();
  });

  it('takes no more from the journal than its caller takes, and lets go of one that takes nothing', async () => {
    const clock = stoppedClock();
    const { edge, gateway } = await startEdge({ clock });
    for (let i = 0; i < 3_000; i++) gateway.record('a', { amount: 1, text: 'x'.repeat(20_000) });
    const connection = new RawConnection(edge.port);
    connection.socket.pause();
    connection.write(
      `GET /v1/actors/Counter/a/-/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
    );
    let before = -1;
    await expect
      .poll(
        () => {
          const isStill = gateway.followed === before && before > 0;
          before = gateway.followed;
          return isStill;
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(true);
    expect(gateway.followed).toBeLessThan(1_500);
    clock.advance(stalledCallerMs);
    connection.socket.resume();
    await connection.closed;
    expect(gateway.followed).toBeLessThan(1_500);
  });

  it('ends with its caller, and is refused beyond the limit of streams', async () => {
    const { edge, url } = await startEdge();
    const streams = Array.from({ length: eventStreamsMax }, () => new RawConnection(edge.port));
    for (const stream of streams)
      stream.write(
        'GET /v1/actors/Counter/a/-/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n',
      );
    await expect
      .poll(
        async () => (await (await fetch(`${url}/metrics`)).text()).match(/^greenroom_http_event_streams (\d+)/m)![1],
        { timeout: 20_000 },
      )
      .toBe(String(eventStreamsMax));
    const refused = await fetch(`${url}/v1/actors/Counter/a/-/events`, { headers: accept });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    for (const stream of streams) stream.socket.destroy();
    await expect
      .poll(
        async () => (await (await fetch(`${url}/metrics`)).text()).match(/^greenroom_http_event_streams (\d+)/m)![1],
        { timeout: 20_000 },
      )
      .toBe('0');
  });
});
