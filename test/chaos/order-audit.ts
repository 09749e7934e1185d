/** Holds orders, stocks and payments against each other when everything has come to rest. */
import type { StateOf } from 'greenroom';
import type { Order } from '../../examples/order-fulfilment.ts';
import { totalOf } from '../../examples/order-placement.ts';
import type { Payment } from '../../examples/payment.ts';
import type { Stock } from '../../examples/stock.ts';

export type OrderView = StateOf<Order>;

export interface Books {
  /** What each stock received, by sku. */
  readonly received: Readonly<Record<string, number>>;
  readonly stocks: Readonly<Record<string, StateOf<Stock>>>;
  readonly orders: ReadonlyMap<string, OrderView>;
  readonly payments: ReadonlyMap<string, StateOf<Payment>>;
}

export function isFinal({ status }: Pick<OrderView, 'status'>): boolean {
  return status === 'fulfilled' || status === 'cancelled' || status === 'rejected';
}

/**
 * Every order is final; nothing is sold twice or lost; nothing stays reserved; each stock has sold what the fulfilled
 * orders say; money was taken for fulfilled orders only, and once.
 *
 * @returns what is not so, in words
 */
export function auditOrders({ received, stocks, orders, payments }: Books): string[] {
  const violations: string[] = [];
  const soldByOrders: Record<string, number> = {};
  let [revenue, kept] = [0, 0];
  for (const [id, order] of orders) {
    if (!isFinal(order)) violations.push(`${id} is ${order.status} and awaits ${order.awaited.join(', ') || 'nobody'}`);
    const isFulfilled = order.status === 'fulfilled';
    if (isFulfilled)
      for (const { sku, quantity } of order.lines) soldByOrders[sku] = (soldByOrders[sku] ?? 0) + quantity;
    const { charged, refunded } = payments.get(id) ?? { charged: 0, refunded: 0 };
    const owed = isFulfilled ? totalOf(order.lines) : 0;
    if (charged - refunded !== owed)
      violations.push(`${id} is ${order.status}: paid ${charged} - ${refunded}, owes ${owed}`);
    revenue += owed;
    kept += charged - refunded;
  }
  if (revenue !== kept) violations.push(`fulfilled orders are worth ${revenue}, and ${kept} was kept`);
  for (const [sku, amount] of Object.entries(received)) {
    const { left, reserved, sold } = stocks[sku] ?? { left: 0, reserved: {}, sold: 0 };
    const held = Object.values(reserved).reduce((sum, each) => sum + each, 0);
    if (left < 0) violations.push(`${sku}: ${left} left`);
    if (held > 0) violations.push(`${sku}: still reserved for ${Object.keys(reserved).slice(0, 5).join(', ')}`);
    if (left + held + sold !== amount) violations.push(`${sku}: ${left} + ${held} + ${sold} of ${amount}`);
    const ordered = soldByOrders[sku] ?? 0;
    if (sold !== ordered) violations.push(`${sku}: sold ${sold}, fulfilled orders have ${ordered}`);
  }
  return violations;
}
