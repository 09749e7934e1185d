/**
 * The orders of one customer, told by their ShoppingCart. An actor like this is a view: it is fed by tells, each of
 * which takes effect exactly once, and answers questions the cart need not be bothered with.
 */
import { eventSourced } from 'greenroom';

export type Order = { order: string; items: { sku: string; quantity: number }[]; at: number };

/** Orders kept in the state. Older ones stay in the event history, where they can still be read. */
export const ordersMax = 100;

export class OrderHistory extends eventSourced({
  initialState: (): { orders: Order[]; count: number } => ({ orders: [], count: 0 }),
  events: {
    OrderAdded: (history, order: Order) => ({
      orders: [...history.orders, order].slice(-ordersMax),
      count: history.count + 1,
    }),
  },
}) {
  add(order: Order) {
    this.persist('OrderAdded', order);
  }

  /** The newest orders first. */
  list() {
    return { count: this.state.count, orders: this.state.orders.toReversed() };
  }
}
