/**
 * A calm cluster of the production nodes on virtual time, for counting: what they send each other, and how long the
 * processor takes. Messages take half a millisecond, an fsync one. Real networks and disks are another matter.
 */
import { defineActor } from '../../../actors/definition.ts';
import { ClusterNode } from '../../../cluster/node.ts';
import type { NodeName, StoreId } from '../../../core/ids.ts';
import { silentLog } from '../../../core/log.ts';
import { Machine } from '../../../testing/simulation/machine.ts';
import { SimulatedDisk } from '../../../testing/simulation/simulated-disk.ts';
import { World } from '../../../testing/simulation/world.ts';
import { MemoryNetwork } from '../../../transport/memory-transport.ts';
import type { Channel } from '../../../transport/transport.ts';
import { Counter } from '../../actors.ts';

const networkMs = 0.5;
const syncMs = 1;
const shardCount = 64;
const commandTimeoutMs = 30_000;
const neverMs = 24 * 3_600_000;
/** Nothing has moved for so long. */
const settledMs = 3_000;
const settlesWithinMs = 300_000;

export interface Traffic {
  messages: number;
  bytes: number;
}

/** What passed since {@link SimulatedMembers.count} was called. */
export interface Counted {
  readonly virtualMs: number;
  /** Of this process: the nodes and the world around them. */
  readonly processorMs: number;
  /** Shards, commands and their answers. */
  readonly data: Traffic;
  /** Heartbeats and the control log. */
  readonly control: Traffic;
}

export class SimulatedMembers {
  readonly #world = new World(1);
  readonly #nodes: ClusterNode[] = [];
  readonly #traffic: Record<Channel, Traffic> = { data: { messages: 0, bytes: 0 }, control: { messages: 0, bytes: 0 } };
  readonly #network = new MemoryNetwork({
    nowMs: () => this.#world.nowMs,
    schedule: (delayMs, task) => void this.#world.after(delayMs, task),
    policy: {
      delayMs: (_from, _to, channel, bytes) => {
        this.#traffic[channel].messages += 1;
        this.#traffic[channel].bytes += bytes;
        return networkMs;
      },
      dialMs: () => 2 * networkMs,
      detectMs: () => 1_000,
    },
  });

  /** Starts so many nodes; resolves once every shard has all its copies and nothing moves any more. */
  static async start(count: number): Promise<SimulatedMembers> {
    const members = new SimulatedMembers();
    for (let number = 1; number <= count; number++) await members.#start(`n${number}`, Math.min(3, count));
    await members.#settle(Math.min(3, count));
    return members;
  }

  /** Runs `total` persisted commands of 1,000 actors, `inFlight` at a time, through all nodes in turn. @throws the first error */
  async run(total: number, inFlight: number): Promise<void> {
    let started = 0;
    let failure: unknown;
    const once = async (): Promise<void> => {
      while (started < total && failure === undefined) {
        const number = started++;
        const request = { type: 'Counter', id: `c${(number * 7_919) % 1_000}`, command: 'add', input: 1 };
        const node = this.#nodes[number % this.#nodes.length]!;
        await node.command({ ...request, id: request.id as never, timeoutMs: commandTimeoutMs });
      }
    };
    let isOver = false;
    void Promise.all(Array.from({ length: inFlight }, once))
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        isOver = true;
      });
    while (!isOver) await this.pass(10);
    if (failure) throw failure;
  }

  /** Lets virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.#world.run(this.#world.nowMs + ms);
  }

  /** Counts what passes while `run` runs. */
  async count(run: () => Promise<void>): Promise<Counted> {
    const [data, control] = [{ ...this.#traffic.data }, { ...this.#traffic.control }];
    const processor = process.cpuUsage();
    const fromMs = this.#world.nowMs;
    await run();
    const { user, system } = process.cpuUsage(processor);
    return {
      virtualMs: this.#world.nowMs - fromMs,
      processorMs: (user + system) / 1_000,
      data: less(this.#traffic.data, data),
      control: less(this.#traffic.control, control),
    };
  }

  async #start(name: string, replicas: number): Promise<void> {
    const life = new Machine(this.#world, { name }).boot();
    const { clock } = life;
    const disk = new SimulatedDisk(this.#world, { name, syncMs });
    const journal = disk.journal(life, { clusterId: 'simulated', node: name, shardCount, replicas });
    const { boot } = await journal.open();
    const storeId = disk.storeId as StoreId;
    const address = `${name}:7400`;
    const isFirst = this.#nodes.length === 0;
    const node: ClusterNode = new ClusterNode({
      name: name as NodeName,
      definitions: [defineActor(Counter, { passivateAfterMs: neverMs })],
      journal,
      clock,
      random: this.#world.random(name),
      log: silentLog,
      maxActive: 100_000,
      freeze: true,
      clusterAddress: address,
      transport: this.#network.transport({
        identity: { storeId, node: name as NodeName, boot },
        address,
        clusterId: 'simulated',
        defer: (task) => clock.defer(task),
        mayTalk: (hello) => node.member.mayTalk(hello),
      }),
      seeds: isFirst ? [] : [{ storeId: 'n1-store-1' as StoreId, address: 'n1:7400' }],
      founds: isFirst,
    });
    let isUp = false;
    void node.begin().then(() => {
      isUp = true;
    });
    for (const endMs = this.#world.nowMs + settlesWithinMs; !isUp || !node.member.isReady; await this.pass(50))
      if (this.#world.nowMs > endMs) throw new Error(`${name} did not become a member in ${settlesWithinMs} ms`);
    this.#nodes.push(node);
  }

  async #settle(copies: number): Promise<void> {
    const [first] = this.#nodes as [ClusterNode];
    const endMs = this.#world.nowMs + settlesWithinMs;
    let sinceMs = this.#world.nowMs;
    for (let version = -1; this.#world.nowMs - sinceMs < settledMs; await this.pass(50)) {
      if (this.#world.nowMs > endMs) throw new Error(`the cluster does not settle in ${settlesWithinMs} ms`);
      const isWhole = first.shards().every(({ status, replicas }) => status === 'active' && replicas.length === copies);
      const now = first.member.map?.version ?? 0;
      if (!isWhole || now !== version) sinceMs = this.#world.nowMs;
      version = now;
    }
  }
}

function less(now: Traffic, before: Traffic): Traffic {
  return { messages: now.messages - before.messages, bytes: now.bytes - before.bytes };
}
