/** Actors that tell each other and wait, for the runs that kill their owners meanwhile. */
import { eventSourced } from 'greenroom';

export interface Batch {
  readonly receivers: readonly string[];
  /** Tells to each of them. */
  readonly each: number;
}

/** Numbers what it tells each receiver, from 1. */
export class Sender extends eventSourced({
  initialState: () => ({ sent: {} as Readonly<Record<string, number>> }),
  events: {
    Sent: (state, { receivers, each }: Batch) => ({
      sent: { ...state.sent, ...Object.fromEntries(receivers.map((id) => [id, (state.sent[id] ?? 0) + each])) },
    }),
  },
}) {
  send(batch: Batch) {
    for (const id of batch.receivers) {
      const before = this.state.sent[id] ?? 0;
      for (let number = 1; number <= batch.each; number++)
        this.tell(this.actor(Receiver, id)).receive({ from: this.id, number: before + number });
    }
    this.persist('Sent', batch);
  }
  sent() {
    return this.state.sent;
  }
}

/** Its events are the evidence: what it received, in that order. */
export class Receiver extends eventSourced({
  initialState: () => ({ received: 0 }),
  events: { Received: (state, _: { from: string; number: number }) => ({ received: state.received + 1 }) },
}) {
  receive(tell: { from: string; number: number }) {
    this.persist('Received', tell);
  }
  received() {
    return this.state.received;
  }
}

/** Is woken once, at the time it was told. */
export class Sleeper extends eventSourced({
  initialState: () => ({ struckAtMs: [] as readonly number[] }),
  events: { Struck: (state, { atMs }: { atMs: number }) => ({ struckAtMs: [...state.struckAtMs, atMs] }) },
}) {
  sleepUntil(atMs: number) {
    this.remind('wake', { at: atMs }).strike();
  }
  strike() {
    this.persist('Struck', { atMs: Date.now() });
  }
  struck() {
    return this.state.struckAtMs;
  }
}

/** Ticks every second, so often as it was told; no tick may be left out. */
export class Ticker extends eventSourced({
  initialState: () => ({ firstMs: 0, left: 0, tickedAtMs: [] as readonly number[] }),
  events: {
    Began: (state, { firstMs, ticks }: { firstMs: number; ticks: number }) => ({ ...state, firstMs, left: ticks }),
    Ticked: (state, { atMs }: { atMs: number }) => ({
      ...state,
      left: state.left - 1,
      tickedAtMs: [...state.tickedAtMs, atMs],
    }),
  },
}) {
  begin(ticks: number) {
    this.remind('tick', { every: '1s', missed: 'all' }).tick();
    this.persist('Began', { firstMs: this.reminders()[0]!.dueAt, ticks });
  }
  tick() {
    this.persist('Ticked', { atMs: Date.now() });
    if (this.state.left === 0) this.forget('tick');
  }
  ticked() {
    return this.state;
  }
}
