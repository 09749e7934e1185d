/** Nodes that route to each other over links that can be cut; what they send waits on the wire until it is carried. */
import type { RoutedCommand } from '../../../src/actors/elsewhere.ts';
import type { ClusterMap } from '../../../src/cluster/membership/cluster-map.ts';
import type { Mistaken } from '../../../src/cluster/mistakes.ts';
import { type CommandMessage, decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { CommandServer } from '../../../src/cluster/routing/command-server.ts';
import { Router } from '../../../src/cluster/routing/router.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { settledMap } from '../map-fixture.ts';
import { shard } from './fixture.ts';

interface Parcel {
  readonly from: StoreId;
  readonly to: StoreId;
  readonly message: CommandMessage;
}

export class RelayScene {
  readonly clock = new VirtualClock();
  map: ClusterMap;
  readonly owner: StoreId;
  /** Those that do not own the shard. */
  readonly others: readonly StoreId[];
  /** What owners are to run, in the order in which it came. Whoever takes one answers it. */
  readonly arrived: RoutedCommand[] = [];
  readonly #cut = new Set<string>();
  readonly #wire: Parcel[] = [];
  readonly #nodes = new Map<StoreId, { readonly router: Router; readonly server: CommandServer }>();
  #ids = 0;

  constructor(members: number, mistaken: Mistaken = () => false) {
    this.map = settledMap(members, 1);
    this.owner = this.map.shards[shard]!.assigned.owner;
    this.others = [...this.map.members.keys()].filter((each) => each !== this.owner);
    for (const storeId of this.map.members.keys()) this.#addNode(storeId, mistaken);
    this.router(this.owner).becomeHere(shard, this.map.shards[shard]!.active.epoch, 7);
    for (const { router } of this.#nodes.values()) {
      router.applyMap(this.map);
      router.start();
    }
  }

  router(storeId: StoreId): Router {
    return this.#nodes.get(storeId)!.router;
  }

  isUp(a: StoreId, b: StoreId): boolean {
    return !this.#cut.has([a, b].sort().join());
  }

  /** Both see that nothing passes between them any more; what is on the wire is lost. */
  cut(a: StoreId, b: StoreId): void {
    const isBetween = ({ from, to }: Parcel) => (from === a && to === b) || (from === b && to === a);
    this.#wire.splice(0, this.#wire.length, ...this.#wire.filter((parcel) => !isBetween(parcel)));
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.router(one).linkDown(other);
      this.#nodes.get(one)!.server.forget(other);
    }
    this.#cut.add([a, b].sort().join());
  }

  heal(a: StoreId, b: StoreId): void {
    this.#cut.delete([a, b].sort().join());
    this.router(a).linkUp(b);
    this.router(b).linkUp(a);
  }

  /** The owner is known to have begun another life: the one before died. */
  restartOwner(boot: number): void {
    const members = new Map(this.map.members);
    members.set(this.owner, { ...members.get(this.owner)!, boot });
    this.map = { ...this.map, members };
    for (const { router } of this.#nodes.values()) router.applyMap(this.map);
  }

  /** Carries what is on the wire, and lets time pass. */
  run(ms: number): void {
    for (let passed = 0; ; passed += 10) {
      for (let parcel = this.#wire.shift(); parcel; parcel = this.#wire.shift()) this.#deliver(parcel);
      if (passed >= ms) return;
      this.clock.advance(10);
    }
  }

  /** The owner answers what came first, with its input. @returns it */
  answerNext(): RoutedCommand {
    const command = this.arrived.shift();
    if (!command) throw new Error('nothing has come');
    command.caller.replied(command.input, {
      commandId: command.commandId,
      replayed: false,
      recorded: true,
      woke: undefined,
    });
    return command;
  }

  #addNode(storeId: StoreId, mistaken: Mistaken): void {
    const { clock } = this;
    const send = (to: StoreId, bytes: Buffer): boolean => {
      if (!this.isUp(storeId, to)) return false;
      this.#wire.push({ from: storeId, to, message: decodeCommandMessage(bytes) });
      return true;
    };
    const receive = (command: RoutedCommand) => void this.arrived.push(command);
    const router: Router = new Router({
      storeId,
      boot: 1,
      clock,
      log: silentLog,
      mistaken,
      send,
      isUp: (peer) => this.isUp(storeId, peer),
      bootOf: (peer) => this.map.members.get(peer)!.boot,
      receive,
      nextCommandId: () => `~${storeId}.${++this.#ids}`,
    });
    const server = new CommandServer({
      clock,
      mistaken,
      send,
      reset: () => {},
      isHere: (each) => router.isHere(each),
      epochOf: (each) => (router.isHere(each) ? this.map.shards[each]!.active.epoch : undefined),
      committed: () => 7,
      receive,
      relayFrom: (each) => router.relayFrom(each),
      relay: (command) => router.relay(command),
    });
    this.#nodes.set(storeId, { router, server });
  }

  #deliver({ from, to, message }: Parcel): void {
    if (!this.isUp(from, to)) return;
    const { router, server } = this.#nodes.get(to)!;
    if (message.type === 'open') server.open(from, message);
    else if (message.type === 'command') server.command(from, message);
    else router.received(from, message);
  }
}
