/**
 * The program of a node process that a benchmark drives from inside: it starts one node, and runs workloads on it
 * through the public API when it is told to. (A node of `greenroom start` can only be driven from outside.)
 */
import type { NodeOptions } from '../cluster/node-options.ts';
import { type GreenroomNode, startNode } from '../start-node.ts';
import { benchActors } from './actors.ts';
import { answerParent } from './child-module.ts';
import { portOf } from './cluster-under-test.ts';
import { ClusterWire } from './cluster-wire.ts';
import { loadResultData } from './load/load-result.ts';
import type { ObservedLoad } from './load/observed-load.ts';
import type { Workload } from './load/workload.ts';
import { observeInNode, runInNode } from './node-workload.ts';
import { ownUsage } from './process-usage.ts';

/** What the process may be told, one at a time. */
export type NodeProcessRequest =
  | { readonly type: 'start'; readonly options: Omit<NodeOptions, 'actors' | 'log'> }
  | { readonly type: 'run'; readonly workload: Workload }
  | { readonly type: 'beginObserved'; readonly workload: Workload }
  | { readonly type: 'endObserved' }
  | { readonly type: 'usage' }
  | { readonly type: 'wire' }
  | { readonly type: 'close' };

/** The answer to `start`. */
export interface NodeProcessReady {
  readonly name: string;
  readonly clusterAddress: string;
  readonly httpUrl: string;
}

const wire = new ClusterWire();
let node: GreenroomNode | undefined;
let observed: ObservedLoad | undefined;

async function receive(request: NodeProcessRequest): Promise<object> {
  if (request.type === 'start') {
    node = await startNode({ ...request.options, actors: benchActors });
    wire.port = portOf(node.clusterAddress);
    return { name: node.name, clusterAddress: node.clusterAddress, httpUrl: node.httpUrl } as NodeProcessReady;
  }
  if (!node) throw new Error('the node has not been started');
  if (request.type === 'run') return loadResultData(await runInNode(node, request.workload));
  if (request.type === 'usage') return ownUsage();
  if (request.type === 'wire') return wire.bytes();
  if (request.type === 'beginObserved') {
    if (observed) throw new Error('a load is being observed already');
    observed = observeInNode(node, request.workload);
    return {};
  }
  if (request.type === 'endObserved') {
    if (!observed) throw new Error('no load is being observed');
    const calls = await observed.stop();
    observed = undefined;
    return calls;
  }
  await node.close();
  return {};
}

answerParent(receive);
