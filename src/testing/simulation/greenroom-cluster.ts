/**
 * A Greenroom cluster under the simulator: several production nodes on virtual time, a simulated network and simulated
 * disks. The first machine founds; every other empty disk joins.
 */
import { defineActor } from '../../actors/definition.ts';
import { knowsMembers } from '../../cluster/membership/address-book.ts';
import { shardInfos } from '../../cluster/membership/cluster-info.ts';
import { isGone, lostShards } from '../../cluster/membership/loss.ts';
import { protocolMistakes } from '../../cluster/mistakes.ts';
import { ClusterNode } from '../../cluster/node.ts';
import { shardLimits } from '../../cluster/shards/follower.ts';
import type { NodeName, StoreId } from '../../core/ids.ts';
import type { MemoryJournal } from '../../persistence/memory-journal.ts';
import { startScrub } from '../../persistence/scrub.ts';
import { MemoryNetwork, type MemoryTransport } from '../../transport/memory-transport.ts';
import type { FaultKind } from './faults.ts';
import { KnownMaps } from './known-maps.ts';
import { NodeLook } from './node-look.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type {
  AcceptedLosses,
  ClusterKind,
  ClusterSetup,
  ClusterUnderTest,
  NetworkFaults,
  NodeSeat,
  SimulatedNode,
} from './simulated-node.ts';
import { workloadActors } from './workload-actors.ts';

const shutdownGraceMs = 10_000;
/** A link that was cut is given up after this. */
const detectMs = 60_000;

/** So slow that much is found by others first. */
const scrubBytesPerSecond = 1_000;

const survived: readonly FaultKind[] = [
  'cut',
  'partition',
  'break',
  'delay',
  'pause',
  'slow',
  'crash',
  'stop',
  'rollingRestart',
  'clockJump',
  'slowDisk',
  'fullDisk',
  'syncError',
  'damage',
  'wipe',
  'oldImage',
  'join',
  'drain',
  'remove',
];

/** Several nodes. */
export const greenroomCluster: ClusterKind = {
  name: 'greenroom',
  mistakes: Object.fromEntries(protocolMistakes.map((mistake) => [mistake, mistake])),
  create: (setup) => new GreenroomCluster(setup),
};

class GreenroomCluster implements ClusterUnderTest {
  readonly hasReminders = true;
  readonly survives = new Set(survived);
  readonly network: NetworkFaults;
  readonly #setup: ClusterSetup;
  readonly #memory: MemoryNetwork;
  readonly #transports = new Map<string, MemoryTransport>();
  /** The newest store of each machine. */
  readonly #stores = new Map<string, StoreId>();
  readonly #machines = new Map<StoreId, string>();
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #disks = new Map<string, SimulatedDisk>();
  readonly #delays = new Map<string, number>();
  /** What they say of copies holds also while everybody who knows is down. */
  readonly #maps = new KnownMaps();
  /** The voters that each machine knew last. */
  readonly #voters = new Map<string, readonly StoreId[]>();
  #isFounded = false;

  constructor(setup: ClusterSetup) {
    this.#setup = setup;
    const { world, tuning } = setup;
    const random = world.random('network');
    const usualMs = () => tuning.networkMs * (0.5 - Math.log(1 - random.next()) / 2);
    this.#memory = new MemoryNetwork({
      nowMs: () => world.nowMs,
      schedule: (delayMs, task) => void world.after(delayMs, task),
      policy: {
        delayMs: (from, to) => usualMs() + (this.#delays.get(`${from} ${to}`) ?? 0),
        dialMs: (from, to) => 2 * usualMs() + (this.#delays.get(`${from} ${to}`) ?? 0),
        detectMs: () => detectMs * (0.5 + random.next()),
      },
    });
    const storesOf = (from: string, to: string) => [this.#stores.get(from), this.#stores.get(to)] as const;
    this.network = {
      cut: (from, to) => {
        const [a, b] = storesOf(from, to);
        if (a && b) this.#memory.cut(a, b);
      },
      break: (from, to) => {
        const [a, b] = storesOf(from, to);
        if (!a || !b) return;
        this.#memory.break(a, b);
        this.#memory.break(b, a);
      },
      delay: (from, to, byMs) => {
        const [a, b] = storesOf(from, to);
        if (a && b) this.#delays.set(`${a} ${b}`, byMs);
      },
      heal: () => {
        this.#memory.healAll();
        this.#delays.clear();
      },
      crash: (name) => {
        const transport = this.#transports.get(name);
        if (transport) this.#memory.crash(transport);
        this.#nodes.delete(name);
      },
      pause() {},
      resume() {},
    };
  }

  copySets(): readonly (readonly string[])[] {
    const map = this.#maps.newest;
    if (!map) return [this.#setup.nodes];
    const machinesOf = (stores: readonly StoreId[]) => stores.flatMap((store) => this.#machines.get(store) ?? []);
    const sets = new Map<string, readonly string[]>();
    for (const { active, assigned } of map.shards)
      for (const { replicas } of [active, assigned]) sets.set(replicas.join(), machinesOf(replicas));
    for (const [name, { member }] of this.#nodes) this.#voters.set(name, member.voters);
    for (const voters of this.#voters.values()) sets.set(voters.join(), machinesOf(voters));
    return [...sets.values()].filter((set) => set.length > 0);
  }

  /** Its new store is a replica of everything that it should be, and votes if it should. */
  isRebuilt(name: string): boolean {
    const store = this.#stores.get(name);
    const map = this.#maps.newest;
    const node = this.#nodes.get(name);
    if (!map || !store || !node?.member.isReady) return false;
    const wanted = Math.min(map.replicas, [...map.members.values()].filter(({ status }) => status === 'up').length);
    const isWhole = map.shards.every(
      ({ active, assigned, learners }) =>
        active.epoch === assigned.epoch && learners.length === 0 && active.replicas.length >= wanted,
    );
    const disk = this.#disks.get(name);
    if (disk?.memory.isSpoilt || disk?.isSetBack) return false;
    const old = [...this.#machines].filter(([, machine]) => machine === name).map(([each]) => each);
    const isForgotten = (each: StoreId) =>
      each === store || map.shards.every(({ active }) => !active.replicas.includes(each));
    const voters = [...this.#nodes.values()].map(({ member }) => member.voters);
    return (
      isWhole &&
      old.every(isForgotten) &&
      voters.every((set) => old.every((each) => each === store || !set.includes(each)))
    );
  }

  lostWith(machines: readonly string[]): readonly number[] {
    const map = this.#maps.newest;
    const stores = machines.flatMap((name) => this.#stores.get(name) ?? []);
    return map ? lostShards(map, new Set(stores)) : [];
  }

  acceptedLosses(): AcceptedLosses {
    const map = this.#maps.newest;
    const epochs = new Map<number, number>();
    for (const [shard, { loss }] of map?.shards.entries() ?? []) if (loss) epochs.set(shard, loss.epoch);
    return {
      epochs,
      isGivenUp: (store) => map?.members.has(store as StoreId) === true && isGone(map, store as StoreId),
    };
  }

  async start(seat: NodeSeat): Promise<SimulatedNode> {
    const { name, clock, random, log, disk, life, expelled } = seat;
    const { tuning, mistake } = this.#setup;
    const storeId = disk.storeId as StoreId;
    this.#disks.set(name, disk);
    this.#stores.set(name, storeId);
    this.#machines.set(storeId, name);
    const founds = disk.isEmpty && !this.#isFounded && name === this.#setup.nodes[0];
    if (founds) this.#isFounded = true;
    const { shardCount, replicas } = tuning;
    const journal = disk.journal(life, { clusterId: 'simulated', node: name, shardCount, replicas });
    const { boot } = await journal.open();
    const transport = this.#memory.transport({
      identity: { storeId, node: name as NodeName, boot },
      address: `${name}:7400`,
      clusterId: 'simulated',
      defer: (task) => clock.defer(task),
      mayTalk: (hello) => node.member.mayTalk(hello),
    });
    this.#transports.set(name, transport);
    const seeds = [...new Set([...this.#setup.nodes, ...this.#stores.keys()])]
      .filter((other) => other !== name)
      .map((other) => ({
        storeId: this.#stores.get(other) ?? (`${other}-store-1` as StoreId),
        address: `${other}:7400`,
      }));
    const definitions = workloadActors.map((type) => defineActor(type, { passivateAfterMs: tuning.passivateAfterMs }));
    const node: ClusterNode = new ClusterNode({
      name: name as NodeName,
      definitions,
      journal,
      clock,
      random,
      log,
      maxActive: tuning.maxActive,
      attemptsMax: Number.POSITIVE_INFINITY,
      freeze: true,
      clusterAddress: `${name}:7400`,
      transport,
      // One that was a member finds the others by what its own disk knows.
      seeds: knowsMembers(journal) ? [] : seeds,
      founds,
      mistaken: (each) => each === mistake,
      shardLimits: { ...shardLimits, forgetAfterMs: tuning.forgetAfterMs },
      expelled,
    });
    startScrub(journal, { clock, bytesPerSecond: scrubBytesPerSecond, onDamage: () => {} });
    await node.begin();
    this.#nodes.set(name, node);
    return simulatedNode(node, journal, seat, boot, this.#maps);
  }
}

function simulatedNode(
  node: ClusterNode,
  journal: MemoryJournal,
  seat: NodeSeat,
  boot: number,
  maps: KnownMaps,
): SimulatedNode {
  const { member } = node;
  const look = new NodeLook(node, journal, seat, boot, maps);
  return {
    get isServing() {
      const isWhole = (member.map?.shards ?? []).every(
        ({ active }, shard) => !active.replicas.includes(member.storeId) || !member.shards.repairs.isDamaged(shard),
      );
      return isWhole && member.isReady && shardInfos(member, false).every(({ status }) => status === 'active');
    },
    command: async (request) => {
      const answer = await node.command(request);
      if (answer.woke) seat.count('woke an actor');
      if (answer.replayed) seat.count('replayed an answer');
      return answer;
    },
    inspect: () => look.now(),
    stop: () => node.close(shutdownGraceMs),
    drain: (name) => node.drain(name),
    remove: (name) => node.remove(name),
    recovery: { info: () => node.recovery(), accept: (request) => node.acceptLoss(request) },
  };
}
