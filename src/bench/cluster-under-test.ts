/**
 * The port between workloads and whatever they run on: one node in this process, or node processes, one or several.
 * Workloads know only this, so that every one of them can be run on every kind.
 */
import type { LoadResult } from './load/load-result.ts';
import type { ObservedCalls } from './load/observed-load.ts';
import type { Workload } from './load/workload.ts';

export interface ClusterOptions {
  /** An empty directory, or one in which a cluster of as many nodes was closed: it starts with what was kept. */
  readonly directory: string;
  readonly nodes: number;
  readonly replicas: number;
  /** Default 256. Fewer for tests, which should not wait for so many to find their places. */
  readonly shards?: number;
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

/** What went over the cluster links of a node since it started, commands and replication alike. */
export interface WireBytes {
  readonly sent: number;
  readonly received: number;
}

export interface NodeUnderTest {
  readonly name: string;
  readonly httpPort: number;
  readonly processId: number;
  readonly dataDirectory: string;
  usage(): Promise<NodeUsage>;
  /** Absent where it cannot be seen from outside. */
  readonly wire?: () => Promise<WireBytes>;
  /** Ends its process at once, as `kill -9` does. Absent where it lives in this process. */
  readonly kill?: () => Promise<void>;
}

/** Where it serves HTTP. */
export function urlOf({ httpPort }: Pick<NodeUnderTest, 'httpPort'>): string {
  return `http://127.0.0.1:${httpPort}`;
}

/** The port of `host:port`. */
export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
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

/** A cluster whose nodes come and go while it is measured. */
export interface ChangingCluster extends ClusterUnderTest {
  /** Starts one node more, which joins. Resolves when it serves; shards move to it afterwards. */
  add(): Promise<NodeUnderTest>;
  /** Starts a node again that was killed, with its data and its address. */
  restart(name: string): Promise<NodeUnderTest>;
  /** Ends the process of a node that has left the cluster. */
  discard(name: string): Promise<void>;
  /** Runs an open loop, spread over these nodes, until it is stopped; every call is remembered. */
  observe(workload: Workload, on: readonly string[]): Promise<{ stop(): Promise<readonly ObservedCalls[]> }>;
}

export type StartChangingCluster = (
  options: ClusterOptions,
  onProgress: (message: string) => void,
) => Promise<ChangingCluster>;
