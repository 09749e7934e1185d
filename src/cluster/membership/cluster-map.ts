/**
 * The cluster map: who belongs to the cluster, and per shard who owns it, in which epoch, on which replicas. It is the
 * state that the control log replicates: changed only by {@link applyChange}, in the log's order, with the same result
 * on every node. Values are immutable; a change makes a new map that shares what did not change.
 *
 * Invariants: a node's name belongs to at most one member that is not removed; a shard's `assigned.epoch` only grows and
 * is never below `active.epoch`; `active` changes only to what was assigned (C1, C2 of the protocol).
 */
import type { Epoch, NodeName, ShardId, StoreId } from '../../core/ids.ts';

export type MemberStatus = 'joining' | 'up' | 'leaving' | 'down' | 'removed';

export interface Member {
  readonly storeId: StoreId;
  readonly node: NodeName;
  /** Its newest life that the map has heard of. */
  readonly boot: number;
  /** `host:port` of the cluster socket. */
  readonly address: string;
  readonly httpAddress: string;
  /** Empty: none given. */
  readonly zone: string;
  readonly status: MemberStatus;
  /** It stops and will be back: it is given nothing, and what it owns moves. */
  readonly stopping: boolean;
  /** Wall clock of the leader that saw it leave `up`; 0 while it is up. */
  readonly downSinceMs: number;
  /** Versions of the protocol it speaks. */
  readonly protocol: { readonly min: number; readonly max: number };
}

/** An epoch as the map hands it out: only this life of this store may begin it. */
export interface AssignedEpoch {
  readonly epoch: Epoch;
  readonly owner: StoreId;
  readonly boot: number;
  readonly replicas: readonly StoreId[];
}

/** The newest epoch that serves, or served: its replicas hold everything acknowledged so far. */
export interface ActiveEpoch {
  /** 0: none yet. */
  readonly epoch: Epoch;
  readonly replicas: readonly StoreId[];
}

/** An operator's word that copies are gone for good, given for a shard of which too few are left to seal (see loss.ts). */
export interface AcceptedLoss {
  /** Given to nobody: the epochs after it begin from what is left. */
  readonly epoch: Epoch;
  /** Every store that was left. */
  readonly left: readonly StoreId[];
  /** Wall clock of who decided it. */
  readonly atMs: number;
  /** How often that was decided for this shard. */
  readonly times: number;
}

export interface ShardPlacement {
  readonly assigned: AssignedEpoch;
  readonly active: ActiveEpoch;
  /** Stores that are being filled; they do not count. */
  readonly learners: readonly StoreId[];
  /** The newest one; it stays as a mark. */
  readonly loss?: AcceptedLoss;
}

export interface ClusterMap {
  /** The control log's index of the last change. */
  readonly version: number;
  readonly clusterId: string;
  /** Fixed at founding. */
  readonly shardCount: number;
  /** Copies wanted of each shard's log; fixed at founding. */
  readonly replicas: number;
  /** The protocol version that everyone speaks. */
  readonly protocol: number;
  /** By storeId; removed ones stay for a while, so that they can be told. */
  readonly members: ReadonlyMap<StoreId, Member>;
  /** By shard number. */
  readonly shards: readonly ShardPlacement[];
}

/** Those that were not removed. */
export function membersOf(map: ClusterMap | undefined): readonly Member[] {
  return [...(map?.members.values() ?? [])].filter(({ status }) => status !== 'removed');
}

/** A new epoch of one shard. `after` is the assigned epoch it follows: the change is void if that is no longer so. */
export interface Assignment {
  readonly shard: ShardId;
  readonly after: Epoch;
  readonly owner: StoreId;
  readonly boot: number;
  readonly replicas: readonly StoreId[];
}

export interface LearnerChange {
  readonly shard: ShardId;
  /** The assigned epoch in which it was decided: void in another. */
  readonly epoch: Epoch;
  readonly learners: readonly StoreId[];
}

/** What the control log holds. Every change says in which state it means something, and is void in another. */
export type MapChange =
  | { readonly type: 'found'; readonly map: ClusterMap }
  | {
      readonly type: 'memberJoined';
      readonly storeId: StoreId;
      readonly node: NodeName;
      readonly boot: number;
      readonly address: string;
      readonly httpAddress: string;
      readonly zone: string;
      readonly protocol: { readonly min: number; readonly max: number };
    }
  /** A life of a member's process, newer than the map knows: also brings it back from `down`. */
  | {
      readonly type: 'memberStarted';
      readonly storeId: StoreId;
      readonly boot: number;
      readonly address: string;
      readonly httpAddress: string;
      readonly zone: string;
      readonly protocol: { readonly min: number; readonly max: number };
    }
  /** Void if a newer life is known. */
  | { readonly type: 'memberDown'; readonly storeId: StoreId; readonly boot: number; readonly atMs: number }
  /** A life that was taken for dead is there. */
  | { readonly type: 'memberUp'; readonly storeId: StoreId; readonly boot: number }
  | { readonly type: 'memberStopping'; readonly storeId: StoreId; readonly boot: number }
  | { readonly type: 'memberLeaving'; readonly storeId: StoreId }
  | { readonly type: 'memberRemoved'; readonly storeId: StoreId; readonly atMs: number }
  | { readonly type: 'protocolRaised'; readonly protocol: number }
  | { readonly type: 'assign'; readonly assignments: readonly Assignment[] }
  /** Sealed, started and replicated by their owner: these epochs serve from now on. */
  | {
      readonly type: 'activate';
      readonly owner: StoreId;
      readonly boot: number;
      readonly shards: readonly { readonly shard: ShardId; readonly epoch: Epoch }[];
    }
  | { readonly type: 'learners'; readonly changes: readonly LearnerChange[] }
  /**
   * An operator gives stores up, each down in the life that is named, else all of it is void; and has those of `shards` go
   * on that have too few copies left. The others of `shards` are left alone.
   */
  | {
      readonly type: 'lossAccepted';
      readonly lost: readonly { readonly storeId: StoreId; readonly boot: number }[];
      readonly shards: readonly ShardId[];
      readonly atMs: number;
    };
