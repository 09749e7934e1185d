/**
 * N real node processes on this machine, joined to one cluster. Two kinds: `command-line` starts each with
 * `greenroom start`, exactly as a user does, and can be loaded over HTTP only; `driven` starts the same node from a
 * program of the benchmarks, which also runs loads inside it, through the public API.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { connect } from '../client/connect.ts';
import { endChild, forkModule, nextMessage, siblingModule } from './child-module.ts';
import type { ClusterOptions, ClusterUnderTest, NodeUnderTest, NodeUsage, Through } from './cluster-under-test.ts';
import { startCommandLineNode } from './command-line-node.ts';
import { runOverHttp } from './http-workload.ts';
import { addedUp, type LoadResult, type LoadResultData, loadResultFrom } from './load/load-result.ts';
import { longestMs, shareOfLoad, type Workload } from './load/workload.ts';
import type { NodeProcessReady, NodeProcessRequest } from './node-process.ts';
import { usageOf } from './process-usage.ts';

export type ChildKind = 'command-line' | 'driven';

/** A node process, of either kind. */
interface ChildNode extends NodeUnderTest {
  readonly clusterAddress: string;
  /** Only of `driven` ones. */
  readonly drive?: (workload: Workload) => Promise<LoadResult>;
  stop(): Promise<void>;
}

const startWithinMs = 60_000;
/** On top of a load's own time. */
const marginMs = 30_000;
const neverPassivate = '24h';

/** Starts the nodes one after the other, each joining the ones before it. @throws Error if one of them does not start */
export async function childCluster(options: ClusterOptions, kind: ChildKind): Promise<ClusterUnderTest> {
  const nodes: ChildNode[] = [];
  const close = async (): Promise<void> => {
    for (const node of nodes.splice(0).reverse()) await node.stop();
  };
  try {
    for (let number = 1; number <= options.nodes; number++) {
      const join = nodes.map(({ clusterAddress }) => clusterAddress);
      nodes.push(await (kind === 'driven' ? startDriven : startFromCommandLine)(options, number, join));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const clients = nodes.map(({ httpPort }) => connect(`http://127.0.0.1:${httpPort}`));
  const call = (type: string, id: string, command: string, input: unknown, through = 0): Promise<unknown> => {
    const ref = clients[through]!.actor(type, id) as unknown as Record<string, (input: unknown) => Promise<unknown>>;
    return ref[command]!(input);
  };
  return {
    nodes,
    call,
    tell: (...args) => void call(...(args as Parameters<typeof call>)).catch(() => undefined),
    run: (workload, through) => runOn(nodes, workload, through),
    passivate: (type, id) => passivate(nodes[0]!.httpPort, type, id),
    close,
  };
}

async function runOn(nodes: readonly ChildNode[], workload: Workload, through: Through): Promise<LoadResult> {
  if (through === 'http')
    return runOverHttp(
      workload,
      nodes.map(({ httpPort }) => httpPort),
    );
  const { seed = 1 } = workload.keys;
  return addedUp(
    await Promise.all(
      nodes.map((node, index) => {
        if (!node.drive) throw new Error('a node of the command line can be loaded over HTTP only');
        const load = shareOfLoad(workload.load, index, nodes.length);
        return node.drive({ ...workload, load, keys: { ...workload.keys, seed: seed + index } });
      }),
    ),
  );
}

async function startFromCommandLine(
  options: ClusterOptions,
  number: number,
  members: readonly string[],
): Promise<ChildNode> {
  const { directory, replicas, maxActive, passivateAfterMs } = options;
  const dataDirectory = join(directory, `node-${number}`);
  const flags = ['--node', `node-${number}`, '--data', dataDirectory, '--port', '0', '--http-port', '0'];
  flags.push('--replicas', String(replicas));
  flags.push('--passivate-after', passivateAfterMs === undefined ? neverPassivate : `${passivateAfterMs}ms`);
  if (maxActive !== undefined) flags.push('--max-active', String(maxActive));
  if (members.length > 0) flags.push('--join', ...members);
  const { name, clusterAddress, httpUrl, processId, stop } = await startCommandLineNode(flags);
  return {
    name,
    clusterAddress,
    dataDirectory,
    processId,
    httpPort: Number(new URL(httpUrl).port),
    usage: () => usageOf(processId),
    kill: () => stop('SIGKILL'),
    stop: () => stop('SIGTERM'),
  };
}

async function startDriven(options: ClusterOptions, number: number, members: readonly string[]): Promise<ChildNode> {
  const { directory, replicas, maxActive, passivateAfterMs } = options;
  const dataDirectory = join(directory, `node-${number}`);
  const child = forkModule(siblingModule('./node-process', import.meta.url));
  try {
    const ready = await ask<NodeProcessReady>(child, startWithinMs, {
      type: 'start',
      options: {
        node: `node-${number}`,
        data: dataDirectory,
        port: 0,
        httpPort: 0,
        replicas,
        passivateAfter: passivateAfterMs ?? neverPassivate,
        ...(maxActive === undefined ? {} : { maxActive }),
        ...(members.length > 0 ? { join: members } : {}),
      },
    });
    return {
      name: ready.name,
      clusterAddress: ready.clusterAddress,
      dataDirectory,
      processId: child.pid!,
      httpPort: Number(new URL(ready.httpUrl).port),
      usage: () => ask<NodeUsage>(child, startWithinMs, { type: 'usage' }),
      kill: () => endChild(child, 'SIGKILL'),
      drive: async (workload) => {
        const withinMs = longestMs(workload.load) + marginMs;
        return loadResultFrom(await ask<LoadResultData>(child, withinMs, { type: 'run', workload }));
      },
      stop: async () => {
        if (child.connected) await ask(child, startWithinMs, { type: 'close' });
        await endChild(child);
      },
    };
  } catch (error) {
    await endChild(child, 'SIGKILL');
    throw error;
  }
}

function ask<T>(child: ChildProcess, withinMs: number, request: NodeProcessRequest): Promise<T> {
  const answer = nextMessage<T>(child, withinMs);
  child.send(request);
  return answer;
}

async function passivate(httpPort: number, type: string, id: string): Promise<void> {
  const url = `http://127.0.0.1:${httpPort}/v1/actors/${type}/${encodeURIComponent(id)}/-/passivate`;
  const { ok, status } = await fetch(url, { method: 'POST' });
  if (!ok) throw new Error(`passivating ${type}/${id} was answered ${status}`);
}
