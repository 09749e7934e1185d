import { expect, test } from 'vitest';
import { Actor, durableState, eventSourced } from '../../src/actors/actor.ts';
import { GreenroomError, Rejection } from '../../src/core/errors.ts';
import { startTestNode } from '../../src/testing/index.ts';

class Account extends eventSourced({
  initialState: () => ({ balance: 0 }),
  events: {
    Deposited: (account, amount: number) => ({ balance: account.balance + amount }),
    Withdrawn: (account, amount: number) => ({ balance: account.balance - amount }),
  },
  passivateAfter: '1m',
}) {
  deposit(amount: number) {
    this.persist('Deposited', amount);
    return this.state.balance;
  }
  send({ amount, to }: { amount: number; to: string }) {
    if (amount > this.state.balance) throw new Rejection('NO_FUNDS', 'not enough');
    this.persist('Withdrawn', amount);
    this.tell(this.actor(Account, to)).deposit(amount);
  }
  balance() {
    return this.state.balance;
  }
}
class Slow extends durableState({ initialState: () => 0, commandTimeout: '5s' }) {
  async forever() {
    await new Promise(() => {});
  }
}
class Cache extends Actor {
  hits = 0;
  hit() {
    this.hits += 1;
    return this.hits;
  }
}

test('actors talk to each other, and settle waits until they have', async () => {
  await using node = await startTestNode({ actors: [Account] });
  await node.actor(Account, 'alice').deposit(10);
  await node.actor(Account, 'alice').send({ amount: 4, to: 'bob' });
  await node.settle();
  expect(await node.events(Account, 'bob')).toEqual([{ type: 'Deposited', data: 4 }]);
  expect(await node.state(Account, 'alice')).toEqual({ balance: 6 });
});

test('an actor that never recorded anything has no events and no state', async () => {
  await using node = await startTestNode({ actors: [Account] });
  expect(await node.events(Account, 'nobody')).toEqual([]);
  expect(await node.state(Account, 'nobody')).toBeUndefined();
});

test('idle actors leave memory when time passes, and wake again', async () => {
  await using node = await startTestNode({ actors: [Account] });
  await node.actor(Account, 'alice').deposit(10);
  await node.advance('59s');
  expect(node.activeCount).toBe(1);
  await node.advance('2s');
  expect(node.activeCount).toBe(0);
  expect(await node.actor(Account, 'alice').balance()).toBe(10);
  expect(node.activeCount).toBe(1);
});

test('passivate takes an actor out at once; what lived in memory only is gone', async () => {
  await using node = await startTestNode({ actors: [Cache] });
  await node.actor(Cache, 'x').hit();
  expect(await node.actor(Cache, 'x').hit()).toBe(2);
  await node.passivate(Cache, 'x');
  expect(await node.actor(Cache, 'x').hit()).toBe(1);
});

test('a command that takes too long fails when its time-out has passed', async () => {
  await using node = await startTestNode({ actors: [Slow] });
  const code = node
    .actor(Slow, 'x')
    .forever()
    .then(
      () => 'none',
      (error: GreenroomError) => error.code,
    );
  await node.advance('6s');
  expect(await code).toBe('COMMAND_FAILED');
});

test('what was acknowledged survives a crash, and refs stay good', async () => {
  await using node = await startTestNode({ actors: [Account] });
  const alice = node.actor(Account, 'alice');
  await alice.deposit(10);
  await node.crash();
  expect(await alice.balance()).toBe(10);
});

test('who waits for an answer when the node crashes gets OUTCOME_UNKNOWN', async () => {
  await using node = await startTestNode({ actors: [Account] });
  const answer = node.actor(Account, 'alice').deposit(10);
  const crashed = node.crash();
  await expect(answer).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  await crashed;
  expect([0, 10]).toContain(await node.actor(Account, 'alice').balance());
});

test('a tell that was recorded arrives after a crash', async () => {
  await using node = await startTestNode({ actors: [Account] });
  await node.actor(Account, 'alice').deposit(10);
  await node.actor(Account, 'alice').send({ amount: 4, to: 'bob' });
  await node.crash();
  // Its outbox is sent again when alice wakes.
  await node.actor(Account, 'alice').balance();
  await node.settle();
  expect(await node.actor(Account, 'bob').balance()).toBe(4);
});

test('an error has its public code', async () => {
  await using node = await startTestNode({ actors: [Account] });
  await expect(node.actor(Account, 'x').send({ amount: 1, to: 'y' })).rejects.toThrow(Rejection);
  await expect(node.gateway.inspect('Nope', 'x' as never)).rejects.toThrow(GreenroomError);
});
