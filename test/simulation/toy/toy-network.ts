/** The toy's network: messages with a random delay, in order per link; what is cut vanishes. */
import type { Random } from '../../../src/core/random.ts';
import type { Life, Machine } from '../../../src/testing/simulation/machine.ts';
import type { NetworkFaults } from '../../../src/testing/simulation/simulated-node.ts';
import type { World } from '../../../src/testing/simulation/world.ts';

export class ToyNetwork<Message> implements NetworkFaults {
  readonly #world: World;
  readonly #random: Random;
  readonly #usualMs: number;
  readonly #receivers = new Map<string, { readonly life: Life; readonly receive: (message: Message) => void }>();
  readonly #cuts = new Set<string>();
  readonly #delays = new Map<string, number>();
  /** When the newest message of a link arrives: later ones not before it. */
  readonly #arrivals = new Map<string, number>();
  /** Counts the connections of a link: what an older one carried is lost. */
  readonly #connections = new Map<string, number>();

  constructor(world: World, usualMs: number) {
    this.#world = world;
    this.#usualMs = usualMs;
    this.#random = world.random('network');
  }

  listen(machine: Machine, life: Life, receive: (message: Message) => void): void {
    this.#receivers.set(machine.name, { life, receive });
  }

  send(from: string, to: string, message: Message): void {
    const link = `${from}>${to}`;
    if (this.#cuts.has(link)) return;
    const delayMs = this.#usualMs * (0.5 + this.#random.next()) + (this.#delays.get(link) ?? 0);
    const atMs = Math.max(this.#arrivals.get(link) ?? 0, this.#world.nowMs + delayMs);
    this.#arrivals.set(link, atMs);
    const connection = this.#connections.get(link) ?? 0;
    this.#world.after(atMs - this.#world.nowMs, () => {
      const receiver = this.#receivers.get(to);
      if (!receiver || this.#cuts.has(link) || (this.#connections.get(link) ?? 0) !== connection) return;
      this.#world.after(0, () => receiver.receive(message), receiver.life);
    });
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  break(from: string, to: string): void {
    for (const link of [`${from}>${to}`, `${to}>${from}`]) {
      this.#connections.set(link, (this.#connections.get(link) ?? 0) + 1);
      this.#arrivals.delete(link);
    }
  }

  delay(from: string, to: string, byMs: number): void {
    this.#delays.set(`${from}>${to}`, byMs);
  }

  heal(): void {
    this.#cuts.clear();
    this.#delays.clear();
  }

  crash(node: string): void {
    this.#receivers.delete(node);
  }
  pause(): void {}
  resume(): void {}
}
