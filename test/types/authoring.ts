/**
 * What a class's author may write, and what must not compile. `npm run typecheck` is the test: each
 * `@ts-expect-error` fails it when the line below compiles after all.
 */
import { type Accepts, Actor, durableState, eventSourced, type StandardSchema } from '../../src/actors/actor.ts';
import { Rejection } from '../../src/core/errors.ts';

export type Item = { sku: string; quantity: number };
type Cart = { items: Record<string, number>; lines: Item[]; checkedOutAt?: number };
declare const ItemSchema: StandardSchema<{ sku: string; quantity?: number }, Item>;
declare const TextSchema: StandardSchema<string>;

export class ShoppingCart extends eventSourced({
  initialState: (): Cart => ({ items: {}, lines: [] }),
  events: {
    ItemAdded: (cart, { sku, quantity }: Item) => ({
      ...cart,
      items: { ...cart.items, [sku]: (cart.items[sku] ?? 0) + quantity },
    }),
    CheckedOut: (cart, event: { at: number }) => ({ ...cart, checkedOutAt: event.at }),
    Emptied: (cart) => ({ ...cart, items: {} }),
    Noted: (cart, _note?: { text: string }) => cart,
    Loose: (cart, _any: any) => cart,
  },
  upcast: {
    ItemAdded: [
      (first: { sku: string }) => ({ ...first, n: 1 }),
      (second: { sku: string; n: number }) => ({ sku: second.sku, quantity: second.n }),
    ],
  },
  retired: { ThingAdded: 'ItemAdded', Debugged: null },
  passivateAfter: '2m',
  commandTimeout: 5_000,
  snapshotEvery: 10,
  snapshotVersion: 2,
  retention: '30d',
}) {
  static readonly accepts: Accepts<ShoppingCart> = { addItem: ItemSchema };

  addItem(item: Item) {
    if (this.state.checkedOutAt) throw new Rejection('CART_CHECKED_OUT', 'the cart is already checked out');
    this.persist('ItemAdded', item);
    this.persist('Noted');
    this.persist('Noted', { text: 'x' });
    this.persist('Loose', { z: 1 });
    return this.state.items[item.sku]!;
  }
  cancel(_reason: string) {
    this.persist('Emptied');
  }
  /** Mutual references between classes infer, without annotations. */
  async checkout() {
    const left = await this.actor(Stock, 'tea').reserve(2);
    this.persist('CheckedOut', { at: this.now() });
    this.tell(this.actor(Mailer, 'all')).send({ text: 'thanks' });
    return { total: left };
  }
  get() {
    return this.state;
  }
  async merge(other: string) {
    return (await this.actor(ShoppingCart, other).get()).items;
  }
  override onActivate() {
    this.log.info('awake', { id: this.id });
  }
  protected audit() {}
  _inner() {}
  #secret() {
    return 1;
  }

  protected mustNotCompile() {
    this.#secret();
    // @ts-expect-error state is deeply readonly
    this.state.items.a = 1;
    // @ts-expect-error its arrays too
    this.state.lines.push({ sku: 'x', quantity: 1 });
    // @ts-expect-error and what is in them
    this.state.lines[0]!.quantity = 2;
    // @ts-expect-error the state is replaced by events only
    this.state = { items: {}, lines: [] };
    // @ts-expect-error unknown event
    this.persist('Nope');
    // @ts-expect-error wrong payload
    this.persist('ItemAdded', { sku: 1 });
    // @ts-expect-error missing payload
    this.persist('ItemAdded');
    // @ts-expect-error an event without a payload takes none
    this.persist('Emptied', { why: 'x' });
    // @ts-expect-error retired events are no longer written
    this.persist('Debugged');
    // @ts-expect-error a tell has the command's types
    this.tell(this.actor(Mailer, 'all')).send(5);
    // @ts-expect-error and its names
    this.tell(this.actor(Mailer, 'all')).shred();
    // @ts-expect-error a tell answers nothing
    this.tell(this.actor(Mailer, 'all')).send({ text: 'x' }).then();
    // @ts-expect-error an event-sourced actor does not save
    this.save({ items: {}, lines: [] });
    // @ts-expect-error the id is the actor's for ever
    this.id = 'other';
  }
}

export class Stock extends durableState({ initialState: () => ({ left: 10 }) }) {
  async reserve(count: number) {
    this.save({ left: this.state.left - count });
    // @ts-expect-error wrong state
    this.save({ left: 'x' });
    // @ts-expect-error the whole state, not a part
    this.save({});
    // @ts-expect-error it has no events
    this.persist('Reserved');
    return this.state.left;
  }
  async owner() {
    return (await this.actor(ShoppingCart, 'alice').get()).checkedOutAt;
  }
}

export class Mailer extends Actor {
  sent = 0;
  send(_mail: { text: string }) {
    this.sent += 1;
  }
  // @ts-expect-error an actor in memory keeps its own fields and has no state
  peek = () => this.state;
}

/** The initial state may depend on the id; a state that is a scalar or an array is fine. */
export class Counter extends eventSourced({
  initialState: (id: string): number => id.length,
  events: { Added: (total, amount: number) => total + amount },
}) {
  add(amount: number) {
    this.persist('Added', amount);
    // @ts-expect-error a scalar payload has its type too
    this.persist('Added', '1');
    return this.state;
  }
}
export class Names extends durableState({ initialState: (): string[] => [] }) {
  add(name: string) {
    this.save([...this.state, name]);
  }
}

/** A class may have classes below it: their commands add up. */
export class DiscountCart extends ShoppingCart {
  discount(percent: number) {
    this.persist('Loose', { percent });
  }
}

/** What is not plain JSON data: refused where it would enter, and at the caller for replies (see calling.ts). */
export class Careless extends eventSourced({
  initialState: () => ({ n: 0 }),
  events: {
    At: (state, _event: { at: Date }) => state,
    Big: (state, _event: { values: bigint[] }) => state,
    Nested: (state, _event: { deep: { table: Map<string, number> } }) => state,
  },
}) {
  two(a: number, b: number) {
    return a + b;
  }
  rest(...all: number[]) {
    return all.length;
  }
  date() {
    return { at: new Date() };
  }
  async big() {
    return 1n;
  }
  map() {
    return new Map([['a', 1]]);
  }
  itself() {
    return this;
  }
  code() {
    return () => 1;
  }
  before(_at: Date) {}
  deep(_input: { list: { table: Map<string, number> }[] }) {}
  notInEvents() {
    // @ts-expect-error a Date is not plain data
    this.persist('At', { at: new Date() });
    // @ts-expect-error nor is a bigint in an array
    this.persist('Big', { values: [1n] });
    // @ts-expect-error nor a Map further down
    this.persist('Nested', { deep: { table: new Map() } });
  }
}
type Job =
  | { status: 'new' }
  | { status: 'running'; since: number; steps: ('fetch' | 'parse')[] }
  | { status: 'done'; result: readonly [string, number] };

/** A state that is one of several: handlers keep their literals without annotations. */
export class Work extends eventSourced({
  initialState: (): Job => ({ status: 'new' }),
  events: {
    Started: (_job, event: { at: number }) => ({ status: 'running', since: event.at, steps: ['fetch'] }),
    Parsed: (job) => (job.status === 'running' ? { ...job, steps: [...job.steps, 'parse'] } : job),
    Finished: (job, result: [string, number]) => {
      if (job.status !== 'running') return job;
      return { status: 'done', result };
    },
  },
}) {
  start() {
    if (this.state.status === 'running') return this.state.since;
    this.persist('Started', { at: this.now() });
    return undefined;
  }
}
eventSourced({
  initialState: (): Job => ({ status: 'new' }),
  events: {
    // @ts-expect-error no such status
    Started: () => ({ status: 'stopped' }),
    // @ts-expect-error a part of it is missing
    Finished: () => ({ status: 'done' }),
  },
});

durableState({
  // @ts-expect-error nor is the state
  initialState: () => ({ at: new Date(0) }),
});
eventSourced({
  // @ts-expect-error in whatever kind of actor
  initialState: () => ({ seen: new Set(['x']) }),
  events: {},
});

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type Sku = string & { readonly brand: 'sku' };
type Tree = { name: string; children: Tree[] };
type Shape = { kind: 'circle'; radius: number } | { kind: 'square'; side?: number };

/** Types that recurse, branded strings, unions, tuples and optional properties are plain data like any other. */
export class Elaborate extends durableState({
  initialState: (id): { shape: Shape; tree: Tree; json: Json; sku: Sku; pair: [string, number?] } => ({
    shape: { kind: 'square' },
    tree: { name: id, children: [] },
    json: { list: [1, null, { deep: true }] },
    sku: id as Sku,
    pair: ['a'],
  }),
}) {
  json(json: Json): Json {
    this.save({ ...this.state, json });
    return json;
  }
  shape(shape: Shape) {
    this.save({ ...this.state, shape });
    return this.state.shape;
  }
  tree(tree: Tree) {
    this.save({ ...this.state, tree: { ...tree, children: [...tree.children, this.state.tree] } });
    return this.state.tree.children[0]?.children;
  }
  sku() {
    return this.state.sku;
  }
  pair(pair: readonly [string, number?]) {
    this.save({ ...this.state, pair });
    return this.state.pair;
  }
  anything(value: unknown): any {
    return value;
  }
  echo<T>(value: T) {
    return value;
  }
  never(): never {
    throw new Rejection('NEVER', 'this never answers');
  }
  optional(value?: { a?: string | undefined }) {
    return value;
  }
}

// ---- a class that redefines a base member does not compile --------------------------------------------------------
export class RedefinesTell extends durableState({ initialState: () => 0 }) {
  // @ts-expect-error `tell` belongs to the base class
  tell() {}
}
export class RedefinesPassivate extends Actor {
  // @ts-expect-error `passivate` too
  passivate() {}
}
export class RedefinesNow extends Actor {
  // @ts-expect-error `now` too
  now() {
    return 0;
  }
}
export class RedefinesActor extends Actor {
  // @ts-expect-error `actor` too
  actor() {}
}
export class RedefinesLog extends Actor {
  // @ts-expect-error `log` too
  log() {}
}
export class RedefinesId extends Actor {
  // @ts-expect-error `id` too
  id() {}
}
export class RedefinesState extends durableState({ initialState: () => 0 }) {
  // @ts-expect-error `state` too
  state() {}
}
export class RedefinesSave extends durableState({ initialState: () => 0 }) {
  // @ts-expect-error `save` too
  save() {}
}
export class RedefinesPersist extends eventSourced({ initialState: () => 0, events: {} }) {
  // @ts-expect-error `persist` too
  persist() {}
}

// ---- heads --------------------------------------------------------------------------------------------------------
eventSourced({
  initialState: () => 0,
  events: { Added: (state, event: { n: number }) => state + event.n },
  upcast: {
    // @ts-expect-error the last upcaster must give today's payload
    Added: [(old: { m: string }) => ({ n: old.m })],
  },
});
eventSourced({
  initialState: () => 0,
  events: { Added: (state, event: { n: number }) => state + event.n },
  // @ts-expect-error upcasters belong to an event
  upcast: { Removed: [(old: { m: string }) => ({ n: old.m })] },
});
eventSourced({
  initialState: () => 0,
  // @ts-expect-error a handler must return the state
  events: { Added: (state, event: { n: number }) => `${state}${event.n}` },
});
eventSourced({
  initialState: (): { total: number } => ({ total: 0 }),
  events: {
    Added: (state, event: { n: number }) => {
      // @ts-expect-error a handler is pure: the state it gets is readonly
      state.total += event.n;
      return state;
    },
  },
});
// @ts-expect-error no events: then it is no event-sourced actor
eventSourced({ initialState: () => 0 });
// @ts-expect-error not a duration
durableState({ initialState: () => 0, passivateAfter: '2 minutes' });
// @ts-expect-error unknown option
durableState({ initialState: () => 0, passivateAftr: '2m' });
// @ts-expect-error the last upcaster must give today's state
durableState({ initialState: () => ({ n: 0 }), upcast: [(old: { m: string }) => ({ n: old.m })] });

// ---- input schemas ------------------------------------------------------------------------------------------------
// @ts-expect-error no such command
export const misspelt: Accepts<ShoppingCart> = { adItem: ItemSchema };
// @ts-expect-error the schema's output is not the command's input
export const wrongSchema: Accepts<ShoppingCart> = { addItem: TextSchema };
// @ts-expect-error a hook is no command
export const hookSchema: Accepts<ShoppingCart> = { onActivate: TextSchema };
