/** What chaos talks to: a list that keeps every token it was given, in the order in which it was given them. */
import { eventSourced } from 'greenroom';

export class Ledger extends eventSourced({
  initialState: () => ({ tokens: [] as readonly string[] }),
  events: { Added: (state, event: { token: string }) => ({ tokens: [...state.tokens, event.token] }) },
  snapshotEvery: 25,
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
  /** Kills the process that runs it, as a command with a leak does. */
  tellToExhaust(id: string) {
    this.tell(this.actor(Ledger, id)).exhaust();
  }
  exhaust() {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(1_000).fill(kept.length));
  }
}
