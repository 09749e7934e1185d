/** Reminders, timers and broadcasts: what an author may write, and what must not compile. */
import { Actor, durableState, eventSourced } from '../../src/actors/actor.ts';
import { broadcast } from '../../src/actors/broadcast.ts';
import type { GreenroomNode } from '../../src/start-node.ts';

export class Order extends eventSourced({
  initialState: () => ({ status: 'open' as string }),
  events: { Cancelled: (order, { reason }: { reason: string }) => ({ ...order, status: reason }) },
  expire: '30d',
}) {
  place() {
    this.remind('unpaid', { after: '30m' }).cancel('not paid');
    this.remind('daily', { cron: '0 9 * * *', timeZone: 'Europe/Berlin', missed: 'skip' }).report();
    this.remind('often', { every: 5_000, missed: 'all' }).report();
    this.remind('once', { at: 1_800_000_000_000 }).report();
    this.forget('daily');
    const stop: () => void = this.after('10s', { keepAwake: true }).cancel('too slow');
    stop();
    return this.reminders().map(({ name, dueAt }) => ({ name, dueAt }));
  }
  cancel(reason: string) {
    this.persist('Cancelled', { reason });
    // A command may set itself again.
    this.remind('again', { after: '1h' }).cancel(reason);
    return reason.length;
  }
  report() {
    return this.state;
  }
  wrong() {
    // @ts-expect-error there is no such command
    this.remind('x', { after: '1h' }).nothing();
    // @ts-expect-error the input is a text
    this.remind('x', { after: '1h' }).cancel(5);
    // @ts-expect-error the input is missing
    this.remind('x', { after: '1h' }).cancel();
    // @ts-expect-error no input is taken
    this.remind('x', { after: '1h' }).report('now');
    // @ts-expect-error no duration
    this.remind('x', { after: '1 hour' }).report();
    // @ts-expect-error no such policy
    this.remind('x', { after: '1h', missed: 'never' }).report();
    // @ts-expect-error no time
    this.remind('x', {}).report();
    // @ts-expect-error a timer's input, too
    this.after(10).cancel(5);
  }
}

export class Stock extends durableState({ initialState: () => ({ count: 0 }), expire: 1_000 }) {
  reserve(count: number) {
    this.remind('check', { every: '1d' }).reserve(0);
    return this.state.count - count;
  }
}

export class Presence extends Actor {
  seen() {
    this.after('30s').gone();
  }
  gone() {
    // @ts-expect-error an actor in memory only has no reminders
    this.remind('x', { after: '1h' }).seen();
  }
}

export class Reminder extends durableState({ initialState: () => 0 }) {
  // @ts-expect-error `remind` belongs to the base class
  remind() {}
}

export async function broadcasts(node: GreenroomNode): Promise<void> {
  const refs = ['a', 'b'].map((id) => node.actor(Stock, id));
  const left = await broadcast<Stock, 'reserve'>(refs, 'reserve', 2, { parallel: 8 });
  for (const outcome of left) if (outcome.status === 'fulfilled') outcome.value.toFixed();
  const listed = await broadcast({ from: node, type: Stock, ids: new Set(['a']) }, 'reserve', 1);
  listed.map((outcome) => outcome.status);
  await broadcast({ from: node, type: Order, ids: [] }, 'report', undefined, { parallel: 2 });
  // @ts-expect-error no such command
  await broadcast({ from: node, type: Order, ids: [] }, 'nothing');
  // @ts-expect-error the input is a number
  await broadcast({ from: node, type: Stock, ids: [] }, 'reserve', 'one');
  const sums: number[] = await Promise.all(refs.map((ref) => ref.reserve(1)));
  sums.push(0);
  node.tell(refs[0]!).reserve(1);
}
