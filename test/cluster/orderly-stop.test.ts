/** After a stop in order, an actor with enough new records wakes from a snapshot; one with few of them is not written twice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNode } from 'greenroom';
import { expect, test } from 'vitest';
import { Counter } from './real-nodes.ts';

test('an actor that was in memory at an orderly stop wakes without replay', async () => {
  const data = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const start = () => startNode({ actors: [Counter], data, port: 0, httpPort: false, shards: 4 });
  try {
    let node = await start();
    for (let i = 0; i < 12; i++) await node.actor(Counter, 'busy').add(1);
    for (let i = 0; i < 3; i++) await node.actor(Counter, 'calm').add(1);
    await node.close();
    node = await start();
    const wake = (id: string) =>
      node.gateway.command({ type: 'Counter', id: id as never, command: 'get', input: undefined, timeoutMs: 1_000 });
    const busy = await wake('busy');
    expect([busy.reply, busy.woke?.eventsReplayed]).toEqual([12, 0]);
    const calm = await wake('calm');
    expect([calm.reply, calm.woke?.eventsReplayed]).toEqual([3, 3]);
    expect(await node.gateway.events('Counter', 'busy' as never, 0, 100)).toHaveLength(12);
    await node.close();
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
