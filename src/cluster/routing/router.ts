/**
 * The router of one node: brings commands to the owner of their shard, wherever it is, and tries again by itself, with the
 * same id, while a shard moves. Callers see a pause instead of an error.
 *
 * Order (P6) is kept by lanes. A lane leads from this node to one owner, for one shard. Its commands are admitted in the
 * order sent; once the owner has turned one away, it turns away all that follow on that lane. The router then waits until
 * everything on the lane is answered or turned away, and sends what came back, in the old order, on a new lane. No two
 * lives of a node use the same lanes, and an answer counts only on the lane on which it was asked for.
 *
 * Exactly once (P4): opening a lane tells a committed position of the shard, known before the first attempt; a later
 * attempt says so, and the owner looks whether the command was recorded since.
 *
 * A shard whose owner is out of this node's reach and not of another's is reached through that one, its relay: a lane leads there,
 * and its router passes the commands on, straight to the owner, or turns them away. Such commands always say what was
 * known before their first attempt: who goes back to the direct way, or to another relay, need not wait for what is under way.
 *
 * Bounded (P9): commands in the router's hands; what comes beyond is `OVERLOADED`.
 */
import type { Elsewhere, RoutedCommand } from '../../actors/elsewhere.ts';
import type { AnswerFacts } from '../../actors/envelope.ts';
import type { Clock } from '../../core/clock.ts';
import { GreenroomError, type Rejection } from '../../core/errors.ts';
import type { Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { beforeFirst } from '../life-numbers.ts';
import type { ClusterMap } from '../membership/cluster-map.ts';
import type { Mistaken } from '../mistakes.ts';
import { type CommandMessage, encodeCommandMessage, errorFromWire } from './command-messages.ts';
import { callerInDoubt, inDoubt, unknown } from './doubt.ts';
import { Relays } from './relays.ts';
import {
  forgetPositions,
  inOrderSent,
  leadsTo,
  newPending,
  newRoute,
  ownersThatDied,
  type Pending,
  type Route,
} from './route.ts';

export interface RouterOptions {
  readonly storeId: StoreId;
  /** This life of the store. */
  readonly boot: number;
  readonly clock: Clock;
  readonly mistaken: Mistaken;
  /** False if nothing was sent. */
  readonly send: (to: StoreId, message: Buffer) => boolean;
  /** Both directions work. */
  readonly isUp: (peer: StoreId) => boolean;
  /** The life of the peer that the link leads to. */
  readonly bootOf: (peer: StoreId) => number;
  readonly log: Log;
  /** Into this node's own mailboxes. */
  readonly receive: (command: RoutedCommand) => void;
  readonly nextCommandId: () => string;
}

/** Commands in the router's hands. Beyond: `OVERLOADED`. */
export const routedMax = 200_000;
/** How much longer than a command's deadline its owner's answer is awaited. */
const answerGraceMs = 250;
const sweepEveryMs = 50;
const openAgainMs = 500;
/** How long an owner is out of reach before others are asked for a way: most that are will be back, or replaced. */
const relayAfterMs = 500;

export class Router implements Elsewhere {
  readonly relays: Relays;
  readonly #options: RouterOptions;
  readonly #routes = new Map<ShardId, Route>();
  readonly #busy = new Set<Route>();
  #map: ClusterMap | undefined;
  #lastNumber = 0;
  #lastLane: number;
  #held = 0;
  #cancelSweep: (() => void) | undefined;
  #failure: string | undefined;
  /** Commands passed on for other nodes. */
  relayed = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#lastLane = beforeFirst(options.boot);
    const { storeId, log, isUp } = options;
    this.relays = new Relays({ self: storeId, log, isUp, map: () => this.#map });
  }

  start(): void {
    this.#cancelSweep = this.#options.clock.schedule(sweepEveryMs, () => {
      this.#sweep();
      if (this.#cancelSweep) this.start();
    });
  }

  /** Everyone who waits hears so; nothing is routed any more. */
  close(reason: string): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#failure = reason;
    for (const route of this.#busy) {
      // What was sent and not answered may have been executed.
      this.#takeBack(route);
      for (const pending of route.waiting) this.#giveUp(pending, reason);
      route.waiting = [];
    }
    this.#busy.clear();
  }

  /** Commands in its hands. */
  get length(): number {
    return this.#held;
  }

  /** A committed position of the shard that this node was told of; 0 if none. */
  knownPosition(shard: ShardId): Position {
    return this.#routes.get(shard)?.known ?? 0;
  }

  // ---- commands in ------------------------------------------------------------------------------------------

  isHere(shard: ShardId): boolean {
    return this.#routes.get(shard)?.state === 'here';
  }

  send(command: RoutedCommand): void {
    const pending = newPending(++this.#lastNumber, command);
    this.#held += 1;
    if (this.#failure !== undefined) {
      this.#giveUp(pending, this.#failure);
      return;
    }
    if (this.#held > routedMax) {
      this.#fail(
        pending,
        pending.isUncertain
          ? unknown(`${routedMax} commands are on their way from this node already`)
          : new GreenroomError('OVERLOADED', `${routedMax} commands are on their way from this node already`, {
              retryAfterMs: 500,
            }),
      );
      return;
    }
    const route = this.#route(command.shard);
    // It was tried here: the shard's own log tells what was known before.
    if (command.reroute !== undefined && pending.since < 0) pending.since = route.known;
    if (route.state === 'open' && route.waiting.length === 0) this.#transmit(route, pending);
    else {
      route.waiting.push(pending);
      this.#busy.add(route);
      if (route.state === 'here') this.#flush(route);
      else if (route.state === 'closed') this.#open(route);
    }
  }

  #route(shard: ShardId): Route {
    let route = this.#routes.get(shard);
    if (!route) {
      route = newRoute(shard);
      this.#routes.set(shard, route);
      this.#look(route);
    }
    return route;
  }

  // ---- where shards are -------------------------------------------------------------------------------------

  applyMap(map: ClusterMap): void {
    const before = this.#map;
    this.#map = map;
    for (const route of this.#routes.values())
      if (before?.shards[route.shard] !== map.shards[route.shard]) this.#look(route);
  }

  /** This node serves the shard from now on; `committed` is where its log is. */
  becomeHere(shard: ShardId, epoch: Epoch, committed: Position): void {
    const route = this.#route(shard);
    this.#takeBack(route);
    route.owner = this.#options.storeId;
    route.epoch = epoch;
    route.known = Math.max(route.known, committed);
    route.state = 'here';
    this.#flush(route);
  }

  /** This node admits nothing for the shard any more. `committed`: how far its log is known to be. */
  noLongerHere(shard: ShardId, committed: Position): void {
    const route = this.#route(shard);
    if (route.state !== 'here') return;
    route.known = Math.max(route.known, committed);
    route.state = 'closed';
    this.#look(route);
  }

  /** Follows the map: to a new owner, or into waiting. */
  #look(route: Route): void {
    const placement = this.#map?.shards[route.shard];
    if (!placement || route.state === 'here') return;
    const { assigned, active, loss } = placement;
    if (loss && loss.epoch > route.epoch) forgetPositions(route);
    if (active.epoch === assigned.epoch && active.epoch !== route.epoch) {
      // The one before is fenced: what it did not answer is found out by its successor.
      this.#takeBack(route);
      route.epoch = active.epoch;
      route.owner = assigned.owner;
      route.cutOffSinceMs = undefined;
      route.state = 'closed';
    }
    if (route.state === 'closed') this.#open(route);
  }

  /** Everything on the lane is to be sent again. */
  #takeBack(route: Route): void {
    for (const pending of route.sent.values()) {
      pending.isUncertain = true;
      route.waiting.push(pending);
    }
    route.sent.clear();
    if (route.waiting.length > 0) this.#busy.add(route);
  }

  #open(route: Route, isWanted = route.waiting.length > 0): void {
    const { owner, shard, epoch } = route;
    if (owner === undefined || owner === this.#options.storeId || !isWanted) return;
    const isDirect = this.#options.isUp(owner);
    const to = isDirect ? owner : this.#relayTo(route, owner);
    if (to === undefined) return;
    if (isDirect) route.cutOffSinceMs = undefined;
    route.via = isDirect ? undefined : to;
    route.lane = ++this.#lastLane;
    route.openedAtMs = this.#options.clock.monotonicMs();
    const message = encodeCommandMessage({ type: 'open', shard, lane: route.lane, epoch, isToRelay: !isDirect });
    if (this.#options.send(to, message)) route.state = 'opening';
  }

  /** Who is to be asked to pass on what waits for an owner out of reach. What came to be passed on goes back. */
  #relayTo(route: Route, owner: StoreId): StoreId | undefined {
    const { waiting } = route;
    route.waiting = waiting.filter(({ command }) => !command.isRelayed);
    for (const pending of waiting) if (pending.command.isRelayed) this.#turnBack(pending);
    if (route.waiting.length === 0) return undefined;
    const nowMs = this.#options.clock.monotonicMs();
    route.cutOffSinceMs ??= nowMs;
    return nowMs - route.cutOffSinceMs < relayAfterMs ? undefined : this.relays.next(owner);
  }

  #turnBack({ command, isUncertain, commandId }: Pending): void {
    this.#held -= 1;
    command.caller.moved!(isUncertain ? 'uncertain' : 'refused', { commandId });
  }

  /** A committed position of the shard, if what is passed on now would go straight to its owner. */
  relayFrom(shard: ShardId): Position | undefined {
    const route = this.#route(shard);
    if (route.state === 'closed' && route.owner !== undefined && this.#options.isUp(route.owner))
      this.#open(route, true);
    return route.state === 'open' && route.via === undefined ? route.known : undefined;
  }

  /** Passes on a command of a node that cannot reach the owner. */
  relay(command: RoutedCommand): void {
    this.relayed += 1;
    this.send(command);
  }

  #flush(route: Route): void {
    const { waiting } = route;
    if (waiting.length === 0) return;
    route.waiting = [];
    if (!this.#options.mistaken('retries in another order')) waiting.sort(inOrderSent);
    else waiting.reverse();
    for (const pending of waiting) {
      if (route.state === 'open') this.#transmit(route, pending);
      else if (route.state === 'here') this.#runHere(route, pending);
      else route.waiting.push(pending);
    }
    if (route.sent.size === 0 && route.waiting.length === 0) this.#busy.delete(route);
  }

  /** Into this node's own mailboxes: from there on it is the host's, and comes back only if the shard moves again. */
  #runHere(route: Route, pending: Pending): void {
    if (this.#hasKilled(pending)) return;
    this.#held -= 1;
    const { command } = pending;
    this.#options.receive({
      ...command,
      caller: pending.isUncertain ? callerInDoubt(command.caller) : command.caller,
      commandId: pending.commandId as RoutedCommand['commandId'],
      since: this.#sinceOf(route, pending),
      reroute: undefined,
    });
  }

  #transmit(route: Route, pending: Pending): void {
    if (this.#hasKilled(pending)) return;
    const { command } = pending;
    if (route.via !== undefined && command.isRelayed) {
      this.#turnBack(pending);
      return;
    }
    const nowMs = this.#options.clock.monotonicMs();
    if (pending.commandId === '' && command.delivery === undefined) pending.commandId = this.#options.nextCommandId();
    const since = this.#sinceOf(route, pending);
    const { delivery } = command;
    const message = encodeCommandMessage({
      type: 'command',
      shard: route.shard,
      lane: route.lane,
      number: pending.number,
      actorType: command.type,
      id: command.id,
      kind: command.kind === 'delete' ? 'delete' : 'command',
      command: command.command,
      input: command.input,
      timeoutMs: Math.max(0, Math.ceil(command.deadlineMs - nowMs)),
      commandId: pending.commandId,
      since,
      delivery: delivery && [delivery.senderType, delivery.senderId, delivery.number, delivery.previous],
      chain: command.chain,
    });
    this.#busy.add(route);
    if (!this.#options.send(leadsTo(route)!, message)) {
      route.waiting.push(pending);
      if (route.state === 'open') route.state = route.sent.size > 0 ? 'closing' : 'closed';
      return;
    }
    pending.attempts += 1;
    route.sent.set(pending.number, pending);
    route.earliestMs = Math.min(route.earliestMs, command.deadlineMs);
  }

  /** For a first attempt nothing has to be searched; for a later one, from what was known before the first. */
  #sinceOf(route: Route, pending: Pending): Position {
    if (pending.attempts > 0 || pending.isUncertain)
      return this.#options.mistaken('retry without search') ? -1 : Math.max(0, pending.since);
    if (pending.command.since < 0) pending.since = route.known;
    // Its relay may still try it when it has been sent again from here.
    if (route.via !== undefined && !this.#options.mistaken('relayed command not searched')) return pending.since;
    return pending.command.since;
  }

  /** A command with which one owner after another dies is not tried for ever. */
  #hasKilled(pending: Pending): boolean {
    const died = ownersThatDied(pending, this.#map);
    if (died === 0) return false;
    this.#fail(pending, unknown(`${died} nodes died while they ran this command; it is not tried again`));
    return true;
  }

  // ---- answers ----------------------------------------------------------------------------------------------

  received(from: StoreId, message: CommandMessage): void {
    switch (message.type) {
      case 'opened': {
        const route = this.#routes.get(message.shard);
        if (!route || route.lane !== message.lane || route.state !== 'opening' || from !== leadsTo(route)) return;
        if (route.via !== undefined) this.relays.works(route.owner!, route.via);
        route.known = Math.max(route.known, message.position);
        route.state = 'open';
        this.#flush(route);
        return;
      }
      case 'notOpen': {
        const route = this.#routes.get(message.shard);
        if (!route || route.lane !== message.lane || route.state !== 'opening') return;
        route.state = 'closed';
        if (route.via !== undefined) this.relays.fails(route.owner!, route.via);
        return;
      }
      case 'reply':
      case 'failure':
      case 'moved':
        this.#answered(message);
        return;
      default:
        return;
    }
  }

  #answered(message: CommandMessage & { type: 'reply' | 'failure' | 'moved' }): void {
    const route = this.#routes.get(message.shard);
    const pending = route?.sent.get(message.number);
    if (!route || !pending) return;
    if (message.lane !== route.lane && !this.#options.mistaken('answer of another lane taken')) return;
    route.sent.delete(message.number);
    if (message.type === 'moved') {
      pending.commandId = message.commandId || pending.commandId;
      if (message.reroute === 'uncertain') {
        pending.isUncertain = true;
        if (route.via !== undefined) this.#noteLoss(route, pending);
      }
      route.waiting.push(pending);
      if (route.state === 'open' && !this.#options.mistaken('lane stays open after a refusal')) route.state = 'closing';
    } else {
      this.#held -= 1;
      const facts: AnswerFacts = {
        commandId: message.commandId,
        recorded: message.recorded,
        replayed: message.type === 'reply' && message.replayed,
        woke:
          message.type === 'reply' && message.woke
            ? { tookMs: message.woke[0], eventsReplayed: message.woke[1] }
            : undefined,
      };
      if (message.type === 'reply') {
        route.known = Math.max(route.known, message.position);
        pending.command.caller.replied(message.reply, facts);
      } else {
        const error = errorFromWire(message.error);
        pending.command.caller.failed(pending.isUncertain ? inDoubt(error) : error, facts);
      }
    }
    if (route.sent.size > 0) return;
    if (route.state === 'closing') route.state = 'closed';
    if (route.waiting.length === 0) this.#busy.delete(route);
    else if (this.#options.mistaken('lane stays open after a refusal') && route.state === 'open') this.#flush(route);
  }

  // ---- links and time ---------------------------------------------------------------------------------------

  /** A way to the peer, or back from it, broke. */
  linkDown(peer: StoreId): void {
    for (const route of this.#routes.values()) {
      if (leadsTo(route) !== peer || route.state === 'here') continue;
      for (const pending of route.sent.values()) this.#noteLoss(route, pending);
      this.#takeBack(route);
      route.state = 'closed';
    }
  }

  linkUp(peer: StoreId): void {
    this.relays.linkUp(peer);
    for (const route of this.#routes.values()) {
      if (route.owner !== peer || route.state === 'here') continue;
      if (route.via !== undefined) {
        this.#takeBack(route);
        route.via = undefined;
        route.state = 'closed';
      }
      if (route.state === 'closed') this.#open(route);
    }
  }

  /** The way to the owner broke with the command on it: the owner may have died of it. */
  #noteLoss({ owner }: Route, pending: Pending): void {
    pending.lostWith = [...pending.lostWith, { storeId: owner!, boot: this.#options.bootOf(owner!) }];
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const route of this.#busy) {
      if (route.waiting.length > 0)
        route.waiting = route.waiting.filter((pending) => {
          if (nowMs < pending.command.deadlineMs) return true;
          this.#giveUp(pending, 'the shard had no owner in reach until the deadline');
          return false;
        });
      if (nowMs >= route.earliestMs + answerGraceMs) this.#failLate(route, nowMs);
      if (route.state === 'closing' && route.sent.size === 0) route.state = 'closed';
      if (route.state === 'opening' && nowMs - route.openedAtMs > openAgainMs) route.state = 'closed';
      if (route.waiting.length === 0 && route.sent.size === 0) this.#busy.delete(route);
      else if (route.state === 'closed') this.#open(route);
    }
  }

  #failLate(route: Route, nowMs: number): void {
    route.earliestMs = Number.POSITIVE_INFINITY;
    for (const pending of route.sent.values()) {
      const { deadlineMs } = pending.command;
      if (nowMs < deadlineMs + answerGraceMs) {
        route.earliestMs = Math.min(route.earliestMs, deadlineMs);
        continue;
      }
      route.sent.delete(pending.number);
      this.#fail(pending, unknown('its owner did not answer until the deadline'));
    }
  }

  #giveUp(pending: Pending, reason: string): void {
    this.#fail(
      pending,
      pending.isUncertain
        ? unknown(reason)
        : new GreenroomError('UNAVAILABLE', `${reason}; the command was not executed`, { retryAfterMs: 500 }),
    );
  }

  #fail(pending: Pending, error: GreenroomError | Rejection): void {
    this.#held -= 1;
    pending.command.caller.failed(error, {
      commandId: pending.commandId,
      replayed: false,
      recorded: false,
      woke: undefined,
    });
  }
}
