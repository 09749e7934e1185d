/** One node in this process: what `startNode` gives a program, with nothing between the load and the API. */
import { join } from 'node:path';
import { type GreenroomNode, startNode } from '../start-node.ts';
import { benchActors } from './actors.ts';
import type { ClusterOptions, ClusterUnderTest } from './cluster-under-test.ts';
import { runOverHttp } from './http-workload.ts';
import { runInNode } from './node-workload.ts';
import { ownUsage } from './process-usage.ts';

const neverMs = 24 * 3_600_000;

/** @throws Error if more than one node is asked for: those need processes of their own */
export async function inProcessCluster(options: ClusterOptions): Promise<ClusterUnderTest> {
  if (options.nodes !== 1) throw new Error('one node lives in this process; several are started as processes');
  const data = join(options.directory, 'node-1');
  const node = await startNode({
    actors: benchActors,
    node: 'node-1',
    port: 0,
    httpPort: 0,
    data,
    replicas: options.replicas,
    passivateAfter: options.passivateAfterMs ?? neverMs,
    ...(options.shards === undefined ? {} : { shards: options.shards }),
    ...(options.maxActive === undefined ? {} : { maxActive: options.maxActive }),
  });
  const httpPort = Number(new URL(node.httpUrl!).port);
  return {
    nodes: [{ name: node.name, httpPort, processId: process.pid, dataDirectory: data, usage: ownUsage }],
    call: async (type, id, command, input) => refOf(node, type, id)[command]!(input),
    tell: (type, id, command, input) => {
      const tell = node.tell(refOf(node, type, id)) as unknown as Record<string, (input: unknown) => void>;
      tell[command]!(input);
    },
    run: (workload, through) => (through === 'api' ? runInNode(node, workload) : runOverHttp(workload, [httpPort])),
    passivate: async (type, id) => {
      await node.gateway.passivate(type, id as never);
    },
    close: () => node.close(),
  };
}

function refOf(node: GreenroomNode, type: string, id: string): Record<string, (input: unknown) => Promise<unknown>> {
  return node.actor(type, id) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
}
