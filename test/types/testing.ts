/** What tests of actors may write, and what must not compile (see authoring.ts for how this tests). */
import type { EventOf, StateOf } from '../../src/actors/actor.ts';
import { given, oldState } from '../../src/testing/index.ts';
import { Counter, Mailer, ShoppingCart, Stock, Work } from './authoring.ts';

export async function whatATestSees() {
  const past = [
    { type: 'ItemAdded', data: { sku: 'tea', quantity: 1 } },
    { type: 'Emptied' },
    { type: 'Noted' },
  ] as const;
  const { reply, events, state, rejection, tells } = await given(ShoppingCart, past).when('addItem', {
    sku: 'tea',
    quantity: 2,
  });
  reply satisfies number;
  events[0]?.type satisfies 'ItemAdded' | 'CheckedOut' | 'Emptied' | 'Noted' | 'Loose' | undefined;
  if (events[0]?.type === 'CheckedOut') events[0].data.at satisfies number;
  state.items.tea satisfies number | undefined;
  rejection?.code satisfies string | undefined;
  tells[0]?.command satisfies string | undefined;

  (await given(ShoppingCart).when('get')).reply.checkedOutAt satisfies number | undefined;
  (await given(Counter, [{ type: 'Added', data: 2 }]).when('add', 1)).state satisfies number;
  (await given(Stock, { left: 3 }).when('reserve', 2)).state.left satisfies number;
  (await given(Work).when('start')).state.status satisfies 'new' | 'running' | 'done';
  await given(Stock, oldState(1, { n: 3 })).when('reserve', 2);
  await given(ShoppingCart, [{ type: 'ThingAdded', version: 1, data: {} }]).when('get');
  await given(Mailer, undefined, { id: 'all', now: 0 }).when('send', { text: 'x' });
  await given(ShoppingCart)
    .answering(Stock, { reserve: (count, sku) => (sku === 'tea' ? count : 0) })
    .answering(Stock, { reserve: async () => 1 })
    .with(Counter)
    .with(Stock, 'tea', { left: 1 })
    .with(ShoppingCart, 'bob', [{ type: 'Emptied' }])
    .when('checkout');
}

const cart: StateOf<ShoppingCart> = { items: {}, lines: [] };
const event: EventOf<Counter> = { type: 'Added', data: 1 };
export const examples = [cart, event];

export function mustNotCompile() {
  // @ts-expect-error unknown event in the history
  given(ShoppingCart, [{ type: 'Nope' }]);
  // @ts-expect-error wrong payload in the history
  given(ShoppingCart, [{ type: 'ItemAdded', data: { sku: 1 } }]);
  // @ts-expect-error missing payload
  given(ShoppingCart, [{ type: 'ItemAdded' }]);
  // @ts-expect-error a durable state has a state, not events
  given(Stock, [{ type: 'Saved', data: { left: 1 } }]);
  // @ts-expect-error an actor in memory has no past
  given(Mailer, { sent: 1 });
  // @ts-expect-error unknown command
  given(ShoppingCart).when('adItem', { sku: 'x', quantity: 1 });
  // @ts-expect-error a hook is no command
  given(ShoppingCart).when('onActivate');
  // @ts-expect-error wrong input
  given(ShoppingCart).when('addItem', 5);
  // @ts-expect-error missing input
  given(ShoppingCart).when('addItem');
  // @ts-expect-error wrong answer
  given(ShoppingCart).answering(Stock, { reserve: () => 'x' });
  // @ts-expect-error an answer to a command that is none
  given(ShoppingCart).answering(Stock, { reserv: () => 1 });
  // @ts-expect-error wrong past of another actor
  given(ShoppingCart).with(Stock, 'tea', { right: 3 });
}
