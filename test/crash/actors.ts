import { eventSourced } from 'greenroom';

/** Keeps every token it was given; one command writes one event, the other three that belong together. */
export class Register extends eventSourced({
  initialState: () => ({ count: 0 }),
  events: {
    Put: (state, _event: { token: string; part: number }) => ({ count: state.count + 1 }),
  },
  snapshotEvery: 20,
}) {
  put(token: string) {
    this.persist('Put', { token, part: 1 });
    return { token, count: this.state.count };
  }

  putThree(token: string) {
    for (const part of [1, 2, 3]) this.persist('Put', { token, part });
    return { token, count: this.state.count };
  }
}
