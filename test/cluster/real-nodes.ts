/** For tests of real nodes in this process: an actor to talk to, and patience. */
import { eventSourced } from 'greenroom';
import { expect } from 'vitest';

export class Counter extends eventSourced({
  initialState: (): number => 0,
  events: { Added: (sum: number, by: number) => sum + by },
}) {
  add(by: number) {
    this.persist('Added', by);
    return this.state;
  }
  get() {
    return this.state;
  }
}

/** Real nodes: what they do takes its time. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + 20_000; !(await isSo()); ) {
    expect(performance.now()).toBeLessThan(endMs);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
