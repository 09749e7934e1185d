/**
 * The other side of routing: admits what other nodes' routers send for shards served here, in the order of each lane,
 * and answers; what is to be relayed goes to this node's own router. See router.ts for what a lane is.
 */
import type { RoutedCommand } from '../../actors/elsewhere.ts';
import type { AnswerFacts, Caller } from '../../actors/envelope.ts';
import type { Clock } from '../../core/clock.ts';
import type { GreenroomError, Rejection, Reroute } from '../../core/errors.ts';
import type { CommandId, Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import type { Mistaken } from '../mistakes.ts';
import { type CommandMessage, encodeCommandMessage, errorToWire } from './command-messages.ts';

export interface CommandServerOptions {
  readonly clock: Clock;
  readonly mistaken: Mistaken;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  /** The answer cannot be brought back: the peer has to notice, and to ask again. */
  readonly reset: (peer: StoreId) => void;
  /** Whether commands for the shard are admitted now. */
  readonly isHere: (shard: ShardId) => boolean;
  /** The epoch in which this node serves the shard now. */
  readonly epochOf: (shard: ShardId) => Epoch | undefined;
  readonly committed: (shard: ShardId) => Position;
  /** Into this node's mailboxes. */
  readonly receive: (command: RoutedCommand) => void;
  /** A committed position of the shard, if a direct way to its owner is open. */
  readonly relayFrom: (shard: ShardId) => Position | undefined;
  /** To the owner, through this node's router. */
  readonly relay: (command: RoutedCommand) => void;
}

type Message<Type extends CommandMessage['type']> = CommandMessage & { readonly type: Type };

interface Lane {
  readonly number: number;
  /** A lane ends with the epoch in which it was opened, also where the next one is served here again. */
  readonly epoch: Epoch | undefined;
  /** Its commands are for another node. */
  readonly isRelay: boolean;
  isOpen: boolean;
}

export class CommandServer {
  readonly #options: CommandServerOptions;
  readonly #lanes = new Map<StoreId, Map<ShardId, Lane>>();

  constructor(options: CommandServerOptions) {
    this.#options = options;
  }

  /** A peer's earlier messages, or its earlier life, are over. */
  forget(peer: StoreId): void {
    this.#lanes.delete(peer);
  }

  open(from: StoreId, { shard, lane, isToRelay }: Message<'open'>): void {
    const isHere = this.#options.isHere(shard);
    const position = isHere ? this.#options.committed(shard) : isToRelay ? this.#options.relayFrom(shard) : undefined;
    if (position === undefined) {
      this.#send(from, { type: 'notOpen', shard, lane });
      return;
    }
    let lanes = this.#lanes.get(from);
    if (!lanes) {
      lanes = new Map();
      this.#lanes.set(from, lanes);
    }
    lanes.set(shard, { number: lane, epoch: this.#options.epochOf(shard), isRelay: !isHere, isOpen: true });
    this.#send(from, { type: 'opened', shard, lane, position });
  }

  command(from: StoreId, message: Message<'command'>): void {
    const { shard, number, actorType, id, kind, command, input, timeoutMs, since, delivery, chain } = message;
    const lane = this.#lanes.get(from)?.get(shard);
    const isOpen = lane !== undefined && lane.number === message.lane && lane.isOpen;
    if (!isOpen || this.#options.isHere(shard) === lane.isRelay || lane.epoch !== this.#options.epochOf(shard)) {
      if (lane?.number === message.lane && !this.#options.mistaken('lane stays open after a refusal'))
        lane.isOpen = false;
      const { commandId } = message;
      this.#send(from, { type: 'moved', shard, lane: message.lane, number, reroute: 'refused', commandId });
      return;
    }
    const take = lane.isRelay ? this.#options.relay : this.#options.receive;
    take({
      type: actorType,
      id,
      shard,
      kind,
      command,
      input,
      caller: new RemoteCaller(this, from, lane, shard, number),
      deadlineMs: this.#options.clock.monotonicMs() + timeoutMs,
      commandId: message.commandId as CommandId,
      since,
      delivery: delivery && {
        senderType: delivery[0],
        senderId: delivery[1],
        number: delivery[2],
        previous: delivery[3],
      },
      chain,
      order: 0,
      reroute: undefined,
      isRelayed: lane.isRelay,
    });
  }

  /** @internal */
  answer(to: StoreId, message: CommandMessage): void {
    this.#send(to, message);
  }

  /** @internal */
  position(shard: ShardId): Position {
    return this.#options.committed(shard);
  }

  /** @internal */
  turnAway(lane: Lane): void {
    if (!this.#options.mistaken('lane stays open after a refusal')) lane.isOpen = false;
  }

  #send(to: StoreId, message: CommandMessage): void {
    if (!this.#options.send(to, encodeCommandMessage(message))) this.#options.reset(to);
  }
}

/** Whoever waits for an answer on another node. */
class RemoteCaller implements Caller {
  readonly #server: CommandServer;
  readonly #from: StoreId;
  readonly #lane: Lane;
  readonly #shard: ShardId;
  readonly #number: number;

  constructor(server: CommandServer, from: StoreId, lane: Lane, shard: ShardId, number: number) {
    this.#server = server;
    this.#from = from;
    this.#lane = lane;
    this.#shard = shard;
    this.#number = number;
  }

  replied(reply: unknown, { commandId, replayed, recorded, woke }: AnswerFacts): void {
    this.#server.answer(this.#from, {
      type: 'reply',
      shard: this.#shard,
      lane: this.#lane.number,
      number: this.#number,
      reply,
      commandId,
      replayed,
      recorded,
      woke: woke && [woke.tookMs, woke.eventsReplayed],
      position: this.#server.position(this.#shard),
    });
  }

  failed(error: GreenroomError | Rejection, { commandId, recorded }: AnswerFacts): void {
    this.#server.answer(this.#from, {
      type: 'failure',
      shard: this.#shard,
      lane: this.#lane.number,
      number: this.#number,
      error: errorToWire(error),
      commandId,
      recorded,
    });
  }

  moved(reroute: Reroute, { commandId }: { readonly commandId: string }): void {
    this.#server.turnAway(this.#lane);
    this.#server.answer(this.#from, {
      type: 'moved',
      shard: this.#shard,
      lane: this.#lane.number,
      number: this.#number,
      reroute,
      commandId,
    });
  }
}
