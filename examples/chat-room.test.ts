import { given } from 'greenroom/testing';
import { expect, test } from 'vitest';
import { onRealNode } from '../test/node-in-temporary-directory.ts';
import { ChatRoom, membersMax, recentMax } from './chat-room.ts';

const joined = (name: string) => ({ type: 'Joined' as const, data: { name } });

test('who joins sees who is there; joining again only looks', async () => {
  const { reply, events } = await given(ChatRoom, [joined('ann')]).when('join', 'bob');
  expect(reply.members).toEqual(['ann', 'bob']);
  expect(events).toEqual([joined('bob')]);
  expect((await given(ChatRoom, [joined('ann')]).when('join', 'ann')).events).toEqual([]);
});

test('only members speak', async () => {
  const { rejection } = await given(ChatRoom, [joined('ann')]).when('say', { from: 'bob', text: 'hello' });
  expect(rejection?.code).toBe('NOT_A_MEMBER');
  const { events } = await given(ChatRoom, [joined('ann')], { now: 7 }).when('say', { from: 'ann', text: 'hello' });
  expect(events).toEqual([{ type: 'Said', data: { from: 'ann', text: 'hello', at: 7 } }]);
});

test('the state keeps the newest messages only', async () => {
  const said = Array.from({ length: recentMax }, (_, at) => ({
    type: 'Said' as const,
    data: { from: 'ann', text: `${at}`, at },
  }));
  const { state } = await given(ChatRoom, [joined('ann'), ...said]).when('say', { from: 'ann', text: 'last' });
  expect(state.recent).toHaveLength(recentMax);
  expect([state.recent[0]?.text, state.recent.at(-1)?.text]).toEqual(['1', 'last']);
});

test('a room has a limit, and a place is free again when somebody leaves', async () => {
  const full = Array.from({ length: membersMax }, (_, index) => joined(`m${index}`));
  expect((await given(ChatRoom, full).when('join', 'bob')).rejection?.code).toBe('ROOM_FULL');
  expect(
    (await given(ChatRoom, [...full, { type: 'Left', data: { name: 'm1' } }]).when('join', 'bob')).rejection,
  ).toBeUndefined();
});

test('what is said arrives over the event stream as it is said', async () => {
  await onRealNode([ChatRoom], async ({ node }) => {
    const room = node.actor(ChatRoom, 'lobby');
    await room.join('ann');
    const response = await fetch(`${node.httpUrl}/v1/actors/ChatRoom/lobby/-/events`, {
      headers: { accept: 'text/event-stream' },
      signal: AbortSignal.timeout(10_000),
    });
    const said: string[] = [];
    let received = '';
    const chunks = response.body!.getReader();
    await room.say({ from: 'ann', text: 'hello' });
    while (!received.includes('hello')) received += new TextDecoder().decode((await chunks.read()).value);
    for (const [, line] of received.matchAll(/^data: ?(.*)$/gm)) {
      const event = JSON.parse(line!) as { type: string; data: { text?: string } };
      if (event.type === 'Said') said.push(event.data.text!);
    }
    expect(said).toEqual(['hello']);
    await chunks.cancel();
  });
});
