/** The cluster as one of its nodes sees it, as HTTP tells it, and what the command line reads from that. */
import type { NodeApi, RequestOptions } from './node-api.ts';

export interface MemberAnswer {
  readonly node: string;
  readonly address: string;
  readonly httpAddress: string;
  readonly status: string;
  /** Whether the node that answers talks with it; absent in answers of older nodes. */
  readonly reachable?: boolean;
  readonly shardsOwned: number;
}

export interface ClusterAnswer {
  readonly clusterId: string;
  readonly node: string;
  /** null while there is none, or the node that answers knows none. */
  readonly leader: string | null;
  readonly mapVersion: number;
  readonly members: readonly MemberAnswer[];
  /** Copies wanted of each shard. */
  readonly replicas?: number;
  /** The protocol version that all members speak. */
  readonly protocol?: number;
}

export interface ShardAnswer {
  readonly shard: number;
  readonly epoch: number;
  readonly owner: string;
  readonly replicas: readonly string[];
  readonly learners: readonly string[];
  readonly status: string;
  /** Too many of its copies are gone for good. */
  readonly lost?: boolean;
  /** Why it is stopped. */
  readonly reason?: string;
  /** When an operator last had it go on with what was left; milliseconds since 1970. */
  readonly lossAcceptedAt?: number;
}

export interface ClusterView {
  readonly cluster: ClusterAnswer;
  readonly shards: readonly ShardAnswer[];
}

export async function clusterView(api: NodeApi, options: Pick<RequestOptions, 'timeoutMs'> = {}): Promise<ClusterView> {
  const [cluster, shards] = await Promise.all([clusterAnswer(api, options), shardAnswers(api, options)]);
  return { cluster, shards };
}

/** The smaller part of the view, by which its version is known. */
export function clusterAnswer(api: NodeApi, options: Pick<RequestOptions, 'timeoutMs'> = {}): Promise<ClusterAnswer> {
  return api.get<ClusterAnswer>('/v1/cluster', options);
}

export async function shardAnswers(
  api: NodeApi,
  options: Pick<RequestOptions, 'timeoutMs'> = {},
): Promise<readonly ShardAnswer[]> {
  return (await api.get<{ shards: readonly ShardAnswer[] }>('/v1/cluster/shards', options)).shards;
}

/** Copies that count and are there: of members that are up or leaving, and in reach. */
export function copiesThere({ cluster }: ClusterView, { replicas }: ShardAnswer): number {
  return replicas.filter((name) => {
    const member = cluster.members.find(({ node }) => node === name);
    return member !== undefined && isThere(member);
  }).length;
}

/** Shards with fewer copies in reach than the cluster wants. */
export function underReplicated(view: ClusterView): readonly ShardAnswer[] {
  const wanted = view.cluster.replicas ?? 1;
  return view.shards.filter((shard) => copiesThere(view, shard) < wanted);
}

/** Shards that nobody serves at the moment. */
export function notServed({ shards }: ClusterView): readonly ShardAnswer[] {
  return shards.filter(({ status }) => status !== 'active');
}

export function isThere({ status, reachable }: MemberAnswer): boolean {
  return (status === 'up' || status === 'leaving') && reachable !== false;
}

/** Shards whose owner is another one. */
export function movedBetween(before: ClusterView, after: ClusterView): number {
  return after.shards.filter(({ shard, owner }) => before.shards[shard]?.owner !== owner).length;
}
