/** Dead letters over HTTP and on the command line, on a gateway that has some, and on a node that makes one. */
import { describe, expect, it } from 'vitest';
import { eventSourced } from '../../src/actors/actor.ts';
import { deadLetterType } from '../../src/actors/dead-letters.ts';
import type { ActorId } from '../../src/core/ids.ts';
import { startTestNode } from '../../src/testing/test-node.ts';
import { run } from '../cli/text-terminal.ts';
import { post, startEdge } from './edge-fixture.ts';

const letter = (id: string) => ({
  id: id as ActorId,
  from: { type: 'Order', id: '1' },
  to: { type: 'Stock', id: 'tea' },
  command: 'reserve',
  input: 2,
  reason: { code: 'SOLD_OUT', message: 'no tea' },
  at: 1_700_000_000_000,
});

describe('dead letters', () => {
  it('are listed by page, sent again and dropped', async () => {
    const { url, gateway } = await startEdge();
    gateway.letters = ['a', 'b', 'c'].map(letter);
    const page = await (await fetch(`${url}/v1/dead-letters?limit=2`)).json();
    expect(page).toMatchObject({ deadLetters: [{ id: 'a', command: 'reserve', input: 2 }, { id: 'b' }], next: 'b' });
    expect(await (await fetch(`${url}/v1/dead-letters?after=b`)).json()).toEqual({ deadLetters: [letter('c')] });
    expect((await fetch(`${url}/v1/dead-letters/a/resend`, { method: 'POST' })).status).toBe(204);
    expect((await fetch(`${url}/v1/dead-letters/b`, { method: 'DELETE' })).status).toBe(204);
    expect(gateway.letters.map(({ id }) => id)).toEqual(['c']);
    const gone = await fetch(`${url}/v1/dead-letters/b`, { method: 'DELETE' });
    expect([gone.status, (await gone.json()).code]).toEqual([404, 'NOT_FOUND']);
    expect((await fetch(`${url}/v1/dead-letters`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}/v1/dead-letters?limit=1001`)).status).toBe(400);
  });

  it('cannot be called as the actors they are', async () => {
    const { url } = await startEdge();
    const answer = await post(url, `${deadLetterType}/a/keep`, letter('a'));
    expect([answer.status, (await answer.json()).code]).toEqual([404, 'UNKNOWN_ACTOR_TYPE']);
    expect((await fetch(`${url}/v1/actors/${deadLetterType}`)).status).toBe(404);
  });

  it('are handled on the command line', async () => {
    const { url, gateway } = await startEdge();
    gateway.letters = ['a', 'b'].map(letter);
    const greenroom = (...args: string[]) => run(args, { env: { GREENROOM_URL: url } });
    const listed = await greenroom('dead-letters');
    expect(listed.exitCode).toBe(0);
    expect(listed.out).toContain('SOLD_OUT: no tea');
    expect((await greenroom('dead-letters', '--resend', 'a')).exitCode).toBe(0);
    expect((await greenroom('dead-letters', '--drop', 'b')).exitCode).toBe(2);
    expect((await greenroom('dead-letters', '--drop', 'b', '--yes')).exitCode).toBe(0);
    expect((await greenroom('dead-letters', '--drop', 'b', '--yes')).exitCode).toBe(1);
    expect(JSON.parse((await greenroom('dead-letters', '--json')).out)).toEqual({ deadLetters: [] });
  });
});

class Alarm extends eventSourced({ initialState: () => 0, events: { Rang: (n) => n + 1 } }) {
  set(note: string) {
    this.remind('daily', { cron: '0 9 * * *', timeZone: 'Europe/Berlin' }).ring(note);
    this.remind('soon', { after: '1h' }).ring(note);
  }
  ring(_note: string) {
    this.persist('Rang');
  }
}

it('reminders are shown by inspect and by `greenroom reminders`', async () => {
  await using node = await startTestNode({ actors: [Alarm] });
  const { url } = await startEdge({ gateway: node.gateway as never });
  await node.actor(Alarm, 'a').set('up');
  const inspected = await (await fetch(`${url}/v1/actors/Alarm/a`)).json();
  expect(inspected).toMatchObject({
    sequenceNumber: 0,
    state: 0,
    reminders: [
      {
        name: 'daily',
        command: 'ring',
        input: 'up',
        cron: '0 9 * * *',
        timeZone: 'Europe/Berlin',
        missed: 'fire-once',
      },
      { name: 'soon', command: 'ring', input: 'up', dueAt: node.clock.wallMs() + 3_600_000 },
    ],
  });
  const { out, exitCode } = await run(['reminders', 'Alarm', 'a'], { env: { GREENROOM_URL: url } });
  expect(exitCode).toBe(0);
  expect(out).toContain('0 9 * * * (Europe/Berlin)');
  expect((await run(['inspect', 'Alarm', 'a'], { env: { GREENROOM_URL: url } })).out).toContain('2 reminders');
});
