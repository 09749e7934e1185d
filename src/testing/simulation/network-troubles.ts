/**
 * Cuts, partitions and delays that overlap: each ends by itself, and what still holds stays. The network only knows
 * "heal everything"; so whenever one ends, all are healed and the others put back.
 */
import type { Fault } from './faults.ts';
import type { NetworkFaults } from './simulated-node.ts';

type LinkFault = Extract<Fault, { type: 'cut' | 'partition' | 'delay' }>;

export class NetworkTroubles {
  readonly #network: NetworkFaults;
  readonly #open = new Map<LinkFault, readonly string[]>();

  constructor(network: NetworkFaults) {
    this.#network = network;
  }

  /** Returns what ends it. `everyone`: all machines there are now. */
  begin(fault: LinkFault, everyone: readonly string[]): () => void {
    this.#open.set(fault, everyone);
    this.#put(fault, everyone);
    return () => {
      if (!this.#open.delete(fault)) return;
      this.#network.heal();
      for (const [other, names] of this.#open) this.#put(other, names);
    };
  }

  healAll(): void {
    this.#open.clear();
    this.#network.heal();
  }

  /** Who suffers from it: the smaller side of a partition, both ends of a link. */
  troubled(fault: LinkFault, everyone: readonly string[]): readonly string[] {
    if (fault.type !== 'partition') return [fault.from, fault.to];
    const rest = everyone.filter((name) => !fault.side.includes(name));
    return fault.side.length <= rest.length ? fault.side : rest;
  }

  #put(fault: LinkFault, everyone: readonly string[]): void {
    switch (fault.type) {
      case 'cut':
        this.#network.cut(fault.from, fault.to);
        if (fault.bothWays) this.#network.cut(fault.to, fault.from);
        return;
      case 'delay':
        this.#network.delay(fault.from, fault.to, fault.byMs);
        return;
      case 'partition':
        for (const inside of fault.side) {
          for (const outside of everyone) {
            if (fault.side.includes(outside)) continue;
            this.#network.cut(inside, outside);
            this.#network.cut(outside, inside);
          }
        }
        return;
    }
  }
}
