import fc from 'fast-check';
import { given, startTestNode } from 'greenroom/testing';
import { describe, expect, test } from 'vitest';
import { eventually, onRealNode } from '../test/node-in-temporary-directory.ts';
import { BankAccount, Transfer } from './bank-account.ts';

const opened = { type: 'Opened' } as const;
const deposited = (amount: number) => ({ type: 'Deposited' as const, data: { amount } });
const started = { type: 'Started' as const, data: { from: 'alice', to: 'bob', amount: 30 } };

describe('a bank account', () => {
  test('has to be opened first', async () => {
    expect((await given(BankAccount).when('deposit', 10)).rejection?.code).toBe('ACCOUNT_CLOSED');
    expect((await given(BankAccount, [opened]).when('deposit', 10)).reply).toBe(10);
  });

  test('is never overdrawn', async () => {
    const { rejection } = await given(BankAccount, [opened, deposited(10)]).when('withdraw', 11);
    expect(rejection).toMatchObject({ code: 'INSUFFICIENT_FUNDS', details: { balance: 10 } });
  });

  test('is closed only when it is empty', async () => {
    expect((await given(BankAccount, [opened, deposited(1)]).when('close')).rejection?.code).toBe('NOT_EMPTY');
    expect((await given(BankAccount, [opened]).when('close')).events).toEqual([{ type: 'Closed' }]);
  });

  test('takes money out for a transfer, or tells it why not', async () => {
    const past = [opened, deposited(50)];
    const paid = await given(BankAccount, past).when('withdrawFor', { transfer: 't1', amount: 30 });
    expect(paid.state.balance).toBe(20);
    expect(paid.tells).toEqual([{ type: 'Transfer', id: 't1', command: 'withdrawn', input: undefined }]);
    const poor = await given(BankAccount, past).when('withdrawFor', { transfer: 't1', amount: 60 });
    expect(poor.events).toEqual([]);
    expect(poor.tells).toEqual([{ type: 'Transfer', id: 't1', command: 'failed', input: 'INSUFFICIENT_FUNDS' }]);
  });
});

describe('a transfer', () => {
  test('begins by taking the money out', async () => {
    const { tells } = await given(Transfer, [], { id: 't1' }).when('start', started.data);
    expect(tells).toEqual([
      { type: 'BankAccount', id: 'alice', command: 'withdrawFor', input: { transfer: 't1', amount: 30 } },
    ]);
  });

  test('started twice with the same order starts once; with another one it is refused', async () => {
    const again = await given(Transfer, [started]).when('start', started.data);
    expect([again.events, again.tells]).toEqual([[], []]);
    const other = await given(Transfer, [started]).when('start', { ...started.data, amount: 31 });
    expect(other.rejection?.code).toBe('TRANSFER_EXISTS');
  });

  test('puts the money back when the receiver refuses it', async () => {
    const { tells, state } = await given(Transfer, [started, { type: 'Withdrawn' }], { id: 't1' }).when('refused');
    expect(state.status).toBe('refunding');
    expect(tells).toEqual([
      { type: 'BankAccount', id: 'alice', command: 'refundFor', input: { transfer: 't1', amount: 30 } },
    ]);
  });
});

const people = ['ann', 'bob', 'cat'] as const;
const person = fc.constantFrom(...people);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('transfer' as const),
      from: person,
      to: person,
      amount: fc.integer({ min: 1, max: 150 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close' as const), of: person }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
);

test('whatever is transferred, closed and crashed, money is neither created nor lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      await using node = await startTestNode({ actors: [BankAccount, Transfer] });
      for (const name of people) {
        await node.actor(BankAccount, name).open();
        await node.actor(BankAccount, name).deposit(100);
      }
      const transfers: string[] = [];
      for (const [index, one] of steps.entries()) {
        if (one.type === 'crash') await node.crash();
        else if (one.type === 'close')
          await node
            .actor(BankAccount, one.of)
            .close()
            .catch(() => {});
        else if (one.from !== one.to) {
          transfers.push(`t${index}`);
          await node.actor(Transfer, `t${index}`).start({ from: one.from, to: one.to, amount: one.amount });
        }
      }
      // Whoever was out of memory in a crash sends its unsent tells when it wakes.
      for (let round = 0; round < 3; round++) {
        for (const id of transfers) await node.actor(Transfer, id).get();
        for (const name of people)
          await node
            .actor(BankAccount, name)
            .balance()
            .catch(() => {});
        await node.settle();
      }
      let total = 0;
      for (const name of people) total += (await node.state(BankAccount, name))!.balance;
      expect(total).toBe(300);
      for (const id of transfers) expect(['done', 'failed']).toContain((await node.state(Transfer, id))!.status);
    }),
    { numRuns: 60, seed: 20_260_101 },
  );
});

test('a transfer goes through on a real node', async () => {
  await onRealNode([BankAccount, Transfer], async ({ node }) => {
    for (const name of ['alice', 'bob']) await node.actor(BankAccount, name).open();
    await node.actor(BankAccount, 'alice').deposit(100);
    await node.actor(Transfer, 't1').start({ from: 'alice', to: 'bob', amount: 30 });
    const { status } = await eventually(
      () => node.actor(Transfer, 't1').get(),
      (transfer) => transfer.status === 'done',
    );
    expect(status).toBe('done');
    expect(await node.actor(BankAccount, 'alice').balance()).toBe(70);
    expect(await node.actor(BankAccount, 'bob').balance()).toBe(30);
  });
});
