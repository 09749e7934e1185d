/**
 * Stock of one article, one actor per sku. It keeps its latest state and no events (`durableState`): how it came to
 * be does not matter, and there is nothing to replay.
 *
 * A reservation has a name, so that asking twice reserves once, and releasing what was never reserved does nothing.
 * Write every command that others depend on like this: whoever is not sure simply asks again.
 */
import { type Accepts, durableState, Rejection } from 'greenroom';
import { key, object, positive, value } from './schema.ts';

type StockLevel = {
  left: number;
  /** How many are held, by the name of the reservation. */
  reserved: Record<string, number>;
};

export class Stock extends durableState({
  initialState: (): StockLevel => ({ left: 0, reserved: {} }),
}) {
  static readonly accepts: Accepts<Stock> = {
    receive: value(positive),
    reserve: object<{ reservation: string; quantity: number }>({ reservation: key, quantity: positive }),
    release: value(key),
    ship: value(key),
  };

  /** Goods came in. */
  receive(quantity: number) {
    this.save({ ...this.state, left: this.state.left + quantity });
    return this.state.left;
  }

  /** Holds `quantity` under a name until it is shipped or released. */
  reserve({ reservation, quantity }: { reservation: string; quantity: number }) {
    const held = this.state.reserved[reservation] ?? 0;
    const left = this.state.left + held - quantity;
    if (left < 0) {
      throw new Rejection('SOLD_OUT', `only ${this.state.left + held} of ${this.id} left`, {
        left: this.state.left + held,
      });
    }
    this.save({ left, reserved: { ...this.state.reserved, [reservation]: quantity } });
  }

  /** The reserved goods go back. */
  release(reservation: string) {
    const { [reservation]: held, ...reserved } = this.state.reserved;
    if (held !== undefined) this.save({ left: this.state.left + held, reserved });
  }

  /** The reserved goods are gone. */
  ship(reservation: string) {
    const { [reservation]: held, ...reserved } = this.state.reserved;
    if (held !== undefined) this.save({ left: this.state.left, reserved });
  }

  get() {
    return this.state;
  }
}
