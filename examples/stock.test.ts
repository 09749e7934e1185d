import { given, oldState } from 'greenroom/testing';
import { expect, test } from 'vitest';
import { onRealNode } from '../test/node-in-temporary-directory.ts';
import { Stock } from './stock.ts';

const some = { left: 5, reserved: { 'alice-1': 2 }, sold: 1 };

test('what is reserved is no longer left, and comes back when it is released', async () => {
  const { state } = await given(Stock, some).when('reserve', { reservation: 'bob-1', quantity: 3 });
  expect(state).toEqual({ ...some, left: 2, reserved: { 'alice-1': 2, 'bob-1': 3 } });
  expect((await given(Stock, state).when('release', 'bob-1')).state).toEqual(some);
});

test('reserving again under the same name replaces the reservation', async () => {
  const { state } = await given(Stock, some).when('reserve', { reservation: 'alice-1', quantity: 2 });
  expect(state).toEqual(some);
});

test('nobody gets more than there is', async () => {
  const { rejection, state } = await given(Stock, some, { id: 'tea' }).when('reserve', {
    reservation: 'bob-1',
    quantity: 6,
  });
  expect(rejection).toMatchObject({ code: 'SOLD_OUT', message: 'only 5 of tea left', details: { left: 5 } });
  expect(state).toEqual(some);
});

test('shipped goods are gone; releasing or shipping what is not reserved does nothing', async () => {
  expect((await given(Stock, some).when('ship', 'alice-1')).state).toEqual({ left: 5, reserved: {}, sold: 3 });
  expect((await given(Stock, some).when('ship', 'unknown')).state).toEqual(some);
  expect((await given(Stock, some).when('release', 'unknown')).state).toEqual(some);
});

test('a stock of the time when nobody counted what was sold is read as one that sold nothing', async () => {
  expect((await given(Stock, oldState(1, { left: 5, reserved: {} })).when('get')).state).toEqual({
    left: 5,
    reserved: {},
    sold: 0,
  });
});

test('a reservation cannot have a name that every object has', async () => {
  await expect(given(Stock, some).when('release', 'constructor')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('the level survives a restart', async () => {
  await onRealNode([Stock], async (on) => {
    await on.node.actor(Stock, 'tea').receive(4);
    const node = await on.restart();
    expect(await node.actor(Stock, 'tea').receive(1)).toBe(5);
  });
});
