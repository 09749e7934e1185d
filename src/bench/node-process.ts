/**
 * The program of a node process that a benchmark drives from inside: it starts one node, and runs workloads on it
 * through the public API when it is told to. (A node of `greenroom start` can only be driven from outside.)
 */
import type { NodeOptions } from '../cluster/node-options.ts';
import { type GreenroomNode, startNode } from '../start-node.ts';
import { benchActors } from './actors.ts';
import { answerParent } from './child-module.ts';
import { loadResultData } from './load/load-result.ts';
import type { Workload } from './load/workload.ts';
import { runInNode } from './node-workload.ts';
import { ownUsage } from './process-usage.ts';

/** What the process may be told, one at a time. */
export type NodeProcessRequest =
  | { readonly type: 'start'; readonly options: Omit<NodeOptions, 'actors' | 'log'> }
  | { readonly type: 'run'; readonly workload: Workload }
  | { readonly type: 'usage' }
  | { readonly type: 'close' };

/** The answer to `start`. */
export interface NodeProcessReady {
  readonly name: string;
  readonly clusterAddress: string;
  readonly httpUrl: string;
}

let node: GreenroomNode | undefined;

async function receive(request: NodeProcessRequest): Promise<object> {
  if (request.type === 'start') {
    node = await startNode({ ...request.options, actors: benchActors });
    return { name: node.name, clusterAddress: node.clusterAddress, httpUrl: node.httpUrl } as NodeProcessReady;
  }
  if (!node) throw new Error('the node has not been started');
  if (request.type === 'run') return loadResultData(await runInNode(node, request.workload));
  if (request.type === 'usage') return ownUsage();
  await node.close();
  return {};
}

answerParent(receive);
