/**
 * One node process of a cluster under test. Two kinds: `command-line` is `greenroom start`, exactly as a user starts it,
 * and can be loaded over HTTP only; `driven` is the same node in a program of the benchmarks, which also runs loads
 * inside it, through the public API, and can tell how much went over its cluster links.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { endChild, forkModule, nextMessage, siblingModule } from './child-module.ts';
import type { ClusterOptions, NodeUnderTest, NodeUsage, WireBytes } from './cluster-under-test.ts';
import { startCommandLineNode } from './command-line-node.ts';
import { type LoadResult, type LoadResultData, loadResultFrom } from './load/load-result.ts';
import type { ObservedCalls } from './load/observed-load.ts';
import { longestMs, type Workload } from './load/workload.ts';
import type { NodeProcessReady, NodeProcessRequest } from './node-process.ts';
import { usageOf } from './process-usage.ts';

export type ChildKind = 'command-line' | 'driven';

/** A node process, of either kind. What is optional only `driven` ones have. */
export interface ChildNode extends NodeUnderTest {
  readonly clusterAddress: string;
  readonly drive?: (workload: Workload) => Promise<LoadResult>;
  /** Begins a load that runs until it is told to stop, and remembers every call. One at a time. */
  readonly beginObserved?: (workload: Workload) => Promise<void>;
  readonly endObserved?: () => Promise<ObservedCalls>;
  /** In order, as SIGTERM does it. */
  stop(): Promise<void>;
}

export interface ChildNodeStart {
  readonly name: string;
  /** Cluster addresses of members; none founds a cluster. */
  readonly join: readonly string[];
  /** Of the cluster socket; 0 picks a free one. A node that comes back needs the one that the others know. */
  readonly port: number;
}

const startWithinMs = 60_000;
/** On top of a load's own time. */
const marginMs = 30_000;
const neverPassivate = '24h';

/** Resolves when the node serves. @throws Error if it does not start */
export function startChildNode(kind: ChildKind, options: ClusterOptions, start: ChildNodeStart): Promise<ChildNode> {
  return kind === 'driven' ? startDriven(options, start) : startFromCommandLine(options, start);
}

async function startFromCommandLine(options: ClusterOptions, start: ChildNodeStart): Promise<ChildNode> {
  const { directory, replicas, shards, maxActive, passivateAfterMs } = options;
  const dataDirectory = join(directory, start.name);
  const flags = ['--node', start.name, '--data', dataDirectory, '--port', String(start.port), '--http-port', '0'];
  flags.push('--replicas', String(replicas));
  if (shards !== undefined) flags.push('--shards', String(shards));
  flags.push('--passivate-after', passivateAfterMs === undefined ? neverPassivate : `${passivateAfterMs}ms`);
  if (maxActive !== undefined) flags.push('--max-active', String(maxActive));
  if (start.join.length > 0) flags.push('--join', ...start.join);
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

async function startDriven(options: ClusterOptions, start: ChildNodeStart): Promise<ChildNode> {
  const { directory, replicas, shards, maxActive, passivateAfterMs } = options;
  const dataDirectory = join(directory, start.name);
  const child = forkModule(siblingModule('./node-process', import.meta.url));
  try {
    const ready = await ask<NodeProcessReady>(child, startWithinMs, {
      type: 'start',
      options: {
        node: start.name,
        data: dataDirectory,
        port: start.port,
        httpPort: 0,
        replicas,
        ...(shards === undefined ? {} : { shards }),
        passivateAfter: passivateAfterMs ?? neverPassivate,
        ...(maxActive === undefined ? {} : { maxActive }),
        ...(start.join.length > 0 ? { join: start.join } : {}),
      },
    });
    return {
      name: ready.name,
      clusterAddress: ready.clusterAddress,
      dataDirectory,
      processId: child.pid!,
      httpPort: Number(new URL(ready.httpUrl).port),
      usage: () => ask<NodeUsage>(child, startWithinMs, { type: 'usage' }),
      wire: () => ask<WireBytes>(child, startWithinMs, { type: 'wire' }),
      kill: () => endChild(child, 'SIGKILL'),
      drive: async (workload) => {
        const withinMs = longestMs(workload.load) + marginMs;
        return loadResultFrom(await ask<LoadResultData>(child, withinMs, { type: 'run', workload }));
      },
      beginObserved: async (workload) => {
        await ask(child, startWithinMs, { type: 'beginObserved', workload });
      },
      endObserved: () => ask<ObservedCalls>(child, startWithinMs, { type: 'endObserved' }),
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
