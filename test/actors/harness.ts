/** A node on the memory journal, for tests of the actor runtime: real turns, real records, no disk, no sockets. */
import type { ActorClass, ActorRef } from '../../src/actors/actor.ts';
import { defineActor } from '../../src/actors/definition.ts';
import { ClusterNode } from '../../src/cluster/node.ts';
import { systemClock } from '../../src/cluster/system-clock.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { ActorId, CommandId, NodeName } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Journal } from '../../src/persistence/journal.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';

export const identity = { clusterId: 'test', node: 'a', storeId: 'store-a', shardCount: 4, replicas: 1 };

export interface TestNode {
  readonly node: ClusterNode;
  readonly journal: MemoryJournal;
  ref<A extends InstanceType<ActorClass>>(type: new () => A, id: string): ActorRef<A>;
  /** `crash()` and start again on what was durable, optionally with other classes. */
  restart(actors?: readonly ActorClass[]): Promise<TestNode>;
}

export interface TestOptions {
  readonly clock?: Clock;
  readonly freeze?: boolean;
  readonly maxActive?: number;
  readonly attemptsMax?: number;
  readonly journal?: MemoryJournal;
  readonly passivateAfterMs?: number;
  readonly heapUsed?: () => number;
}

export async function testNode(actors: readonly ActorClass[], options: TestOptions = {}): Promise<TestNode> {
  const journal = options.journal ?? new MemoryJournal({ identity });
  await journal.open();
  const definitions = actors.map((type) =>
    defineActor(type, { passivateAfterMs: options.passivateAfterMs ?? 120_000 }),
  );
  const node = await ClusterNode.start({
    name: 'a' as NodeName,
    definitions,
    journal: journal as Journal,
    clock: options.clock ?? systemClock,
    random: seededRandom(1),
    log: silentLog,
    maxActive: options.maxActive ?? 100_000,
    attemptsMax: options.attemptsMax,
    freeze: options.freeze ?? true,
    clusterAddress: '127.0.0.1:7400',
    ...(options.heapUsed ? { heapUsed: options.heapUsed } : {}),
  });
  return {
    node,
    journal,
    ref: (type, id) => node.host.refFor(node.host, type, id) as never,
    restart: (again = actors) => {
      node.host.close();
      const after = journal.crash();
      after.disk.release();
      return testNode(again, { ...options, journal: after });
    },
  };
}

/** A command through the gateway, as the edge sends it. */
export function command(
  test: TestNode,
  type: string,
  id: string,
  name: string,
  input?: unknown,
  more: { key?: string; since?: number; timeoutMs?: number } = {},
) {
  const { key, since, timeoutMs = 5_000 } = more;
  return test.node.command({
    type,
    id: id as ActorId,
    command: name,
    input,
    key: key as CommandId | undefined,
    since,
    timeoutMs,
  });
}
