/**
 * Customers of the order example: some pay, some change their mind, before or while they pay, some never pay. Each command
 * has a key of its own and is sent again under it until it is answered.
 */
import { type ActorRef, Rejection } from 'greenroom';
import type { Order } from '../../examples/order-fulfilment.ts';
import type { Line } from '../../examples/order-placement.ts';
import { seededRandom } from '../../src/core/random.ts';
import { pause } from './chaos-clients.ts';
import { isFinal, type OrderView } from './order-audit.ts';
import { answered, inLanes, Late } from './patience.ts';

/** How the customers reach an order; `key` is the command's idempotency key. */
export type OrderAt = (id: string, key?: string) => ActorRef<Order>;

export interface ShopPlan {
  readonly orders: number;
  readonly customers: number;
  readonly skus: readonly string[];
  readonly payWithinMs: number;
  readonly seed: number;
  /** Of one command with its retries, and of waiting for an order's next status. */
  readonly giveUpAfterMs: number;
  /** Between two looks at an order. */
  readonly lookEveryMs: number;
}

type Intent = 'pays' | 'never pays' | 'cancels at once' | 'cancels while paying';

export class OrderCustomers {
  readonly ids: readonly string[];
  /** Of commands that were tried again, by code. */
  readonly errors: Record<string, number> = {};
  /** From the first try of a command to its answer. */
  longestCommandMs = 0;
  /** From placing an order to seeing it final. */
  longestOrderMs = 0;
  /** What was never answered, or did not go on, in time. */
  readonly late: string[] = [];
  finished = 0;
  readonly #plan: ShopPlan;
  readonly #order: OrderAt;

  constructor(plan: ShopPlan, order: OrderAt) {
    this.#plan = plan;
    this.#order = order;
    this.ids = Array.from({ length: plan.orders }, (_, index) => `o${plan.seed}-${index}`);
  }

  /** Places every order; resolves when each is final or has taken too long. */
  async run(): Promise<void> {
    await inLanes(this.ids, this.#plan.customers, async (id, index) => {
      try {
        await this.#serve(id, index);
      } catch (error) {
        if (!(error instanceof Late)) throw error;
        this.late.push(error.message);
      }
      this.finished += 1;
    });
  }

  async #serve(id: string, index: number): Promise<void> {
    const random = seededRandom(this.#plan.seed * 1_000_003 + index);
    const pick = (count: number) => Math.floor(random.next() * count);
    const intent = intentOf(random.next());
    const first = pick(this.#plan.skus.length);
    const lines: Line[] = Array.from({ length: 1 + pick(3) }, (_, line) => ({
      sku: this.#plan.skus[(first + line) % this.#plan.skus.length]!,
      quantity: 1 + pick(3),
      price: 100 + pick(900),
    }));
    const startMs = performance.now();
    await this.#send(id, 'place', (order) => order.place({ lines, payWithinMs: this.#plan.payWithinMs }));
    if (intent === 'cancels at once') await this.#send(id, 'cancel', (order) => order.cancel());
    const { status } = await this.#until(id, (order) => order.status !== 'reserving');
    if (status === 'unpaid' && intent !== 'never pays') {
      await this.#send(id, 'pay', (order) => order.pay());
      if (intent === 'cancels while paying') await this.#send(id, 'cancel', (order) => order.cancel());
    }
    await this.#until(id, isFinal);
    this.longestOrderMs = Math.max(this.longestOrderMs, performance.now() - startMs);
  }

  /** A rejection is an answer: the order had gone on meanwhile. */
  async #send(id: string, command: string, send: (order: ActorRef<Order>) => Promise<unknown>): Promise<void> {
    const startMs = performance.now();
    await this.#answered(`${id}.${command}`, () =>
      send(this.#order(id, `${id}.${command}`)).catch((error) => {
        if (!(error instanceof Rejection)) throw error;
      }),
    );
    this.longestCommandMs = Math.max(this.longestCommandMs, performance.now() - startMs);
  }

  async #until(id: string, isThere: (order: OrderView) => boolean): Promise<OrderView> {
    const endMs = performance.now() + this.#plan.giveUpAfterMs;
    for (;;) {
      const order = await this.#answered(`${id}.get`, () => this.#order(id).get());
      if (isThere(order)) return order;
      if (performance.now() > endMs) throw new Late(`${id} was still ${order.status}`);
      await pause(this.#plan.lookEveryMs);
    }
  }

  #answered<T>(what: string, send: () => Promise<T>): Promise<T> {
    const { giveUpAfterMs, lookEveryMs } = this.#plan;
    return answered(what, { giveUpAfterMs, againMs: lookEveryMs, errors: this.errors }, send);
  }
}

function intentOf(chance: number): Intent {
  if (chance < 0.05) return 'cancels at once';
  if (chance < 0.15) return 'cancels while paying';
  return chance < 0.22 ? 'never pays' : 'pays';
}
