/** What callers may write, and what must not compile (see authoring.ts for how this tests). */
import { Actor, type ActorRef, type Client, type CommandName, durableState } from '../../src/actors/actor.ts';
import {
  Careless,
  type Counter,
  type DiscountCart,
  Elaborate,
  type Item,
  Mailer,
  type Names,
  ShoppingCart,
  type Stock,
} from './authoring.ts';

/** True only if the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <_ extends true>() => {};

declare const client: Client;

const cart: ActorRef<ShoppingCart> = client.actor(ShoppingCart, 'alice');
const reply: Promise<number> = cart.addItem({ sku: 'a', quantity: 1 });
const total: Promise<{ total: number }> = cart.checkout();
const nothing: Promise<void> = cart.cancel('x');
const byName = client.actor<ShoppingCart>('ShoppingCart', 'alice').get();
const sentCount: Promise<void> = client.actor(Mailer, 'all').send({ text: 'x' });
export const replies = [reply, total, nothing, byName, sentCount];

// A reply's promise is awaited once: a command that is async does not answer a promise of a promise.
same<Same<Awaited<ReturnType<(typeof cart)['checkout']>>, { total: number }>>();
same<Same<Awaited<typeof byName>['checkedOutAt'], number | undefined>>();
same<Same<Parameters<(typeof cart)['addItem']>, [item: Item]>>();
same<Same<Parameters<(typeof cart)['get']>, []>>();
// What is a command, by name: no hooks, no protected or private methods, no `_` names, no fields.
same<Same<CommandName<ShoppingCart>, 'addItem' | 'cancel' | 'checkout' | 'get' | 'merge'>>();
same<Same<CommandName<Stock>, 'reserve' | 'owner'>>();
same<Same<CommandName<Mailer>, 'send' | 'peek'>>();
same<Same<CommandName<DiscountCart>, CommandName<ShoppingCart> | 'discount'>>();
same<Same<Awaited<ReturnType<ActorRef<Counter>['add']>>, number>>();
same<Same<Awaited<ReturnType<ActorRef<Names>['add']>>, void>>();

class Options extends durableState({ initialState: () => ({ on: false }) }) {
  toggle(to?: boolean) {
    this.save({ on: to ?? !this.state.on });
    return this.state.on ? { on: true as const } : null;
  }
  nothing(): undefined {
    return undefined;
  }
}
const options = client.actor(Options, 'x');
same<Same<Awaited<ReturnType<(typeof options)['toggle']>>, { on: true } | null>>();
export const optional = [options.toggle(), options.toggle(true), options.nothing()];

const elaborate = client.actor(Elaborate, 'x');
export async function plainDataOfEveryShape(): Promise<void> {
  await elaborate.json({ a: [1, null, { b: 'c' }] });
  const shape = await elaborate.shape({ kind: 'circle', radius: 1 });
  same<Same<typeof shape.kind, 'circle' | 'square'>>();
  const children = await elaborate.tree({ name: 'leaf', children: [] });
  children?.[0]?.children[0]?.name.toUpperCase();
  (await elaborate.sku()).brand satisfies 'sku';
  (await elaborate.pair(['b', 2])) satisfies readonly [string, number?];
  await elaborate.anything({ x: 1 });
  await elaborate.optional({ a: undefined });
  await elaborate.echo(1);
  (await elaborate.never()) satisfies never;
}

export function mustNotCompile() {
  // @ts-expect-error an untyped name has no commands
  client.actor('ShoppingCart', 'alice').get();
  // @ts-expect-error wrong input
  cart.addItem({ sku: 1 });
  // @ts-expect-error missing input
  cart.addItem();
  // @ts-expect-error more than one input
  cart.addItem({ sku: 'a', quantity: 1 }, 2);
  // @ts-expect-error an input where there is none
  cart.get('x');
  // @ts-expect-error protected base members are not commands
  cart.persist('ItemAdded', { sku: 'a', quantity: 1 });
  // @ts-expect-error neither is the state
  cart.state;
  // @ts-expect-error nor a protected method
  cart.audit();
  // @ts-expect-error nor a name with an underscore
  cart._inner();
  // @ts-expect-error nor a hook
  cart.onActivate();
  // @ts-expect-error nor the id
  cart.id;
  // @ts-expect-error nor a static field
  cart.accepts;
  // @ts-expect-error nor a field with data
  client.actor(Mailer, 'all').sent;
  // @ts-expect-error a ref is not a promise
  cart.then(() => {});
  // @ts-expect-error two inputs
  client.actor(Careless, 'x').two(1, 2);
  // @ts-expect-error any number of inputs
  client.actor(Careless, 'x').rest(1, 2);
  // @ts-expect-error a Date in the reply
  client.actor(Careless, 'x').date();
  // @ts-expect-error a bigint
  client.actor(Careless, 'x').big();
  // @ts-expect-error a Map
  client.actor(Careless, 'x').map();
  // @ts-expect-error a class instance
  client.actor(Careless, 'x').itself();
  // @ts-expect-error a function
  client.actor(Careless, 'x').code();
  // @ts-expect-error a Date in the input
  client.actor(Careless, 'x').before(new Date());
  // @ts-expect-error a Map further down in it
  client.actor(Careless, 'x').deep({ list: [] });
  // @ts-expect-error refs are readonly
  cart.get = async () => ({ items: {}, lines: [] });
  // @ts-expect-error an id is a string
  client.actor(ShoppingCart, 7);
  // @ts-expect-error not an actor class
  client.actor(Date, 'x');
  client.actor(
    // @ts-expect-error no constructor inputs: the runtime makes actors
    class Named extends Actor {
      constructor(name: string) {
        super();
        void name;
      }
    },
    'x',
  );
}
