/** What hardly ever happens by chance, told step by step: a router and an owner. */
import type { Caller, Envelope } from '../../../src/actors/envelope.ts';
import type { ProtocolMistake } from '../../../src/cluster/mistakes.ts';
import { decodeCommandMessage } from '../../../src/cluster/routing/command-messages.ts';
import { CommandServer } from '../../../src/cluster/routing/command-server.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { commandOf, owner, routerTo, self } from './fixture.ts';

/**
 * A shard leaves its owner and comes back to it while commands are on their way: the owner turned the first away, and
 * could admit those that follow.
 * @returns the inputs of the commands that the owner ran, in that order; sent were 1, 2 and 3
 */
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

/**
 * A node dies while a slow owner works on its first command; its next life sends one, too, before the first is answered.
 * @returns what the second life was told of its command, whose input is 2; every command's reply is its input
 */
export function repliesInTheNextLife(mistake?: ProtocolMistake): readonly unknown[] {
  const clock = new VirtualClock();
  const mistaken = (each: ProtocolMistake) => each === mistake;
  const replies: unknown[] = [];
  const wire: (() => void)[] = [];
  const work: (() => void)[] = [];
  const arrive = () => {
    for (const next of wire) next();
    wire.length = 0;
  };
  const life = (boot: number) =>
    routerTo(
      (message) =>
        wire.push(() => {
          if (message.type === 'open') server.open(self, message);
          else if (message.type === 'command') server.command(self, message);
        }),
      mistaken,
      clock,
      boot,
    );
  let living = life(1);
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
    receive: ({ input, caller, commandId }) =>
      work.push(() => caller.replied(input, { commandId, replayed: false, recorded: true, woke: undefined })),
  });
  const caller: Caller = { replied: (reply) => replies.push(reply), failed: ({ code }) => replies.push(code) };
  living.send(commandOf(1, { replied() {}, failed() {} }));
  arrive();
  living = life(2);
  living.send(commandOf(2, caller));
  arrive();
  for (const done of work) done();
  arrive();
  return replies;
}
