/** What a router knows of the way to a shard, and of a command that it has in hand. See router.ts. */
import type { RoutedCommand } from '../../actors/elsewhere.ts';
import type { Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import type { ClusterMap } from '../membership/cluster-map.ts';

interface LostOwner {
  readonly storeId: StoreId;
  readonly boot: number;
}

const noneLost: readonly LostOwner[] = [];

/** A command in the router's hands. */
export interface Pending {
  readonly number: number;
  readonly command: RoutedCommand;
  commandId: string;
  /** A position of the shard known before the first attempt; −1: it was not tried. */
  since: Position;
  /** It may have been executed. */
  isUncertain: boolean;
  attempts: number;
  /** Owners whose link broke with it on its way. */
  lostWith: readonly LostOwner[];
}

export interface Route {
  readonly shard: ShardId;
  owner: StoreId | undefined;
  /** The lane leads to this member, which passes on what is sent: no way leads to the owner. */
  via: StoreId | undefined;
  /** When its owner was first found out of reach. */
  cutOffSinceMs: number | undefined;
  epoch: Epoch;
  lane: number;
  state:
    | 'here'
    /** Nobody serves the shard, or no way leads there. */
    | 'closed'
    | 'opening'
    | 'open'
    /** One was turned away: the others' answers are awaited. */
    | 'closing';
  /** A committed position. */
  known: Position;
  readonly sent: Map<number, Pending>;
  /** No deadline of what was sent is before this. */
  earliestMs: number;
  waiting: Pending[];
  openedAtMs: number;
}

/** Owners whose process may die with one command on its way. Then its outcome is unknown, and it is not tried again. */
const ownersLostMax = 2;

export function newRoute(shard: ShardId): Route {
  return {
    shard,
    owner: undefined,
    via: undefined,
    cutOffSinceMs: undefined,
    epoch: 0,
    lane: 0,
    state: 'closed',
    known: 0,
    sent: new Map(),
    earliestMs: Number.POSITIVE_INFINITY,
    waiting: [],
    openedAtMs: 0,
  };
}

export function newPending(number: number, command: RoutedCommand): Pending {
  const { commandId, since, reroute } = command;
  return {
    number,
    command,
    commandId,
    since,
    isUncertain: reroute === 'uncertain',
    attempts: reroute === undefined ? 0 : 1,
    lostWith: noneLost,
  };
}

/** Whom the lane leads to: the owner, or its relay. */
export function leadsTo({ via, owner }: Route): StoreId | undefined {
  return via ?? owner;
}

/**
 * A loss was accepted since: the log may end below what was known of it, and what was tried may be recorded again further
 * down. So it is searched from the beginning.
 */
export function forgetPositions(route: Route): void {
  route.known = 0;
  for (const pending of [...route.sent.values(), ...route.waiting]) pending.since = Math.min(pending.since, 0);
}

/**
 * How many lives of owners ended with the command on its way, if they are too many to try it again; else 0. A link that
 * broke alone does not count.
 */
export function ownersThatDied({ lostWith }: Pending, map: ClusterMap | undefined): number {
  if (lostWith.length < ownersLostMax) return 0;
  const lives = new Set<string>();
  for (const { storeId, boot } of lostWith) {
    const member = map?.members.get(storeId);
    const isGone = !member || member.boot > boot || member.status === 'down' || member.status === 'removed';
    if (isGone) lives.add(`${storeId}/${boot}`);
  }
  return lives.size < ownersLostMax ? 0 : lives.size;
}

/** Commands passed on for others have no place among this node's own: they keep the order in which they came. */
export function inOrderSent(a: Pending, b: Pending): number {
  return a.command.order - b.command.order || a.number - b.number;
}
