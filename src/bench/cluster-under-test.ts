/**
 * The port between workloads and whatever they run on: one node in this process, or node processes, one or several.
 * Workloads know only this, so that every one of them can be run on every kind.
 */
import type { LoadResult } from './load/load-result.ts';
import type { Workload } from './load/workload.ts';

export interface ClusterOptions {
  /** An empty directory, or one in which a cluster of as many nodes was closed: it starts with what was kept. */
  readonly directory: string;
  readonly nodes: number;
  readonly replicas: number;
  /** Actors in memory at most, per node. */
  readonly maxActive?: number;
  /** Idle actors leave after this; default: they stay as long as a benchmark takes. */
  readonly passivateAfterMs?: number;
}

export type StartCluster = (options: ClusterOptions) => Promise<ClusterUnderTest>;

/** `api`: `node.actor(…)` inside the nodes' processes. `http`: from generators in processes of their own. */
export type Through = 'api' | 'http';

export interface NodeUsage {
  /** After garbage was collected; undefined where it cannot be seen from outside. */
  readonly heapBytes: number | undefined;
  readonly residentBytes: number;
  /** What the process has had written to its disk since it started; undefined where the system does not say. */
  readonly writtenBytes: number | undefined;
}

export interface NodeUnderTest {
  readonly name: string;
  readonly httpPort: number;
  readonly processId: number;
  readonly dataDirectory: string;
  usage(): Promise<NodeUsage>;
  /** Ends its process at once, as `kill -9` does. Absent where it lives in this process. */
  readonly kill?: () => Promise<void>;
}

export interface ClusterUnderTest {
  readonly nodes: readonly NodeUnderTest[];
  /** One command, through one node (default the first). @throws what the command throws */
  call(actorType: string, id: string, command: string, input?: unknown, through?: number): Promise<unknown>;
  /** One command that nobody waits for. */
  tell(actorType: string, id: string, command: string, input?: unknown, through?: number): void;
  /** Runs a load, spread over all nodes. */
  run(workload: Workload, through: Through): Promise<LoadResult>;
  /** The actor leaves memory. */
  passivate(actorType: string, id: string): Promise<void>;
  /** Stops in order; what was acknowledged is on disk. Idempotent. */
  close(): Promise<void>;
}
