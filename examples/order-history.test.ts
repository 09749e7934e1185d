import { given } from 'greenroom/testing';
import { expect, test } from 'vitest';
import { onRealNode } from '../test/node-in-temporary-directory.ts';
import { OrderHistory, ordersMax } from './order-history.ts';

const order = (number: number) => ({ order: `alice-${number}`, items: [{ sku: 'tea', quantity: 1 }], at: number });

test('lists the newest orders first', async () => {
  const past = [1, 2].map((number) => ({ type: 'OrderAdded' as const, data: order(number) }));
  const { reply } = await given(OrderHistory, past).when('list');
  expect(reply).toEqual({ count: 2, orders: [order(2), order(1)] });
});

test('keeps a bounded number of orders in its state', async () => {
  const past = Array.from({ length: ordersMax }, (_, index) => ({ type: 'OrderAdded' as const, data: order(index) }));
  const { state } = await given(OrderHistory, past).when('add', order(ordersMax));
  expect(state.orders).toHaveLength(ordersMax);
  expect([state.count, state.orders[0]?.order]).toEqual([ordersMax + 1, 'alice-1']);
});

test('the whole history can still be read', async () => {
  await onRealNode([OrderHistory], async ({ node }) => {
    for (let number = 0; number < 3; number++) await node.actor(OrderHistory, 'alice').add(order(number));
    const events = await node.gateway.events('OrderHistory', 'alice' as never, 0, 10);
    expect(events.map(({ data }) => data)).toEqual([order(0), order(1), order(2)]);
  });
});
