import { GreenroomError, Rejection } from 'greenroom';
import { given, startTestNode } from 'greenroom/testing';
import { describe, expect, test } from 'vitest';
import { eventually, onRealNode } from '../test/node-in-temporary-directory.ts';
import { OrderHistory } from './order-history.ts';
import { ShoppingCart } from './shopping-cart.ts';
import { Stock } from './stock.ts';

const tea = { type: 'ItemAdded', data: { sku: 'tea', quantity: 2 } } as const;
const cup = { type: 'ItemAdded', data: { sku: 'cup', quantity: 1 } } as const;

describe('a shopping cart', () => {
  test('adds up what is put into it', async () => {
    const { reply, events } = await given(ShoppingCart, [tea]).when('addItem', { sku: 'tea', quantity: 3 });
    expect(reply).toBe(5);
    expect(events).toEqual([{ type: 'ItemAdded', data: { sku: 'tea', quantity: 3 } }]);
  });

  test('refuses input that makes no sense, and says where', async () => {
    const refused = given(ShoppingCart).when('addItem', { sku: '', quantity: 0.5 });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      issues: [
        { path: 'sku', message: 'must be a text that is not empty' },
        { path: 'quantity', message: 'must be a whole number above zero' },
      ],
    });
  });

  test('removing what is not there records nothing', async () => {
    expect((await given(ShoppingCart, [tea]).when('removeItem', 'cup')).events).toEqual([]);
  });

  test('removing an article gives back what a checkout that was cut off may have reserved', async () => {
    const { state, tells } = await given(ShoppingCart, [tea], { id: 'alice' }).when('removeItem', 'tea');
    expect(state.items).toEqual({});
    expect(tells).toEqual([{ type: 'Stock', id: 'tea', command: 'release', input: 'alice-1' }]);
  });

  test('a stock that cannot be reached is a refusal, too, and everything is released', async () => {
    const { reply, tells } = await given(ShoppingCart, [tea, cup])
      .answering(Stock, {
        reserve: (_input, sku) => {
          if (sku === 'tea') throw new GreenroomError('UNAVAILABLE', 'not now');
        },
      })
      .when('checkout');
    expect(reply).toEqual({ placed: false, refused: [{ sku: 'tea', because: 'UNAVAILABLE' }] });
    expect(tells.map(({ id, command }) => `${id}.${command}`)).toEqual(['tea.release', 'cup.release']);
  });

  test('an empty one is not checked out', async () => {
    expect((await given(ShoppingCart).when('checkout')).rejection?.code).toBe('CART_EMPTY');
  });

  test('checkout reserves everything, then places the order and tells about it', async () => {
    const reserved: unknown[] = [];
    const { reply, events, state, tells } = await given(ShoppingCart, [tea, cup], { id: 'alice', now: 1_000 })
      .answering(Stock, { reserve: (input, sku) => void reserved.push([sku, input]) })
      .when('checkout');
    expect(reserved).toEqual([
      ['tea', { reservation: 'alice-1', quantity: 2 }],
      ['cup', { reservation: 'alice-1', quantity: 1 }],
    ]);
    expect(reply).toEqual({ placed: true, order: 'alice-1' });
    expect(events).toEqual([{ type: 'CheckedOut', data: { order: 'alice-1', at: 1_000 } }]);
    expect(state).toEqual({ items: {}, orders: 1 });
    expect(tells.map(({ type, id, command }) => `${type}/${id}.${command}`)).toEqual([
      'Stock/tea.ship',
      'Stock/cup.ship',
      'OrderHistory/alice.add',
    ]);
  });

  test('when the second reservation is refused, the first one is released and the cart stays as it was', async () => {
    const { reply, events, tells } = await given(ShoppingCart, [tea, cup], { id: 'alice' })
      .answering(Stock, {
        reserve: (_input, sku) => {
          if (sku === 'cup') throw new Rejection('SOLD_OUT', 'no cups');
        },
      })
      .when('checkout');
    expect(reply).toEqual({ placed: false, refused: [{ sku: 'cup', because: 'SOLD_OUT' }] });
    expect(events).toEqual([]);
    expect(tells).toContainEqual({ type: 'Stock', id: 'tea', command: 'release', input: 'alice-1' });
  });
});

test('carts, stocks and order histories work together', async () => {
  await using node = await startTestNode({ actors: [ShoppingCart, Stock, OrderHistory] });
  await node.actor(Stock, 'tea').receive(3);
  const alice = node.actor(ShoppingCart, 'alice');
  const bob = node.actor(ShoppingCart, 'bob');
  await alice.addItem({ sku: 'tea', quantity: 2 });
  await bob.addItem({ sku: 'tea', quantity: 2 });
  expect(await alice.checkout()).toEqual({ placed: true, order: 'alice-1' });
  expect(await bob.checkout()).toEqual({ placed: false, refused: [{ sku: 'tea', because: 'SOLD_OUT' }] });
  await node.settle();
  expect(await node.state(Stock, 'tea')).toEqual({ left: 1, reserved: {}, sold: 2 });
  expect((await node.actor(OrderHistory, 'alice').list()).orders).toMatchObject([{ order: 'alice-1' }]);
  expect(await node.events(OrderHistory, 'bob')).toEqual([]);
});

test('orders are still there after a restart', async () => {
  await onRealNode([ShoppingCart, Stock, OrderHistory], async (on) => {
    await on.node.actor(Stock, 'tea').receive(3);
    await on.node.actor(ShoppingCart, 'alice').addItem({ sku: 'tea', quantity: 2 });
    await on.node.actor(ShoppingCart, 'alice').checkout();
    const node = await on.restart();
    expect(await node.actor(ShoppingCart, 'alice').get()).toEqual({ items: {}, orders: 1 });
    const listed = await eventually(
      () => node.actor(OrderHistory, 'alice').list(),
      ({ count }) => count === 1,
    );
    expect(listed.orders).toMatchObject([{ order: 'alice-1', items: [{ sku: 'tea', quantity: 2 }] }]);
    await expect(node.actor(ShoppingCart, 'alice').checkout()).rejects.toMatchObject({ code: 'CART_EMPTY' });
  });
});
