/** The actors that are measured: as small as a real one can be, so that the runtime is what shows. */
import { Actor, eventSourced } from '../actors/actor.ts';

/** In memory only. */
export class Tally extends Actor {
  #total = 0;

  add(by: number) {
    this.#total += by;
    return this.#total;
  }
}

/** One event of about 100 bytes a command. */
export class Counter extends eventSourced({
  initialState: () => ({ total: 0 }),
  events: {
    Added: (state, event: { by: number; note: string }) => ({ total: state.total + event.by }),
  },
}) {
  add(by: number) {
    this.persist('Added', { by, note: eventPadding });
    return this.state.total;
  }

  get() {
    return this.state.total;
  }
}

/** The same without snapshots: every wake replays the whole history. */
export class Replayed extends eventSourced({
  name: 'Replayed',
  snapshotEvery: 1_000_000_000,
  initialState: () => ({ total: 0 }),
  events: {
    Added: (state, event: { by: number; note: string }) => ({ total: state.total + event.by }),
  },
}) {
  add(by: number) {
    this.persist('Added', { by, note: eventPadding });
    return this.state.total;
  }

  get() {
    return this.state.total;
  }
}

const eventPadding = 'an event of a usual size carries about a hundred bytes of data with it…';
