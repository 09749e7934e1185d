/**
 * Stock of one article, one actor per sku. It keeps its latest state and no events (`durableState`): how it came to
 * be does not matter, and there is nothing to replay.
 *
 * A reservation has a name, so that asking twice reserves once, and releasing what was never reserved does nothing.
 * Write every command that others depend on like this: whoever is not sure simply asks again.
 *
 * Carts ask (`reserve`) and catch the "no". Orders tell (`reserveFor`) and are told what came of it.
 */
import { type Accepts, durableState, Rejection } from 'greenroom';
import { Order } from './order-fulfilment.ts';
import { key, object, positive, text, value } from './schema.ts';

type StockLevel = {
  left: number;
  /** How many are held, by the name of the reservation. */
  reserved: Record<string, number>;
  /** Shipped so far: what came in is always `left` + everything `reserved` + `sold`. */
  sold: number;
};

export class Stock extends durableState({
  initialState: (): StockLevel => ({ left: 0, reserved: {}, sold: 0 }),
  upcast: [(first: Omit<StockLevel, 'sold'>) => ({ ...first, sold: 0 })], // it was not counted at first
}) {
  static readonly accepts: Accepts<Stock> = {
    receive: value(positive),
    reserve: object<{ reservation: string; quantity: number }>({ reservation: key, quantity: positive }),
    release: value(key),
    ship: value(key),
    reserveFor: object<{ order: string; quantity: number }>({ order: text, quantity: positive }),
    releaseFor: value(text),
    shipFor: value(text),
  };

  /** Goods came in. */
  receive(quantity: number) {
    this.save({ ...this.state, left: this.state.left + quantity });
    return this.state.left;
  }

  /** Holds `quantity` under a name until it is shipped or released. */
  reserve({ reservation, quantity }: { reservation: string; quantity: number }) {
    const left = this.#leftBut(reservation);
    if (left < quantity) throw new Rejection('SOLD_OUT', `only ${left} of ${this.id} left`, { left });
    this.#hold(reservation, quantity);
  }

  /** The reserved goods go back. */
  release(reservation: string) {
    const { [reservation]: held, ...reserved } = this.state.reserved;
    if (held !== undefined) this.save({ ...this.state, left: this.state.left + held, reserved });
  }

  /** The reserved goods are gone. */
  ship(reservation: string) {
    const { [reservation]: held, ...reserved } = this.state.reserved;
    if (held !== undefined) this.save({ ...this.state, sold: this.state.sold + held, reserved });
  }

  // Told by Order, and told back. A tell has no caller who could catch a rejection, so "no" is an answer, too. Change
  // and answer are one record: either both survive a crash or neither, and then the command is delivered again.

  reserveFor({ order, quantity }: { order: string; quantity: number }) {
    const answer = this.tell(this.actor(Order, order));
    if (this.#leftBut(nameOf(order)) < quantity) {
      answer.soldOut(this.id);
      return;
    }
    this.#hold(nameOf(order), quantity);
    answer.reserved(this.id);
  }

  /** Answers even if nothing was held: the order waits for that. */
  releaseFor(order: string) {
    this.release(nameOf(order));
    this.tell(this.actor(Order, order)).undone(`Stock/${this.id}`);
  }

  shipFor(order: string) {
    this.ship(nameOf(order));
    this.tell(this.actor(Order, order)).shipped(this.id);
  }

  get() {
    return this.state;
  }

  /** What is there for this reservation: the same name again replaces what it held before. */
  #leftBut(reservation: string) {
    return this.state.left + (this.state.reserved[reservation] ?? 0);
  }

  #hold(reservation: string, quantity: number) {
    const left = this.#leftBut(reservation) - quantity;
    this.save({ ...this.state, left, reserved: { ...this.state.reserved, [reservation]: quantity } });
  }
}

/** An order's reservation. Carts name theirs themselves, and may not meet an order's by chance. */
function nameOf(order: string) {
  return `Order/${order}`;
}
