/** What hardly ever happens by chance, told step by step: a router and an owner. */
import type { RoutedCommand } from '../../../src/actors/elsewhere.ts';
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { type CommandMessage, decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { CommandServer } from '../../../src/cluster/routing/command-server.ts';
import { LateAttempts } from '../../../src/cluster/routing/late-attempts.ts';
import type { Router } from '../../../src/cluster/routing/router.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { commandOf, owner, routerTo, self } from './fixture.ts';
import { RelayScene } from './relay-scene.ts';

/** An owner, and a router that speaks to it in one life after the other; what they send waits on the wire. */
function scene(mistake: ProtocolMistake | undefined, receive: (command: RoutedCommand) => void) {
  const clock = new VirtualClock();
  const mistaken = (each: ProtocolMistake) => each === mistake;
  const wire: (() => void)[] = [];
  let living: Router;
  const server = new CommandServer({
    clock,
    mistaken,
    isHere: () => true,
    epochOf: () => 1,
    committed: () => 0,
    send: (_to, bytes) => {
      wire.push(() => living.received(owner, decodeCommandMessage(bytes)));
      return true;
    },
    reset: () => {},
    receive,
    relayFrom: () => undefined,
    relay: () => {},
  });
  const sends = (message: CommandMessage) =>
    wire.push(() => {
      if (message.type === 'open') server.open(self, message);
      else if (message.type === 'command') server.command(self, message);
    });
  const live = (boot: number): Router => {
    living = routerTo(sends, { mistaken, clock, boot });
    return living;
  };
  return { clock, wire, live };
}

/**
 * A shard leaves its owner and comes back to it while commands are on their way: the owner turned the first away, and
 * could admit those that follow.
 * @returns the inputs of the commands that the owner ran, in that order; sent were 1, 2 and 3
 */
export function runsAfterARefusal(mistake?: ProtocolMistake): readonly unknown[] {
  const ran: unknown[] = [];
  let turnsAway = 1;
  const { clock, wire, live } = scene(mistake, ({ input, caller, commandId }) => {
    turnsAway -= 1;
    if (turnsAway >= 0) caller.moved!('refused', { commandId });
    else {
      ran.push(input);
      caller.replied(undefined, { commandId, replayed: false, recorded: true, woke: undefined });
    }
  });
  const router = live(1);
  for (const input of [1, 2, 3]) router.send(commandOf(input, { replied() {}, failed() {} }));
  router.start();
  for (let step = 0; step < 100; step++) {
    const next = wire.shift();
    if (next) next();
    else clock.advance(60);
  }
  router.close('the story is over');
  return ran;
}

/**
 * A node dies while a slow owner works on its first command; its next life sends one, too, before the first is answered.
 * @returns what the second life was told of its command, whose input is 2; every command's reply is its input
 */
export function repliesInTheNextLife(mistake?: ProtocolMistake): readonly unknown[] {
  const replies: unknown[] = [];
  const work: (() => void)[] = [];
  const { wire, live } = scene(mistake, ({ input, caller, commandId }) => {
    work.push(() => caller.replied(input, { commandId, replayed: false, recorded: true, woke: undefined }));
  });
  const arrive = () => {
    for (const next of wire) next();
    wire.length = 0;
  };
  live(1).send(commandOf(1, { replied() {}, failed() {} }));
  arrive();
  live(2).send(commandOf(2, { replied: (reply) => replies.push(reply), failed: ({ code }) => replies.push(code) }));
  arrive();
  for (const done of work) done();
  arrive();
  return replies;
}

/**
 * Over a slow link the first attempt of a command comes when the second is done.
 * @returns from where the owner searches for the two, in the order in which they come; the caller knew position 5
 */
export function searchesForALateFirst(mistake?: ProtocolMistake): readonly unknown[] {
  const late = new LateAttempts(
    () => 0,
    (each) => each === mistake,
  );
  return [late.sinceOf('command', 5), late.sinceOf('command', -1)];
}

/**
 * A command goes through another node, since no way leads to its owner.
 * @returns from where its owner has it searched; the shard's log is known to reach 7
 */
export function searchOfWhatIsRelayed(mistake?: ProtocolMistake): readonly unknown[] {
  const scene = new RelayScene(3, (each) => each === mistake);
  const [self, ...others] = scene.others as [StoreId, StoreId];
  scene.cut(self, scene.owner);
  scene.router(self).send(commandOf(1, { replied() {}, failed() {} }));
  scene.run(1_000);
  for (const each of [self, scene.owner, ...others]) scene.router(each).close('the story is over');
  return scene.arrived.map(({ since }) => since);
}

/** Each is told differently if a mistake is made that it is about. */
export const routingStories = [
  runsAfterARefusal,
  repliesInTheNextLife,
  searchesForALateFirst,
  searchOfWhatIsRelayed,
] as const;
