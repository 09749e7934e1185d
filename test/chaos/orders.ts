/**
 * `npm run chaos:orders -- [--orders 10000] [--nodes 3] [--kill-every 5s] [--customers 60] [--seed 1] [--json]`: the order
 * example on real processes. While customers place, pay and cancel orders, one node after the other is killed with
 * -9 and started again, never two at once; then every order must come to an end, and the books must balance.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import type { StateOf } from 'greenroom';
import { connect, type RemoteClient } from 'greenroom/client';
import type { Order } from '../../examples/order-fulfilment.ts';
import type { Payment } from '../../examples/payment.ts';
import type { Stock } from '../../examples/stock.ts';
import { durationMs } from '../../src/core/duration.ts';
import { pause } from './chaos-clients.ts';
import { runOnCluster, whileKilled } from './kill-in-turn.ts';
import { auditOrders, isFinal, type OrderView } from './order-audit.ts';
import { OrderCustomers } from './order-customers.ts';
import { inLanes } from './patience.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== '--'),
  options: {
    orders: { type: 'string', default: '10000' },
    nodes: { type: 'string', default: '3' },
    'kill-every': { type: 'string', default: '5s' },
    customers: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const nodes = Number(values.nodes);
const killEveryMs = durationMs(values['kill-every'] as `${number}s`) ?? 5_000;
/** From the end of the kills until the last order must be final. */
const restWithinMs = 180_000;
const skus = Array.from({ length: 20 }, (_, index) => `sku-${index}`);
const plan = {
  orders: Number(values.orders),
  customers: Number(values.customers),
  skus,
  payWithinMs: 3_000,
  seed: Number(values.seed),
  giveUpAfterMs: 120_000,
  lookEveryMs: 100,
};
/** Somewhat less than is wanted, so that some orders find a stock empty. */
const receivedEach = Math.ceil((plan.orders * 2 * 2 * 0.68) / skus.length);

const startMs = performance.now();
const outcomes: Record<string, number> = {};
let kills = 0;
let restMs = 0;
let customers: OrderCustomers | undefined;
const setup = {
  name: 'orders',
  nodes,
  actors: fileURLToPath(new URL('../../examples/actors.ts', import.meta.url)),
  firstPort: 17_700,
};
const { violations, directory } = await runOnCluster(setup, async (cluster, copies) => {
  const client = connect(cluster.names.map((name) => cluster.url(name)));
  for (const sku of skus) await client.actor<Stock>('Stock', sku, { key: `receive-${sku}` }).receive(receivedEach);
  const shopping = new OrderCustomers(plan, (id, key) =>
    client.actor<Order>('Order', id, key === undefined ? {} : { key }),
  );
  customers = shopping;
  const killed = (name: string) => {
    kills += 1;
    console.error(`${name} killed and back; ${shopping.finished} of ${plan.orders} orders are done`);
  };
  await whileKilled({ cluster, copies, everyMs: killEveryMs, killed }, () => shopping.run());
  const found = [...shopping.late, ...(await audit(client, shopping.ids))];
  client.close();
  return found;
});
report();
process.exit();

/** Waits until every order is final, then reads everything. */
async function audit(client: RemoteClient, ids: readonly string[]): Promise<string[]> {
  const restStartMs = performance.now();
  const orders = new Map<string, OrderView>();
  const payments = new Map<string, StateOf<Payment>>();
  await inLanes(ids, 32, async (id) => {
    for (;;) {
      const order = await client.actor<Order>('Order', id).get();
      orders.set(id, order);
      if (isFinal(order) || performance.now() - restStartMs > restWithinMs) break;
      await pause(200);
    }
    payments.set(id, await client.actor<Payment>('Payment', id).get());
  });
  restMs = performance.now() - restStartMs;
  const stocks: Record<string, StateOf<Stock>> = {};
  for (const sku of skus) stocks[sku] = await client.actor<Stock>('Stock', sku).get();
  for (const { status, end } of orders.values()) {
    const outcome = end ? `${status}: ${end.reason.split(' ')[0]}` : status;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  const received = Object.fromEntries(skus.map((sku) => [sku, receivedEach]));
  return auditOrders({ received, stocks, orders, payments });
}

function report(): void {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const durationTotalMs = performance.now() - startMs;
  const { longestCommandMs = 0, longestOrderMs = 0, errors = {} } = customers ?? {};
  if (values.json) {
    const figures = { kills, durationMs: durationTotalMs, longestCommandMs, longestOrderMs, restMs };
    console.log(JSON.stringify({ orders: plan.orders, nodes, outcomes, ...figures, errors, violations }, undefined, 2));
  } else {
    const table = new Table({ style: { head: [] } });
    for (const [outcome, count] of Object.entries(outcomes).sort()) table.push([outcome, String(count)]);
    table.push(['kills', String(kills)], ['duration', seconds(durationTotalMs)]);
    table.push(['longest wait for an answer', seconds(longestCommandMs)]);
    table.push(['longest from placing an order to its end', seconds(longestOrderMs)]);
    table.push(['reading everything in the end', seconds(restMs)]);
    const again = Object.entries(errors).map(([code, count]) => `${code} ${count}`);
    table.push(['commands sent again after', again.join(', ') || 'no error']);
    console.log(table.toString());
    for (const violation of violations.slice(0, 30)) console.log(`VIOLATION ${violation}`);
    const found = `${violations.length} violations; data in ${directory}`;
    console.log(violations.length === 0 ? 'no promise was broken' : found);
  }
  if (violations.length > 0) process.exitCode = 1;
}
