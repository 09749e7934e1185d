/** The next version of the code: one new event, one new command. */
import { eventSourced } from 'greenroom';

export class Ledger extends eventSourced({
  initialState: () => ({ tokens: [] as readonly string[], marks: 0 }),
  events: {
    Added: (state, event: { token: string }) => ({ ...state, tokens: [...state.tokens, event.token] }),
    Marked: (state) => ({ ...state, marks: (state.marks ?? 0) + 1 }),
  },
  snapshotEvery: 25,
  snapshotVersion: 2,
  passivateAfter: '2s',
}) {
  add(token: string) {
    this.persist('Added', { token });
    return this.state.tokens.length;
  }
  addTwo(token: string) {
    this.persist('Added', { token: `${token}/1` });
    this.persist('Added', { token: `${token}/2` });
    return this.state.tokens.length;
  }
  list() {
    return this.state.tokens;
  }
  tellToExhaust(id: string) {
    this.tell(this.actor(Ledger, id)).exhaust();
  }
  exhaust() {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(1_000).fill(kept.length));
  }
  mark() {
    this.persist('Marked');
    return this.state.marks;
  }
}
