/**
 * Random lives of one shard's log: production {@link Shards} on simulated stores and links, under a map that changes
 * far more often, and reaches nodes far later, than any real coordinator would have it. The control log is given: one
 * sequence of changes, of which every node knows a prefix. So what the protocol of the shard logs claims is tried
 * thousands of times in the time that a whole cluster takes to elect its first leader.
 *
 * Claims that are held against the disks, the messages and the owners' answers are in claims.ts.
 */

import type { ClusterMap, MapChange } from '../../../src/cluster/membership/cluster-map.ts';
import { applyChange } from '../../../src/cluster/membership/map-changes.ts';
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import type { ShardLimits } from '../../../src/cluster/shards/follower.ts';
import type { OwnedShard } from '../../../src/cluster/shards/owned-shard.ts';
import { Shards } from '../../../src/cluster/shards/shards.ts';
import { actorHash } from '../../../src/core/hash.ts';
import type { ActorId, ActorTypeName, NodeName, StoreId } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import type { Random } from '../../../src/core/random.ts';
import type { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { Machine } from '../../../src/testing/simulation/machine.ts';
import { between, chance, pick, pickSome, spread } from '../../../src/testing/simulation/random-choices.ts';
import { SimulatedDisk } from '../../../src/testing/simulation/simulated-disk.ts';
import { World } from '../../../src/testing/simulation/world.ts';
import { MemoryNetwork, type MemoryTransport } from '../../../src/transport/memory-transport.ts';
import { foundedMap, member, store } from '../map-fixture.ts';
import { Claims } from './claims.ts';

export interface ShardLife {
  readonly violations: readonly string[];
  /** Records that were acknowledged. */
  readonly acknowledged: number;
  /** Questions that were answered after a read check. */
  readonly confirmed: number;
  /** Epochs that served. */
  readonly epochs: number;
  readonly crashes: number;
  /** Damaged records that could be read again. */
  readonly repaired: number;
  /** Copies that were forgotten. */
  readonly forgotten: number;
}

const lifeMs = 15_000;
const clusterId = 'test';
const shard = 0;
const type = 'Counter' as ActorTypeName;
const id = 'one' as ActorId;
const hash = actorHash(type, id);

interface Node {
  readonly machine: Machine;
  readonly disk: SimulatedDisk;
  readonly storeId: StoreId;
  /** While it lives. */
  shards: Shards | undefined;
  journal: MemoryJournal | undefined;
  transport: MemoryTransport | undefined;
  boot: number;
  /** How many changes of the map it knows. */
  knows: number;
  /** It hears nothing of the map before. */
  deafUntilMs: number;
  /** Its callers only ask before. */
  quietUntilMs: number;
}

/** @returns what happened, and which claims were broken; the same for the same seed */
export async function simulate(seed: number, mistake?: ProtocolMistake): Promise<ShardLife> {
  const life = new ShardSimulation(seed, mistake);
  return life.run();
}

class ShardSimulation {
  readonly #world: World;
  readonly #random: Random;
  readonly #mistake: ProtocolMistake | undefined;
  readonly #network: MemoryNetwork;
  readonly #nodes: readonly Node[];
  readonly #disks: ReadonlyMap<StoreId, SimulatedDisk>;
  readonly #replicas: number;
  /** The control log: the map after each change. */
  readonly #maps: ClusterMap[];
  readonly #limits: ShardLimits;
  readonly #claims: Claims;
  #confirmed = 0;
  #crashes = 0;
  #repaired = 0;
  #forgotten = 0;

  constructor(seed: number, mistake: ProtocolMistake | undefined) {
    this.#mistake = mistake;
    const world = new World(seed);
    this.#world = world;
    this.#random = world.random('life');
    const delays = world.random('network');
    const stores = between(this.#random, 3, 5);
    this.#replicas = between(this.#random, 2, stores);
    this.#network = new MemoryNetwork({
      nowMs: () => world.nowMs,
      schedule: (delayMs, task) => void world.after(delayMs, task),
      policy: {
        delayMs: () => spread(delays, 0.1, 10),
        dialMs: () => spread(delays, 0.5, 20),
        detectMs: () => spread(delays, 20, 800),
      },
    });
    this.#limits = {
      fillBytesMax: spread(this.#random, 50, 5_000),
      fetchBytesMax: spread(this.#random, 100, 5_000),
      caughtUpWithin: between(this.#random, 1, 30),
      forgetAfterMs: spread(this.#random, 1, 5_000),
    };
    this.#claims = new Claims(this.#limits);
    this.#nodes = Array.from({ length: stores }, (_, i) => this.#makeNode(i));
    this.#disks = new Map(this.#nodes.map(({ storeId, disk }) => [storeId, disk]));
    const members = this.#nodes.map((_, i) => member(i, { boot: 0 }));
    this.#maps = [foundedMap(members, 1, this.#replicas)];
  }

  get #map(): ClusterMap {
    return this.#maps.at(-1)!;
  }

  async run(): Promise<ShardLife> {
    const world = this.#world;
    for (const node of this.#nodes) this.#start(node);
    this.#again(200, () => this.#assign());
    this.#again(600, () => this.#appointLearners());
    this.#again(700, () => this.#disturb());
    this.#again(1_000, () => this.#damage());
    for (const node of this.#nodes) {
      this.#again(6, () => this.#append(node));
      this.#again(25, () => this.#ask(node));
    }
    world.onStep(() => {
      this.#look();
      if (this.#claims.violations.length > 0) world.stop();
    });
    try {
      await world.run(lifeMs);
    } catch (error) {
      this.#claims.broken('defect', String(error));
    }
    for (const { machine } of this.#nodes) machine.crash();
    return {
      violations: this.#claims.violations,
      acknowledged: this.#claims.acknowledged,
      epochs: this.#claims.epochs,
      confirmed: this.#confirmed,
      crashes: this.#crashes,
      repaired: this.#repaired,
      forgotten: this.#forgotten,
    };
  }

  /** Does it now and then, `meanMs` apart in the mean. */
  #again(meanMs: number, task: () => void): void {
    this.#world.after(-meanMs * Math.log(1 - this.#random.next()), () => {
      task();
      this.#again(meanMs, task);
    });
  }

  // ---- the map ----------------------------------------------------------------------------------------------

  #change(change: MapChange): void {
    const before = this.#map;
    const after = applyChange(before, change, this.#maps.length + 1)!;
    this.#maps.push(after);
    const { active } = after.shards[shard]!;
    this.#claims.mapped(after.shards[shard]!, this.#disks.keys());
    if (active.epoch !== before.shards[shard]!.active.epoch) this.#claims.activated(active, this.#disks);
    for (const node of this.#nodes) this.#hear(node);
  }

  /** Its node hears of the newest map, sooner or later. */
  #hear(node: Node): void {
    const life = node.machine.life;
    if (!life) return;
    const version = this.#maps.length;
    const usualMs = chance(this.#random, 0.8) ? spread(this.#random, 0.5, 20) : spread(this.#random, 20, 3_000);
    const delayMs = Math.max(usualMs, node.deafUntilMs - this.#world.nowMs);
    this.#world.after(
      delayMs,
      () => {
        if (version <= node.knows || !node.shards) return;
        if (this.#world.nowMs < node.deafUntilMs) {
          this.#hear(node);
          return;
        }
        node.knows = version;
        node.shards.applyMap(this.#maps[version - 1]!);
      },
      life,
    );
  }

  #assign(): void {
    const living = this.#nodes.filter(({ machine }) => machine.life && !machine.isPaused);
    if (living.length === 0) return;
    // The coordinator gives an epoch time to become active, mostly.
    const { assigned, active } = this.#map.shards[shard]!;
    if (assigned.epoch > active.epoch && chance(this.#random, 0.8)) return;
    const owner = pick(this.#random, living);
    const others = this.#nodes.filter((node) => node !== owner).map(({ storeId }) => storeId);
    const same = active.replicas.includes(owner.storeId) && chance(this.#random, 0.6) ? active.replicas : undefined;
    const replicas = same ?? [owner.storeId, ...pickSome(this.#random, others, this.#replicas - 1)];
    this.#change({
      type: 'assign',
      assignments: [{ shard, after: assigned.epoch, owner: owner.storeId, boot: owner.boot, replicas }],
    });
    const before = this.#nodes.find(({ storeId }) => storeId === assigned.owner);
    if (before && before !== owner && chance(this.#random, 0.3)) this.#keepApart(owner, before);
    // What is begun and not ended yet is where mistakes hide.
    if (chance(this.#random, 0.1)) this.#world.after(spread(this.#random, 0.5, 200), () => this.#crash(owner));
    if (before && chance(this.#random, 0.2))
      this.#world.after(spread(this.#random, 0.5, 200), () => this.#crash(before));
  }

  /** The owner before does not hear of the next one, neither by the map nor from itself. */
  #keepApart(owner: Node, before: Node): void {
    const forMs = spread(this.#random, 50, 3_000);
    this.#cut(owner.storeId, before.storeId, forMs);
    if (chance(this.#random, 0.5)) this.#cut(before.storeId, owner.storeId, forMs);
    before.deafUntilMs = this.#world.nowMs + forMs;
    // One that appends is soon refused by somebody, and knows.
    if (chance(this.#random, 0.5)) before.quietUntilMs = before.deafUntilMs;
  }

  #appointLearners(): void {
    const { epoch, replicas } = this.#map.shards[shard]!.assigned;
    const others = this.#nodes.map(({ storeId }) => storeId).filter((each) => !replicas.includes(each));
    const learners = pickSome(this.#random, others, between(this.#random, 0, 2));
    this.#change({ type: 'learners', changes: [{ shard, epoch, learners }] });
  }

  // ---- nodes ------------------------------------------------------------------------------------------------

  #makeNode(index: number): Node {
    const name = `node-${index}`;
    const machine = new Machine(this.#world, {
      name,
      onDefect: (error) => this.#claims.broken('defect', error instanceof Error ? error.message : String(error)),
    });
    const disk = new SimulatedDisk(this.#world, { name, syncMs: spread(this.#random, 0.3, 8) });
    return {
      machine,
      disk,
      storeId: store(index),
      shards: undefined,
      journal: undefined,
      transport: undefined,
      boot: 0,
      knows: 1,
      deafUntilMs: 0,
      quietUntilMs: 0,
    };
  }

  #start(node: Node): void {
    const { machine, disk, storeId } = node;
    const life = machine.boot();
    const { clock } = life;
    const name = machine.name as NodeName;
    const journal = disk.journal(life, { clusterId, node: name, shardCount: 1, replicas: this.#replicas });
    void journal.open().then(({ boot }) => {
      if (life.isOver) return;
      node.journal = journal;
      node.boot = boot;
      const transport = this.#network.transport({
        identity: { storeId, node: name, boot },
        address: storeId,
        clusterId,
        defer: (task) => clock.defer(task),
      });
      const shards = new Shards({
        journal,
        storeId,
        boot,
        clock,
        log: {
          ...silentLog,
          info: (what) => {
            if (what.startsWith('forgot')) this.#forgotten += 1;
          },
          error: (what) => {
            if (what.startsWith('a shard stops')) this.#claims.broken('alarm', what);
          },
        },
        mistaken: (each) => each === this.#mistake,
        send: (to, bytes) => {
          this.#claims.sends(storeId, bytes, journal, disk.memory);
          return transport.send(to, 'data', bytes);
        },
        limits: this.#limits,
        isUp: (peer) => transport.isUp(peer),
        refusal: () => undefined,
        proposeActivation: (proposed) => {
          if (chance(this.#random, 0.1)) return;
          this.#world.after(spread(this.#random, 0.5, 200), () =>
            this.#change({ type: 'activate', owner: storeId, boot, shards: proposed }),
          );
        },
        served: () => {},
        fencing: () => {},
        fenced: () => {},
        repaired: () => {
          this.#repaired += 1;
        },
      });
      node.shards = shards;
      node.transport = transport;
      void transport.start({
        linkUp: ({ storeId: peer }) => shards.linkUp(peer),
        linkDown: ({ storeId: peer }) => shards.linkDown(peer),
        peerArrived() {},
        peerLeft() {},
        message: ({ storeId: from }, _channel, bytes) => shards.receive(from, bytes),
        dialFailed() {},
      });
      transport.setPeers(
        this.#nodes.filter((each) => each !== node).map((each) => ({ storeId: each.storeId, address: each.storeId })),
      );
      shards.start();
      // What it knew of the map before it died, or a little less.
      node.knows = Math.max(1, node.knows - between(this.#random, 0, 2));
      shards.applyMap(this.#maps[node.knows - 1]!);
      this.#hear(node);
    });
  }

  #crash(node: Node): void {
    if (!node.machine.life) return;
    this.#crashes += 1;
    if (node.transport) this.#network.crash(node.transport);
    node.machine.crash();
    node.shards = undefined;
    node.journal = undefined;
    node.transport = undefined;
    this.#claims.forgets(node.storeId);
    this.#world.after(spread(this.#random, 1, 1_500), () => this.#start(node));
  }

  #disturb(): void {
    const random = this.#random;
    const node = pick(random, this.#nodes);
    const other = pick(
      random,
      this.#nodes.filter((each) => each !== node),
    );
    const forMs = spread(random, 5, 2_500);
    const dice = random.next();
    if (dice < 0.2) {
      this.#crash(node);
      if (chance(random, 0.3)) this.#crash(other);
    } else if (dice < 0.35) {
      node.machine.pause();
      this.#world.after(forMs, () => node.machine.resume());
    } else if (dice < 0.5) {
      this.#network.break(node.storeId, other.storeId);
      this.#network.break(other.storeId, node.storeId);
    } else if (dice < 0.9) {
      const peers = chance(random, 0.5) ? [other] : this.#nodes.filter((each) => each !== node);
      for (const peer of peers) {
        if (chance(random, 0.8)) this.#cut(node.storeId, peer.storeId, forMs);
        if (chance(random, 0.8)) this.#cut(peer.storeId, node.storeId, forMs);
      }
    } else {
      node.disk.slow(spread(random, 3, 100));
      this.#world.after(forMs, () => node.disk.heal());
    }
  }

  /** Spoils a few records of one copy that counts, wherever they are in the log; no two of them at a time. */
  #damage(): void {
    const random = this.#random;
    const node = pick(random, this.#nodes);
    const { replicas } = this.#map.shards[shard]!.active;
    if (this.#nodes.some((each) => each.disk.memory.isSpoilt && each !== node && replicas.includes(each.storeId)))
      return;
    const how = pick(random, ['missing', 'head', 'body'] as const);
    for (let count = between(random, 1, 3); count > 0; count--) node.disk.spoilRow(how);
    if (chance(random, 0.5)) this.#crash(node);
    // The scrub comes by.
    this.#world.after(spread(random, 1, 3_000), () => void node.journal?.readRange(shard, 1, Number.MAX_SAFE_INTEGER));
  }

  #cut(from: StoreId, to: StoreId, forMs: number): void {
    this.#network.cut(from, to);
    this.#world.after(forMs, () => this.#network.heal(from, to));
  }

  // ---- callers ----------------------------------------------------------------------------------------------

  #append(node: Node): void {
    const { life } = node.machine;
    if (!life || !node.shards || node.machine.isPaused || this.#world.nowMs < node.quietUntilMs) return;
    const owned = node.shards.served(shard);
    if (!owned || owned.refusal()) return;
    const count = between(this.#random, 1, 3);
    const { journal } = node;
    for (let i = 0; i < count; i++) {
      const body = Buffer.from(`${this.#world.nowMs} ${node.storeId} ${i}`);
      const { position } = owned.append(
        {
          kind: 'command',
          type,
          id,
          actorHash: hash,
          firstSequence: 1,
          eventCount: 1,
          ordinal: 1,
          previous: [],
          body,
        },
        life.clock.wallMs(),
        {
          committed: () => this.#acknowledge(journal!, owned, position),
          lost() {},
        },
      );
    }
  }

  #acknowledge(journal: MemoryJournal, owned: OwnedShard, position: number): void {
    const row = journal.read(shard, position);
    if (row.type === 'damaged') return;
    if (row.type !== 'record') throw new Error(`an acknowledged record is there, got ${row.type}`);
    this.#claims.acknowledge(position, row.head.chain, owned, this.#disks);
  }

  /** A question that its owner answers from memory, once its peers have agreed that it still is the owner. */
  #ask(node: Node): void {
    const owned = node.machine.isPaused ? undefined : node.shards?.served(shard);
    if (!owned) return;
    const { newest } = this.#claims;
    const { committed } = owned;
    const confirmed = () => {
      this.#confirmed += 1;
      this.#claims.confirmed(owned, committed, newest);
    };
    if (owned.confirmsAtOnce) confirmed();
    else owned.confirm({ confirmed, lost() {} });
  }

  // ---- claims -----------------------------------------------------------------------------------------------

  #look(): void {
    this.#claims.lookAtDisks(this.#disks);
    for (const { storeId, shards, journal } of this.#nodes)
      if (shards && journal?.status === 'open') this.#claims.look(storeId, shards.owned(shard), journal, this.#disks);
  }
}
