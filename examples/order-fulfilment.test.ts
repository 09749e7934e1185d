import type { StateOf } from 'greenroom';
import { given, startTestNode } from 'greenroom/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { auditOrders, type Books, isFinal, type OrderView } from '../test/chaos/order-audit.ts';
import { OrderCustomers } from '../test/chaos/order-customers.ts';
import { onRealNode } from '../test/node-in-temporary-directory.ts';
import { Order } from './order-fulfilment.ts';
import { Payment } from './payment.ts';
import { Stock } from './stock.ts';

const lines = [
  { sku: 'tea', quantity: 2, price: 500 },
  { sku: 'cup', quantity: 1, price: 900 },
];
const placed = { type: 'Placed', data: { lines, payWithinMs: 60_000 } } as const;
const reserved = (sku: string) => ({ type: 'Reserved', data: { sku } }) as const;
const unpaid = [placed, reserved('tea'), reserved('cup')] as const;
const paying = [...unpaid, { type: 'PaymentBegun' }] as const;
const shipping = [...paying, { type: 'Charged' }] as const;
const o1 = { id: 'o1' };
const short = (tells: readonly { type: string; id: string; command: string; input?: unknown }[]) =>
  tells.map(({ type, id, command, input }) => `${type}/${id}.${command}(${JSON.stringify(input) ?? ''})`);
const undoingStocks = ['Stock/tea.releaseFor("o1")', 'Stock/cup.releaseFor("o1")'];

afterEach(() => vi.restoreAllMocks());

describe('an order', () => {
  test('begins by reserving every line', async () => {
    const { tells, state } = await given(Order, [], o1).when('place', { lines });
    expect(state).toMatchObject({ status: 'reserving', payWithinMs: 1_800_000, awaited: ['Stock/tea', 'Stock/cup'] });
    expect(short(tells)).toEqual([
      'Stock/tea.reserveFor({"order":"o1","quantity":2})',
      'Stock/cup.reserveFor({"order":"o1","quantity":1})',
    ]);
  });

  test('placed twice is placed once; with other lines it is refused', async () => {
    const again = await given(Order, [placed], o1).when('place', { lines });
    expect([again.events, again.tells]).toEqual([[], []]);
    const other = await given(Order, [placed], o1).when('place', { lines: lines.slice(1) });
    expect(other.rejection?.code).toBe('ORDER_EXISTS');
  });

  test.each([
    ['no lines', { lines: [] }],
    ['a sku twice', { lines: [lines[0]!, lines[0]!] }],
    ['half a cup', { lines: [{ sku: 'cup', quantity: 0.5, price: 1 }] }],
    ['no time to pay', { lines, payWithinMs: 0 }],
  ])('with %s is refused at the door', async (_what, input) => {
    await expect(given(Order).when('place', input)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('waits for the payment when the last stock has answered, and not for ever', async () => {
    const first = await given(Order, [placed]).when('reserved', 'cup');
    expect([first.state.status, first.reminders]).toEqual(['reserving', []]);
    const last = await given(Order, [placed, reserved('cup')], { now: 1_000 }).when('reserved', 'tea');
    expect(last.state.status).toBe('unpaid');
    expect(last.reminders).toMatchObject([{ name: 'payment-overdue' }]);
  });

  test('sold out in one stock releases all of them, whatever they have answered so far', async () => {
    const { tells, state } = await given(Order, [placed, reserved('tea')], o1).when('soldOut', 'cup');
    expect(state).toMatchObject({ status: 'undoing', awaited: ['Stock/tea', 'Stock/cup'] });
    expect(short(tells)).toEqual(undoingStocks);
  });

  test('is paid once, however often the customer pays', async () => {
    const { tells } = await given(Order, unpaid, o1).when('pay');
    expect(short(tells)).toEqual(['Payment/o1.charge(1900)']);
    const again = await given(Order, paying, o1).when('pay');
    expect([again.events, again.tells]).toEqual([[], []]);
  });

  test('cannot be paid before everything is reserved, nor when it is given up', async () => {
    expect((await given(Order, [placed]).when('pay')).rejection?.code).toBe('NOT_TO_BE_PAID');
    const overdue = { type: 'GivenUp', data: { status: 'cancelled', reason: 'PAYMENT_OVERDUE' } } as const;
    expect((await given(Order, [...unpaid, overdue]).when('pay')).rejection?.code).toBe('NOT_TO_BE_PAID');
  });

  test('ships when it is charged, and is fulfilled when everything is shipped', async () => {
    const charged = await given(Order, paying, o1).when('charged');
    expect(short(charged.tells)).toEqual(['Stock/tea.shipFor("o1")', 'Stock/cup.shipFor("o1")']);
    const tea = { type: 'Shipped', data: { sku: 'tea' } } as const;
    expect((await given(Order, shipping).when('shipped', 'tea')).state.status).toBe('shipping');
    expect((await given(Order, [...shipping, tea]).when('shipped', 'tea')).events).toEqual([]);
    expect((await given(Order, [...shipping, tea]).when('shipped', 'cup')).state.status).toBe('fulfilled');
  });

  test('cancelled while the payment is on its way asks for the money back as well, and waits for everybody', async () => {
    const { tells, events, state } = await given(Order, paying, o1).when('cancel');
    expect(short(tells)).toEqual([...undoingStocks, 'Payment/o1.refund()']);
    // The answer to the charge comes too late to count; the refund is behind it.
    expect((await given(Order, [...paying, ...events]).when('charged')).events).toEqual([]);
    const undone = state.awaited.map((by) => ({ type: 'Undone', data: { by } }) as const);
    const most = await given(Order, [...paying, ...events, ...undone.slice(0, 2)]).when('get');
    expect(most.state).toMatchObject({ status: 'undoing', awaited: ['Payment'] });
    const all = await given(Order, [...paying, ...events, ...undone.slice(0, 2)]).when('undone', 'Payment');
    expect(all.state).toMatchObject({ status: 'cancelled', end: { reason: 'CUSTOMER' } });
  });

  test('is no longer cancelled when it is shipped', async () => {
    expect((await given(Order, shipping).when('cancel')).rejection?.code).toBe('TOO_LATE');
    expect((await given(Order).when('cancel')).rejection?.code).toBe('NOT_PLACED');
  });

  test('that is paid in time does not mind the reminder', async () => {
    expect((await given(Order, paying).when('paymentOverdue')).events).toEqual([]);
  });
});

describe('a payment', () => {
  const answers = async (dice: number, history: Parameters<typeof given<Payment>>[1] = []) => {
    vi.spyOn(Math, 'random').mockReturnValue(dice);
    return given(Payment, history as [], o1).when('charge', 100);
  };

  test('is charged or declined by chance, and what came out is an event', async () => {
    const lucky = await answers(0.5);
    expect(lucky.events).toEqual([{ type: 'Charged', data: { amount: 100 } }]);
    expect(short(lucky.tells)).toEqual(['Order/o1.charged()']);
    const unlucky = await answers(0.01);
    expect(unlucky.events).toEqual([{ type: 'Declined' }]);
    expect(short(unlucky.tells)).toEqual(['Order/o1.declined()']);
  });

  test('does not throw the dice again', async () => {
    const again = await answers(0.5, [{ type: 'Declined' }]);
    expect([again.events, short(again.tells)]).toEqual([[], ['Order/o1.declined()']]);
  });

  test('gives back what was charged, once, and answers in any case', async () => {
    const charged = { type: 'Charged', data: { amount: 100 } } as const;
    const back = await given(Payment, [charged], o1).when('refund');
    expect(back.state).toEqual({ status: 'refunded', charged: 100, refunded: 100 });
    const again = await given(Payment, [charged, ...back.events], o1).when('refund');
    expect([again.events, short(again.tells)]).toEqual([[], ['Order/o1.undone("Payment")']]);
  });
});

test('a stock says no to an order by a tell, and changes nothing', async () => {
  const { state, tells } = await given(Stock, { left: 1, reserved: {}, sold: 0 }, { id: 'tea' }).when('reserveFor', {
    order: 'o1',
    quantity: 2,
  });
  expect(state).toEqual({ left: 1, reserved: {}, sold: 0 });
  expect(short(tells)).toEqual(['Order/o1.soldOut("tea")']);
});

describe('together', () => {
  const start = async (payWithinMs = 30 * 60_000) => {
    const node = await startTestNode({ actors: [Order, Payment, Stock] });
    await node.actor(Stock, 'tea').receive(5);
    await node.actor(Stock, 'cup').receive(5);
    await node.actor(Order, 'o1').place({ lines, payWithinMs });
    await node.settle();
    return node;
  };
  const full = { left: 5, reserved: {}, sold: 0 };

  test('an order that is not paid within half an hour is cancelled, a crash in between or not', async () => {
    await using node = await start();
    expect(await node.state(Stock, 'tea')).toEqual({ left: 3, reserved: { 'Order/o1': 2 }, sold: 0 });
    await node.advance('15m');
    await node.crash();
    await node.advance('14m');
    expect((await node.state(Order, 'o1'))?.status).toBe('unpaid');
    await node.advance('2m');
    await node.settle();
    expect(await node.state(Order, 'o1')).toMatchObject({ status: 'cancelled', end: { reason: 'PAYMENT_OVERDUE' } });
    expect([await node.state(Stock, 'tea'), await node.state(Stock, 'cup')]).toEqual([full, full]);
  });

  test('a declined payment rejects the order and releases the goods', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    await using node = await start();
    await node.actor(Order, 'o1').pay();
    await node.settle();
    expect(await node.state(Order, 'o1')).toMatchObject({ status: 'rejected', end: { reason: 'DECLINED' } });
    expect(await node.state(Stock, 'cup')).toEqual(full);
  });

  test('a paid one is fulfilled, and no reminder is left', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9);
    await using node = await start();
    await node.actor(Order, 'o1').pay();
    await node.settle();
    await node.advance('31m');
    expect((await node.state(Order, 'o1'))?.status).toBe('fulfilled');
    expect(await node.state(Stock, 'tea')).toEqual({ left: 3, reserved: {}, sold: 2 });
    expect(await node.state(Payment, 'o1')).toMatchObject({ status: 'charged', charged: 1_900 });
  });

  test('a crash after any number of turns leaves nothing behind', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const seen = new Set<string>();
    for (let turns = 0; turns < 40; turns++) {
      await using node = await start(10_000);
      const order = node.actor(Order, 'o1');
      void order.pay().catch(() => {});
      if (turns % 2 === 0) void order.cancel().catch(() => {});
      for (let turn = 0; turn < turns / 2; turn++) await new Promise<void>((done) => node.clock.defer(done));
      await node.crash();
      const after = (await node.state(Order, 'o1'))!;
      seen.add(`${after.status} ${after.awaited.length}`);
      await node.advance('20s');
      const payment = await node.state(Payment, 'o1');
      const books: Books = {
        received: { tea: 5, cup: 5 },
        stocks: { tea: (await node.state(Stock, 'tea'))!, cup: (await node.state(Stock, 'cup'))! },
        orders: new Map([['o1', (await node.state(Order, 'o1'))!]]),
        payments: new Map(payment ? [['o1', payment]] : []),
      };
      expect(auditOrders(books)).toEqual([]);
    }
    // It was hit in the middle of things, and not only before or after.
    expect([...seen]).toEqual(
      expect.arrayContaining(['unpaid 0', 'paying 1', 'shipping 2', 'undoing 3', 'fulfilled 0']),
    );
  });
});

test('three hundred orders of thirty customers on a real node: nothing is sold twice, every cent is accounted for', async () => {
  await onRealNode([Order, Payment, Stock], async ({ node }) => {
    const skus = Array.from({ length: 8 }, (_, index) => `sku-${index}`);
    const received = Object.fromEntries(skus.map((sku) => [sku, 80]));
    for (const sku of skus) await node.actor(Stock, sku).receive(80);
    const plan = { orders: 300, customers: 30, skus, payWithinMs: 500, seed: 7, giveUpAfterMs: 30_000, lookEveryMs: 5 };
    const customers = new OrderCustomers(plan, (id) => node.actor(Order, id));
    await customers.run();
    expect(customers.late).toEqual([]);

    const orders = new Map<string, OrderView>();
    const payments = new Map<string, StateOf<Payment>>();
    for (const id of customers.ids) {
      orders.set(id, await node.actor(Order, id).get());
      payments.set(id, await node.actor(Payment, id).get());
    }
    const stocks: Record<string, StateOf<Stock>> = {};
    for (const sku of skus) stocks[sku] = await node.actor(Stock, sku).get();
    expect([...orders.values()].every(isFinal)).toBe(true);
    expect(auditOrders({ received, stocks, orders, payments })).toEqual([]);
    // All three ends were reached, and for every reason.
    const ends = new Set([...orders.values()].map(({ status, end }) => `${status} ${end?.reason.split(' ')[0] ?? ''}`));
    expect([...ends].sort()).toEqual([
      'cancelled CUSTOMER',
      'cancelled PAYMENT_OVERDUE',
      'fulfilled ',
      'rejected DECLINED',
      'rejected SOLD_OUT',
    ]);
  });
});
