/**
 * What hardly ever happens by chance, told step by step: a router and an owner. A shard leaves its owner and comes back to
 * it while commands are on their way: the owner turned the first away, and could admit those that follow.
 */
import type { Envelope } from '../../../src/actors/envelope.ts';
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { CommandServer } from '../../../src/cluster/routing/command-server.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { commandOf, owner, routerTo, self } from './fixture.ts';

/** @returns the inputs of the commands that the owner ran, in that order; sent were 1, 2 and 3 */
export function runsAfterARefusal(mistake?: ProtocolMistake): readonly unknown[] {
  const clock = new VirtualClock();
  const wire: (() => void)[] = [];
  const ran: unknown[] = [];
  const mistaken = (each: ProtocolMistake) => each === mistake;
  let turnsAway = 1;
  const router = routerTo(
    (message) =>
      wire.push(() => {
        if (message.type === 'open') server.open(self, message);
        else if (message.type === 'command') server.command(self, message);
      }),
    mistaken,
    clock,
  );
  const server = new CommandServer({
    clock,
    mistaken,
    isHere: () => true,
    epochOf: () => 1,
    committed: () => 0,
    send: (_to, bytes) => {
      const message = decodeCommandMessage(bytes);
      wire.push(() => router.received(owner, message));
      return true;
    },
    reset: () => {},
    receive: ({ input, caller, commandId }) => {
      turnsAway -= 1;
      if (turnsAway >= 0) caller.moved!('refused', { commandId } as Envelope);
      else {
        ran.push(input);
        caller.replied(undefined, { commandId, replayed: false, recorded: true, woke: undefined });
      }
    },
  });
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
