/**
 * The payment of one order, under the order's id: it stands for a bank or a card company, which says yes or no as it
 * likes. Nothing about it can be foretold, so it shows where chance belongs: a command throws the dice, *once*, and
 * records what came out. Waking the actor replays the record and never throws again.
 */
import { type Accepts, eventSourced } from 'greenroom';
import { Order } from './order-fulfilment.ts';
import { positive, value } from './schema.ts';

type PaymentState = { status: 'new' | 'charged' | 'declined' | 'refunded'; charged: number; refunded: number };

/** How many of the charges are declined. */
export const declinedShare = 0.1;

export class Payment extends eventSourced({
  initialState: (): PaymentState => ({ status: 'new', charged: 0, refunded: 0 }),
  events: {
    Charged: (payment, { amount }: { amount: number }) => ({ ...payment, status: 'charged', charged: amount }),
    Declined: (payment) => ({ ...payment, status: 'declined' }),
    Refunded: (payment, { amount }: { amount: number }) => ({ ...payment, status: 'refunded', refunded: amount }),
  },
  passivateAfter: '10s',
}) {
  static readonly accepts: Accepts<Payment> = { charge: value(positive) };

  /** Told by the order. A second time it charges nothing and gives the recorded answer again. */
  charge(amount: number) {
    if (this.state.status === 'new') {
      if (Math.random() < declinedShare) this.persist('Declined');
      else this.persist('Charged', { amount });
    }
    const answer = this.tell(this.actor(Order, this.id));
    if (this.state.status === 'declined') answer.declined();
    else answer.charged();
  }

  /**
   * Told by an order that is given up, perhaps before it knows how `charge` ended: one sender's tells arrive in order,
   * so by now it *has* ended, and what was charged goes back. What was declined needs nothing.
   */
  refund() {
    if (this.state.status === 'charged') this.persist('Refunded', { amount: this.state.charged });
    this.tell(this.actor(Order, this.id)).undone('Payment');
  }

  get() {
    return this.state;
  }
}
