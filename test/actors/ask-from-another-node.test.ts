import { expect, test } from 'vitest';
import { eventSourced } from '../../src/actors/actor.ts';
import { childId } from '../../src/actors/command-ids.ts';
import type { ActorId, CommandId } from '../../src/core/ids.ts';
import { type TestNode, testNode } from './harness.ts';

class Stock extends eventSourced({
  initialState: () => 0,
  events: { Taken: (taken, count: number) => taken + count },
}) {
  take(input: { count: number }) {
    this.persist('Taken', input.count);
    return this.state;
  }
  taken() {
    return this.state;
  }
}

class Buyer extends eventSourced({ initialState: () => 0, events: { Bought: (bought) => bought + 1 } }) {
  async buy(count: number) {
    const taken = await this.actor(Stock, 's').take({ count });
    this.persist('Bought');
    return taken;
  }
}

/** The ask of a command that runs on another node, as that node's router hands it over. */
function routedAsk({ node }: TestNode, parentId: string, count: number): Promise<unknown> {
  return new Promise((resolve, reject) =>
    node.host.receive({
      type: 'Stock',
      id: 's',
      shard: node.host.shardOf(0),
      kind: 'command',
      command: 'take',
      input: { count },
      caller: { replied: resolve, failed: reject },
      deadlineMs: Number.POSITIVE_INFINITY,
      commandId: childId(parentId, 1, 'Stock/s.take') as CommandId,
      since: -1,
      delivery: undefined,
      chain: undefined,
      order: 1,
      reroute: undefined,
    }),
  );
}

/** As callers' commands without a key of their own, and reminders' ticks, have them. */
const parentId = '~parent.1';

function buy({ node }: TestNode, count: number): Promise<unknown> {
  return new Promise((resolve, reject) =>
    node.host.send({
      type: 'Buyer',
      id: 'b' as ActorId,
      command: 'buy',
      input: count,
      caller: { replied: resolve, failed: reject },
      timeoutMs: 5_000,
      commandId: parentId as CommandId,
    }),
  );
}

test('a command that runs again on another node repeats nothing of what it asked, whichever node asked first', async () => {
  const here = await testNode([Stock, Buyer]);
  expect(await buy(here, 2)).toBe(2);
  expect(await routedAsk(here, parentId, 2)).toBe(2);
  expect(await here.ref(Stock, 's').taken()).toBe(2);
  await expect(routedAsk(here, parentId, 3)).rejects.toMatchObject({ code: 'KEY_REUSED' });
  await here.node.close(0);

  const there = await testNode([Stock, Buyer]);
  expect(await routedAsk(there, parentId, 2)).toBe(2);
  expect(await buy(there, 2)).toBe(2);
  expect(await there.ref(Stock, 's').taken()).toBe(2);
  await there.node.close(0);
});
