/** Nodes that do nothing but start, and tell each other of their batches: what became of each start, and who hears whom. */
import { AddressBook } from '../../src/cluster/membership/address-book.ts';
import type { ProtocolMistake } from '../../src/cluster/mistakes.ts';
import { keepEveryMs, WitnessedTransport } from '../../src/cluster/witnessed-transport.ts';
import type { NodeName } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { MemoryDisk } from '../../src/persistence/memory-disk.ts';
import { MemoryJournal } from '../../src/persistence/memory-journal.ts';
import { World } from '../../src/testing/simulation/world.ts';
import { MemoryNetwork, type MemoryTransport } from '../../src/transport/memory-transport.ts';
import { foundedMap, member, store } from './map-fixture.ts';

const map = foundedMap([member('a'), member('b'), member('c')], 1);

export class Starting {
  readonly #world = new World(1);
  readonly #network = new MemoryNetwork({
    nowMs: () => this.#world.nowMs,
    schedule: (delayMs, task) => void this.#world.after(delayMs, task),
    policy: { delayMs: () => 1, dialMs: () => 2, detectMs: () => 50 },
  });
  readonly #mistake: ProtocolMistake | undefined;
  readonly disks = new Map(['a', 'b', 'c'].map((name) => [name, new MemoryDisk()]));
  readonly #running = new Map<string, { readonly inner: MemoryTransport; readonly journal: MemoryJournal }>();
  /** What became of each start. */
  readonly started = new Map<string, string>();
  readonly heard: string[] = [];
  readonly #transports = new Map<string, WitnessedTransport>();

  constructor(mistake?: ProtocolMistake) {
    this.#mistake = mistake;
  }

  async start(name: string): Promise<void> {
    const { clock } = this.#world;
    const storeId = store(name);
    const journal = new MemoryJournal({
      identity: { clusterId: 'test', node: name as NodeName, storeId, shardCount: 1, replicas: 3 },
      disk: this.disks.get(name)!,
      defer: (task) => clock.defer(task),
    });
    const { boot } = await journal.open();
    const inner = this.#network.transport({
      identity: { storeId, node: name as NodeName, boot },
      address: `127.0.0.1:${name}`,
      clusterId: 'test',
      defer: (task) => clock.defer(task),
    });
    this.#running.set(name, { inner, journal });
    const transport = new WitnessedTransport({
      journal,
      transport: inner,
      clock,
      log: silentLog,
      mistaken: (each) => each === this.#mistake,
      outdated: ({ code }) => this.started.set(name, code),
    });
    this.#transports.set(name, transport);
    this.started.set(name, 'waits');
    transport
      .start({
        linkUp: ({ storeId: peer }) => transport.send(peer, 'control', Buffer.from('hello')),
        linkDown() {},
        peerArrived() {},
        peerLeft() {},
        message: ({ node }) => this.heard.push(`${name} hears ${node}`),
        dialFailed() {},
      })
      .then(
        () => {
          this.started.set(name, 'speaks');
          new AddressBook(journal).note(map);
          transport.setPeers([...map.members.values()].filter((each) => each.storeId !== storeId));
        },
        ({ code }) => this.started.set(name, code),
      );
  }

  kill(name: string): void {
    const { inner, journal } = this.#running.get(name)!;
    this.#running.delete(name);
    void this.#transports.get(name)!.close();
    this.#network.crash(inner);
    journal.crash();
  }

  /** Writes something, and lets so much time pass. */
  async work(names: readonly string[], forMs: number): Promise<void> {
    for (const name of names)
      for (let i = 0; i < 5; i++) {
        this.#running.get(name)!.journal.setControl('work', Buffer.from(`${i}`), { durable() {}, failed() {} });
        await this.pass(forMs / 5);
      }
  }

  pass(forMs: number): Promise<void> {
    return this.#world.run(this.#world.nowMs + forMs);
  }
}

export async function working(mistake?: ProtocolMistake): Promise<Starting> {
  const scene = new Starting(mistake);
  for (const name of ['a', 'b', 'c']) await scene.start(name);
  await scene.work(['a', 'b', 'c'], 1_000);
  return scene;
}

/** Its disk is set back to what it held before its last work. */
export async function setBack(scene: Starting, name: string): Promise<void> {
  const image = scene.disks.get(name)!.image();
  await scene.work([name], keepEveryMs + 1_000);
  scene.kill(name);
  scene.disks.set(name, image);
}

/** @returns what became of a node whose disk was set back */
export async function startsOnOldImage(mistake?: ProtocolMistake): Promise<string | undefined> {
  const scene = await working(mistake);
  await setBack(scene, 'a');
  await scene.start('a');
  await scene.pass(500);
  return scene.started.get('a');
}
