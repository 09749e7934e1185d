/**
 * N real node processes on this machine, joined to one cluster (see child-node.ts for their kinds). It is handed out when
 * every shard has its owner and its copies, so that no benchmark measures the founding.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../client/connect.ts';
import { type ChildKind, type ChildNode, startChildNode } from './child-node.ts';
import { MapWatch } from './cluster-map.ts';
import {
  type ChangingCluster,
  type ClusterOptions,
  type NodeUnderTest,
  portOf,
  type Through,
  urlOf,
} from './cluster-under-test.ts';
import { runOverHttp } from './http-workload.ts';
import { addedUp, type LoadResult } from './load/load-result.ts';
import { shareOfLoad, type Workload } from './load/workload.ts';

export type { ChildKind } from './child-node.ts';

const settledWithinMs = 180_000;
const lookEveryMs = 100;
/** Which cluster ports the nodes had: a cluster that is started again is found by its own members there. */
const portsFile = 'ports.json';

type Ports = Record<string, number>;

/** @throws Error if a node does not start, or a shard does not find its owner and its copies */
export async function childCluster(
  options: ClusterOptions,
  kind: ChildKind,
  onProgress: (message: string) => void = () => {},
): Promise<ChangingCluster> {
  const nodes: ChildNode[] = [];
  const ports = await readPorts(options.directory);
  const clients = new Map<string, ReturnType<typeof connect>>();
  let started = 0;

  const start = async (name: string): Promise<ChildNode> => {
    const members = nodes.map(({ clusterAddress }) => clusterAddress);
    const node = await startChildNode(kind, options, { name, join: members, port: ports[name] ?? 0 });
    ports[name] = portOf(node.clusterAddress);
    clients.set(name, connect(urlOf(node)));
    nodes.push(node);
    return node;
  };
  const named = (name: string): ChildNode => {
    const node = nodes.find((each) => each.name === name);
    if (!node) throw new Error(`no node ${name} runs`);
    return node;
  };
  const forget = (name: string): void => {
    const index = nodes.findIndex((each) => each.name === name);
    if (index >= 0) nodes.splice(index, 1);
  };
  const close = async (): Promise<void> => {
    // All at once, as one stops a cluster: shards that move from each node to the next would be work for nothing.
    const stopped = await Promise.allSettled(nodes.splice(0).map((node) => node.stop()));
    const failed = stopped.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  };
  try {
    const names = Array.from({ length: options.nodes }, (_, index) => `node-${index + 1}`);
    started = names.length;
    if (existsSync(join(options.directory, portsFile))) {
      // Most of them have to be there before any of them serves.
      const all = await Promise.allSettled(names.map(start));
      const failed = all.find((one) => one.status === 'rejected');
      if (failed) throw failed.reason;
      nodes.sort((a, b) => a.name.localeCompare(b.name));
    } else {
      for (const name of names) {
        onProgress(`starting ${name}`);
        await start(name);
      }
    }
    await writeFile(join(options.directory, portsFile), JSON.stringify(ports));
    if (options.nodes > 1) await untilSettled(nodes, onProgress);
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
  const call = (type: string, id: string, command: string, input: unknown, through = 0): Promise<unknown> => {
    const client = clients.get(nodes[through]!.name)!;
    const ref = client.actor(type, id) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
    return ref[command]!(input);
  };
  return {
    nodes: nodes as readonly NodeUnderTest[],
    call,
    tell: (...args) => void call(...(args as Parameters<typeof call>)).catch(() => undefined),
    run: (workload, through) => runOn(nodes, workload, through),
    passivate: (type, id) => passivate(nodes[0]!, type, id),
    add: () => start(`node-${++started}`),
    restart: async (name) => {
      forget(name);
      return start(name);
    },
    discard: async (name) => {
      await named(name).kill!();
      forget(name);
    },
    observe: async (workload, on) => {
      const drivers = on.map(named);
      await Promise.all(
        drivers.map((node, index) => {
          if (!node.beginObserved) throw new Error('only driven nodes can be observed');
          return node.beginObserved(partOf(workload, index, drivers.length));
        }),
      );
      return { stop: () => Promise.all(drivers.map((node) => node.endObserved!())) };
    },
    close,
  };
}

async function untilSettled(nodes: readonly ChildNode[], onProgress: (message: string) => void): Promise<void> {
  const watch = new MapWatch(() => nodes.map(urlOf), lookEveryMs);
  try {
    await watch.settled(nodes.length, settledWithinMs, (what) => onProgress(`waiting: ${what}`));
  } finally {
    await watch.stop();
  }
}

async function runOn(nodes: readonly ChildNode[], workload: Workload, through: Through): Promise<LoadResult> {
  if (through === 'http')
    return runOverHttp(
      workload,
      nodes.map(({ httpPort }) => httpPort),
    );
  const parts = nodes.map((_, index) => partOf(workload, index, nodes.length));
  // With fewer in flight than nodes, some have nothing to do; a load of nothing would never look at its clock.
  const busy = parts.flatMap((part, index) => (isEmpty(part) ? [] : [{ node: nodes[index]!, part }]));
  return addedUp(
    await Promise.all(
      busy.map(({ node, part }) => {
        if (!node.drive) throw new Error('a node of the command line can be loaded over HTTP only');
        return node.drive(part);
      }),
    ),
  );
}

function partOf(workload: Workload, index: number, of: number): Workload {
  const { seed = 1 } = workload.keys;
  return {
    ...workload,
    load: shareOfLoad(workload.load, index, of),
    keys: { ...workload.keys, seed: seed + index },
  };
}

function isEmpty({ load }: Workload): boolean {
  return load.type === 'closed' && load.inFlight === 0;
}

async function readPorts(directory: string): Promise<Ports> {
  const text = await readFile(join(directory, portsFile), 'utf8').catch(() => '{}');
  return JSON.parse(text) as Ports;
}

async function passivate(node: NodeUnderTest, type: string, id: string): Promise<void> {
  const url = `${urlOf(node)}/v1/actors/${type}/${encodeURIComponent(id)}/-/passivate`;
  const { ok, status } = await fetch(url, { method: 'POST' });
  if (!ok) throw new Error(`passivating ${type}/${id} was answered ${status}`);
}
