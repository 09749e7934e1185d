/**
 * What the simulator needs of a cluster to be able to torment it. A cluster is plugged in by one file: a
 * {@link ClusterUnderTest} that starts nodes on what it is handed, and lets them be looked into.
 */
import type { CommandAnswer, CommandRequest, LossAccepted, LossRequest, RecoveryInfo } from '../../cluster/gateway.ts';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import type { Random } from '../../core/random.ts';
import type { FaultKind } from './faults.ts';
import type { NodeInspection } from './inspection.ts';
import type { Life } from './machine.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { Tuning } from './tuning.ts';
import type { World } from './world.ts';

/** What one life of one node's process runs on. */
export interface NodeSeat {
  readonly name: string;
  readonly life: Life;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly log: Log;
  /** Counts a rare path: how often it was taken in a run is part of the summary. */
  readonly count: (what: string) => void;
  /** The node may not go on: the cluster has removed it. */
  readonly expelled: (reason: string) => void;
}

/** A running node. Nothing of it may be called after its life is over. */
export interface SimulatedNode {
  command(request: CommandRequest): Promise<CommandAnswer>;
  /** Whether everything it is there for works: member, its shards serve. For the liveness check. */
  readonly isServing: boolean;
  /** What the invariants look at; cheap, because it is called often. */
  inspect(): NodeInspection;
  /** Stops in order (SIGTERM); resolves once the process may end. */
  stop(): Promise<void>;
  /** Asks the cluster, through this node, to move everything off a member, which then leaves. */
  drain?(node: string): Promise<void>;
  /** Asks the cluster, through this node, to give up a member. */
  remove?(node: string): Promise<void>;
  /** What an operator is shown and may ask for where most copies are lost. */
  readonly recovery?: {
    info(): RecoveryInfo;
    accept(request: LossRequest): Promise<LossAccepted>;
  };
}

/** What losses a cluster has accepted, as the newest of all maps tells. */
export interface AcceptedLosses {
  /** By shard: the epoch in which it was accepted. */
  readonly epochs: ReadonlyMap<number, number>;
  /** The store was a member, and is none any more. */
  isGivenUp(storeId: string): boolean;
}

/** The network's bad side. Names are those of machines. */
export interface NetworkFaults {
  /** What `from` sends to `to` vanishes from now on, without anybody being told. */
  cut(from: string, to: string): void;
  /** The connections between two break now; a tail of what was sent is lost. */
  break(from: string, to: string): void;
  /** Every message from `from` to `to` takes so much longer; 0: as usual. */
  delay(from: string, to: string, byMs: number): void;
  /** Ends every cut and delay. */
  heal(): void;
  crash(node: string): void;
  pause(node: string): void;
  resume(node: string): void;
}

export interface ClusterUnderTest {
  readonly network: NetworkFaults;
  /** Whether its actors can have themselves reminded. */
  readonly hasReminders: boolean;
  /** Which kinds of faults it is meant to survive. */
  readonly survives: ReadonlySet<FaultKind>;
  /** Starts a process; rejects if it cannot start, e.g. because its disk is damaged. */
  start(seat: NodeSeat): Promise<SimulatedNode>;
  /** Sets of machines that keep copies of the same thing: no majority of one may lose its disks at once. */
  copySets(): readonly (readonly string[])[];
  /** Whether a machine whose disk was destroyed holds again what it is meant to hold. Default: never. */
  isRebuilt?(name: string): boolean;
  /** The shards that have too few copies left if what is on these machines' disks is gone. */
  lostWith?(machines: readonly string[]): readonly number[];
  acceptedLosses?(): AcceptedLosses;
}

export interface ClusterSetup {
  readonly world: World;
  readonly nodes: readonly string[];
  readonly tuning: Tuning;
  /** A deliberate mistake to be made, by name; undefined: none. */
  readonly mistake: string | undefined;
}

export interface ClusterKind {
  readonly name: string;
  /** Mistakes that its nodes can be told to make, and what each is. */
  readonly mistakes: Readonly<Record<string, string>>;
  create(setup: ClusterSetup): ClusterUnderTest;
}
