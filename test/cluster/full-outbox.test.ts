/** The owner of a sender whose outbox is full is drained: every tell arrives once, in order, and what was refused never. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventSourced, type GreenroomNode, startNode } from 'greenroom';
import { expect, test } from 'vitest';
import { until } from './real-nodes.ts';

/** Closed: a receiver that has begun to hear goes on when it is opened. */
class Gate {
  #open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  open(): void {
    this.#open();
  }
}

let gate = new Gate();

class Sender extends eventSourced({
  initialState: () => ({ sent: 0 }),
  events: { Sent: (state, count: number) => ({ sent: state.sent + count }) },
}) {
  send(count: number) {
    for (let number = 1; number <= count; number++) this.tell(this.actor(Receiver, 'r')).hear(this.state.sent + number);
    this.persist('Sent', count);
  }
}

class Receiver extends eventSourced({
  initialState: () => ({ heard: [] as readonly number[] }),
  events: { Heard: (state, number: number) => ({ heard: [...state.heard, number] }) },
}) {
  async hear(number: number) {
    await gate.opened;
    this.persist('Heard', number);
  }
  heard() {
    return this.state.heard;
  }
}

test('the owner of a sender with a full outbox is drained: every tell arrives once, in order', {
  timeout: 90_000,
}, async () => {
  gate = new Gate();
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const nodes = new Map<string, GreenroomNode>();
  const start = async (name: string, seeds: readonly string[]) => {
    const node = await startNode({
      actors: [Sender, Receiver],
      data: join(parent, name),
      node: name,
      port: 0,
      httpPort: false,
      shards: 1,
      ...(seeds.length > 0 ? { join: seeds } : {}),
    });
    nodes.set(name, node);
    return node;
  };
  try {
    const first = await start('a', []);
    for (const name of ['b', 'c']) await start(name, [first.clusterAddress]);
    await until(() => first.gateway.shards()[0]!.replicas.length === 3);
    for (let part = 0; part < 4; part++) await first.actor(Sender, 's').send(250);
    await expect(first.actor(Sender, 's').send(1)).rejects.toMatchObject({ code: 'OVERLOADED' });

    const owner = first.gateway.shards()[0]!.owner;
    const other = [...nodes].find(([name]) => name !== owner)![1];
    await other.gateway.drain(owner);
    await until(() => other.gateway.shards()[0]!.owner !== owner && other.gateway.shards()[0]!.status === 'active');
    gate.open();
    await until(async () => (await other.actor(Receiver, 'r').heard()).length >= 1_000);
    await other.actor(Sender, 's').send(1);
    await until(async () => (await other.actor(Receiver, 'r').heard()).length >= 1_001);
    expect(await other.actor(Receiver, 'r').heard()).toEqual(Array.from({ length: 1_001 }, (_, index) => index + 1));
    expect(await other.gateway.deadLetters({ after: undefined, limit: 10 })).toEqual([]);
  } finally {
    gate.open();
    await Promise.all([...nodes.values()].map((node) => node.close()));
    await rm(parent, { recursive: true, force: true });
  }
});
