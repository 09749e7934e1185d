/** The actors that are measured: as small as a real one can be, so that the runtime is what shows. */
import { Actor, eventSourced } from '../actors/actor.ts';

/** An event with it is about a hundred bytes. */
const eventPadding = 'an event of a usual size carries about a hundred bytes of data with it…';

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

/** Events as large as their caller says, and a state that is not: what larger values cost on their way to the disk. */
export class Box extends eventSourced({
  initialState: () => ({ values: 0 }),
  events: { Put: (state, _event: { value: string }) => ({ values: state.values + 1 }) },
}) {
  put(value: string) {
    this.persist('Put', { value });
    return this.state.values;
  }
}

export const benchActors = [Tally, Counter, Replayed, Box] as const;
