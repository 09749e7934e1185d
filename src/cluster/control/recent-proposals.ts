/**
 * The ids of the changes committed last, so that a proposal repeated after a time-out is recognized although its entry
 * is compacted. It follows from the log alone, hence is the same on every node at the same index; snapshots carry it.
 */
import type { RecentProposal } from './control-protocol.ts';

export class RecentProposals {
  readonly #countMax: number;
  /** Oldest first. */
  readonly #indexes = new Map<string, number>();

  constructor(countMax: number, recent: readonly RecentProposal[]) {
    this.#countMax = countMax;
    for (const { id, index } of recent) this.add(id, index);
  }

  add(id: string, index: number): void {
    this.#indexes.delete(id);
    this.#indexes.set(id, index);
    for (const oldest of this.#indexes.keys()) {
      if (this.#indexes.size <= this.#countMax) return;
      this.#indexes.delete(oldest);
    }
  }

  indexOf(id: string): number | undefined {
    return this.#indexes.get(id);
  }

  /** As they were at `index`, but for those forgotten since. */
  upTo(index: number): RecentProposal[] {
    return [...this.#indexes].map(([id, at]) => ({ id, index: at })).filter((proposal) => proposal.index <= index);
  }
}
