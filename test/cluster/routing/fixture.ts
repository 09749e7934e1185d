/** A shard on three nodes, and what a router on one that does not own it is told and sends. */
import type { RoutedCommand } from '../../../src/actors/elsewhere.ts';
import type { ClusterMap } from '../../../src/cluster/membership/cluster-map.ts';
import type { Mistaken } from '../../../src/cluster/mistakes.ts';
import { type CommandMessage, decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { Router } from '../../../src/cluster/routing/router.ts';
import { silentLog } from '../../../src/core/log.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { settledMap } from '../map-fixture.ts';

export const shard = 0;
const map = settledMap(3, 1);
export const { owner } = map.shards[shard]!.assigned;
export const self = [...map.members.keys()].find((each) => each !== owner)!;

/** The map after a loss was accepted: the shard is given to the same owner again so many epochs later. */
export function afterLoss(epochs: number): ClusterMap {
  const { assigned, active } = map.shards[shard]!;
  const epoch = assigned.epoch + epochs;
  const loss = { epoch: assigned.epoch + 1, left: [owner], atMs: 1, times: 1 };
  const placement = { assigned: { ...assigned, epoch }, active: epochs > 1 ? { ...active, epoch } : active };
  return { ...map, version: map.version + epochs, shards: [{ ...placement, learners: [], loss }] };
}

export interface RouterScene {
  readonly mistaken?: Mistaken;
  readonly clock?: VirtualClock;
  readonly boot?: number;
  /** Takes what is to run on the router's own node. */
  readonly receive?: (command: RoutedCommand) => void;
}

/** A router that knows the map. @param sends takes what it sends to the owner */
export function routerTo(
  sends: (message: CommandMessage) => void,
  { mistaken = () => false, clock = new VirtualClock(), boot = 1, receive = () => {} }: RouterScene = {},
): Router {
  let ids = 0;
  const router = new Router({
    storeId: self,
    boot,
    clock,
    log: silentLog,
    mistaken,
    send: (to, bytes) => {
      if (to !== owner) throw new Error(`only the owner is sent anything, not ${to}`);
      sends(decodeCommandMessage(bytes));
      return true;
    },
    isUp: () => true,
    bootOf: () => 1,
    receive,
    nextCommandId: () => `~test.${++ids}`,
  });
  router.applyMap(map);
  return router;
}

/** A first attempt, with this input. */
export function commandOf(input: number, caller: RoutedCommand['caller']): RoutedCommand {
  return {
    type: 'Counter',
    id: 'one',
    shard,
    kind: 'command',
    command: 'add',
    input,
    caller,
    deadlineMs: 10_000,
    commandId: '',
    since: -1,
    delivery: undefined,
    chain: undefined,
    order: input,
    reroute: undefined,
  };
}
