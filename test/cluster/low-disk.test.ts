/** A node whose disk is nearly full gives its shards to others: callers see a pause, and no error. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GreenroomNode, startNode } from 'greenroom';
import { afterEach, expect, test, vi } from 'vitest';
import { LevelJournal } from '../../src/persistence/level-journal.ts';
import { Counter, until } from './real-nodes.ts';

const plenty = 10 ** 12;

afterEach(() => {
  vi.restoreAllMocks();
});

test('while a node runs short of disk, no command fails, whichever node it is sent to', {
  timeout: 60_000,
}, async () => {
  const parent = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const free = new Map<string, number>();
  vi.spyOn(LevelJournal.prototype, 'freeBytes').mockImplementation(async function (this: LevelJournal) {
    return free.get(this.identity.node) ?? plenty;
  });
  const nodes: GreenroomNode[] = [];
  const start = async (name: string) => {
    const [first] = nodes;
    const joins = first ? { join: [first.clusterAddress] } : {};
    const settings = { actors: [Counter], port: 0, httpPort: false, shards: 8 } as const;
    nodes.push(await startNode({ ...settings, data: join(parent, name), node: name, ...joins }));
  };
  let isOver = false;
  const errors: unknown[] = [];
  const acknowledged = new Map<string, number>();
  const call = async (id: string, node: GreenroomNode) => {
    while (!isOver) {
      try {
        await node.actor(Counter, id).add(1);
        acknowledged.set(id, (acknowledged.get(id) ?? 0) + 1);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  try {
    for (const name of ['a', 'b', 'c']) await start(name);
    const [a] = nodes as [GreenroomNode];
    const ownersOf = (name: string) => a.gateway.shards().filter(({ owner }) => owner === name).length;
    const isWhole = () =>
      a.gateway.shards().every(({ status, replicas }) => status === 'active' && replicas.length === 3);
    await until(() => isWhole() && ownersOf('b') > 0);
    const callers = Array.from({ length: 24 }, (_, index) => call(`c${index}`, nodes[index % 3]!));
    await until(() => acknowledged.size === 24);

    free.set('b', 1_000);
    await until(() => ownersOf('b') === 0 && isWhole());
    const before = new Map(acknowledged);
    await until(() => [...acknowledged].every(([id, count]) => count > before.get(id)!));
    free.set('b', plenty);
    await until(() => ownersOf('b') > 0 && isWhole());
    isOver = true;
    await Promise.all(callers);
    expect(errors).toEqual([]);
    for (const [id, count] of acknowledged) expect(await a.actor(Counter, id).get()).toBe(count);
  } finally {
    isOver = true;
    await Promise.all(nodes.map((node) => node.close()));
    await rm(parent, { recursive: true, force: true });
  }
});
