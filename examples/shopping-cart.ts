/**
 * A shopping cart per customer: the events are what happened, the state is what they add up to, and the commands decide.
 *
 * `checkout` shows how actors work together. It *asks* every Stock first and records afterwards, because a command
 * that has recorded something may not wait for others any more (`ASK_AFTER_PERSIST`): everything it recorded leaves
 * with it, as one record, or not at all. What should happen as its consequence is *told*: tells are part of the
 * record and arrive even if the power fails the moment after.
 */
import { type Accepts, eventSourced, GreenroomError, Rejection } from 'greenroom';
import { OrderHistory } from './order-history.ts';
import { key, object, positive, value } from './schema.ts';
import { Stock } from './stock.ts';

export type Item = { sku: string; quantity: number };
type Cart = {
  /** Quantity by sku. */
  items: Record<string, number>;
  /** Orders placed so far: makes each order's name unique. */
  orders: number;
};

export class ShoppingCart extends eventSourced({
  initialState: (): Cart => ({ items: {}, orders: 0 }),
  events: {
    ItemAdded: (cart, { sku, quantity }: Item) => ({
      ...cart,
      items: { ...cart.items, [sku]: (cart.items[sku] ?? 0) + quantity },
    }),
    ItemRemoved: (cart, { sku }: { sku: string }) => {
      const { [sku]: _removed, ...items } = cart.items;
      return { ...cart, items };
    },
    CheckedOut: (cart, _order: { order: string; at: number }) => ({ items: {}, orders: cart.orders + 1 }),
  },
}) {
  static readonly accepts: Accepts<ShoppingCart> = {
    addItem: object<Item>({ sku: key, quantity: positive }),
    removeItem: value(key),
  };

  /** Returns how many of the article are in the cart now. */
  addItem(item: Item) {
    this.persist('ItemAdded', item);
    return this.state.items[item.sku]!; // the event has been applied already
  }

  /** Removing what is not there changes nothing, and records nothing. */
  removeItem(sku: string) {
    if (!(sku in this.state.items)) return;
    this.persist('ItemRemoved', { sku });
    // A checkout that was cut off may have left a reservation behind.
    this.tell(this.actor(Stock, sku)).release(this.#nextOrder);
  }

  /** Reserves everything, or nothing; then the order is placed and the cart is empty again. */
  async checkout() {
    const items = Object.entries(this.state.items);
    if (items.length === 0) throw new Rejection('CART_EMPTY', 'there is nothing to check out');
    const order = this.#nextOrder;
    const refused: { sku: string; because: string }[] = [];
    for (const [sku, quantity] of items) {
      try {
        await this.actor(Stock, sku).reserve({ reservation: order, quantity });
      } catch (error) {
        // Sold out, or not to be reached now. Anything else is a mistake in this code, and fails the command.
        if (!(error instanceof Rejection || error instanceof GreenroomError)) throw error;
        refused.push({ sku, because: error.code });
      }
    }

    if (refused.length > 0) {
      // A Rejection would undo this command, and the releases with it; so the refusal is a reply.
      for (const [sku] of items) this.tell(this.actor(Stock, sku)).release(order);
      return { placed: false as const, refused };
    }
    this.persist('CheckedOut', { order, at: this.now() });
    for (const [sku] of items) this.tell(this.actor(Stock, sku)).ship(order);
    this.tell(this.actor(OrderHistory, this.id)).add({
      order,
      items: items.map(([sku, quantity]) => ({ sku, quantity })),
      at: this.now(),
    });
    return { placed: true as const, order };
  }

  /** The same at every try, so that a checkout that is repeated reserves nothing twice. */
  get #nextOrder() {
    return `${this.id}-${this.state.orders + 1}`;
  }

  /** A query: it records nothing. */
  get() {
    return this.state;
  }
}
