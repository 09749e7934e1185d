/**
 * An order that needs goods from several stocks and money from a payment: a saga. No command can change all of them at
 * once, so the order takes one step per command and undoes the steps before when one fails:
 *
 *     place ─▶ reserving ─▶ unpaid ── pay ─▶ paying ─▶ shipping ─▶ fulfilled
 *                  │ sold out  │ cancel,        │ declined,
 *                  ▼           ▼ not in time    ▼ cancel
 *                undoing: releases everything, refunds ─▶ rejected (the shop's no) or cancelled (the customer's)
 *
 * Why nothing is lost or done twice, whichever process dies at whichever moment:
 * - Each step is an event, and the tells that begin the next step are part of the same record. After a crash either
 *   both are there, and the tells go out, or neither is, and the command is delivered again.
 * - An ask would be no good here: one that was answered just before a crash leaves goods reserved, and nobody knows.
 * - Tells take effect exactly once and arrive in order per receiver, so a release never overtakes its reservation. That
 *   is why undoing need not know how far the steps had come: it tells everybody, and everybody answers.
 * - An order is final when the last answer is in. Then nothing of it is left anywhere else.
 */
import { type Accepts, eventSourced, Rejection } from 'greenroom';
import { cleanLines, type Line, type Placement, placement, totalOf } from './order-placement.ts';
import { Payment } from './payment.ts';
import { Stock } from './stock.ts';

type Final = 'fulfilled' | 'cancelled' | 'rejected';
type OrderState = {
  status: 'new' | 'reserving' | 'unpaid' | 'paying' | 'shipping' | 'undoing' | Final;
  lines: readonly Line[];
  payWithinMs: number;
  /** Who has not answered this step yet: `Stock/<sku>` or `Payment`. */
  awaited: readonly string[];
  /** Of an order that is given up: how it ends when everything is undone, and why. */
  end?: { status: 'cancelled' | 'rejected'; reason: string };
};
type End = NonNullable<OrderState['end']>;

const payWithinDefaultMs = 30 * 60_000;

export class Order extends eventSourced({
  initialState: (): OrderState => ({ status: 'new', lines: [], payWithinMs: 0, awaited: [] }),
  events: {
    Placed: (order, { lines, payWithinMs }: Required<Placement>) => ({
      ...order,
      lines,
      payWithinMs,
      status: 'reserving',
      awaited: stocksOf(lines),
    }),
    Reserved: (order, { sku }: { sku: string }) => answered(order, `Stock/${sku}`, 'unpaid'),
    PaymentBegun: (order) => ({ ...order, status: 'paying', awaited: ['Payment'] }),
    Charged: (order) => ({ ...order, status: 'shipping', awaited: stocksOf(order.lines) }),
    Shipped: (order, { sku }: { sku: string }) => answered(order, `Stock/${sku}`, 'fulfilled'),
    GivenUp: (order, end: End) => ({
      ...order,
      end,
      status: 'undoing',
      awaited: [...stocksOf(order.lines), ...(order.status === 'paying' ? ['Payment'] : [])],
    }),
    Undone: (order, { by }: { by: string }) => answered(order, by, order.end!.status),
  },
  passivateAfter: '10s',
}) {
  static readonly accepts: Accepts<Order> = { place: placement };

  /** Returns at once; the order goes on by itself. Placing the same again changes nothing. */
  place(placed: Placement) {
    const lines = cleanLines(placed.lines);
    const payWithinMs = placed.payWithinMs ?? payWithinDefaultMs;
    if (this.state.status !== 'new') {
      if (JSON.stringify(lines) === JSON.stringify(cleanLines(this.state.lines))) return;
      throw new Rejection('ORDER_EXISTS', 'this number belongs to another order');
    }
    this.persist('Placed', { lines, payWithinMs });
    for (const { sku, quantity } of lines) this.tell(this.actor(Stock, sku)).reserveFor({ order: this.id, quantity });
  }

  /** The customer pays; asks again with `get` how it went. Paying twice charges once. */
  pay() {
    const { status } = this.state;
    if (status === 'paying' || status === 'shipping' || status === 'fulfilled') return;
    if (status !== 'unpaid') throw new Rejection('NOT_TO_BE_PAID', `this order is ${status}`);
    this.persist('PaymentBegun');
    this.forget('payment-overdue'); // part of the same record: it fires before this command, or never
    this.tell(this.actor(Payment, this.id)).charge(totalOf(this.state.lines));
  }

  /** The customer has changed their mind: possible until it is shipped, also while the payment is on its way. */
  cancel() {
    const { status, end } = this.state;
    if (end) return;
    if (status === 'new') throw new Rejection('NOT_PLACED', 'there is no such order');
    if (status === 'shipping' || status === 'fulfilled') throw new Rejection('TOO_LATE', 'the goods are on their way');
    this.#giveUp({ status: 'cancelled', reason: 'CUSTOMER' });
  }

  // Told by Stock. An answer to a step that is not the present one comes from before the order was given up: the
  // release is on its way behind it.

  reserved(sku: string) {
    if (this.state.status !== 'reserving') return;
    this.persist('Reserved', { sku });
    // The last one changed the status. The reminder is kept with it, wakes the order after any crash, and fires once.
    if (this.state.status !== 'reserving')
      this.remind('payment-overdue', { after: this.state.payWithinMs }).paymentOverdue();
  }

  soldOut(sku: string) {
    if (this.state.status === 'reserving') this.#giveUp({ status: 'rejected', reason: `SOLD_OUT ${sku}` });
  }

  shipped(sku: string) {
    if (this.#awaits('shipping', `Stock/${sku}`)) this.persist('Shipped', { sku });
  }

  // Told by Payment.

  charged() {
    if (this.state.status !== 'paying') return;
    this.persist('Charged');
    for (const { sku } of this.state.lines) this.tell(this.actor(Stock, sku)).shipFor(this.id); // reserved: cannot fail
  }

  declined() {
    if (this.state.status === 'paying') this.#giveUp({ status: 'rejected', reason: 'DECLINED' });
  }

  // Told by both, when this order has been given up.

  undone(by: string) {
    if (this.#awaits('undoing', by)) this.persist('Undone', { by });
  }

  /** The reminder. It and `pay` are commands in one mailbox: whichever comes first decides, and the other sees it. */
  paymentOverdue() {
    if (this.state.status === 'unpaid') this.#giveUp({ status: 'cancelled', reason: 'PAYMENT_OVERDUE' });
  }

  get() {
    return this.state;
  }

  #giveUp(end: End) {
    this.persist('GivenUp', end);
    this.forget('payment-overdue');
    for (const { sku } of this.state.lines) this.tell(this.actor(Stock, sku)).releaseFor(this.id);
    if (this.state.awaited.includes('Payment')) this.tell(this.actor(Payment, this.id)).refund();
  }

  #awaits(status: OrderState['status'], by: string) {
    return this.state.status === status && this.state.awaited.includes(by);
  }
}

/** One answer less to wait for; after the last one the order is `next`. */
function answered(order: Readonly<OrderState>, by: string, next: OrderState['status']): OrderState {
  const awaited = order.awaited.filter((other) => other !== by);
  return { ...order, awaited, status: awaited.length === 0 ? next : order.status };
}

function stocksOf(lines: readonly Line[]) {
  return lines.map(({ sku }) => `Stock/${sku}`);
}
