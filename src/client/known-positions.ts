/**
 * The highest position this client has seen of each actor's shard. A retry tells it, so that the owner knows how far
 * back to look for the first attempt. Bounded: the actor used longest ago is forgotten first.
 */
export class KnownPositions {
  readonly #max: number;
  /** In order of use. */
  readonly #positions = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#positions.size;
  }

  get(actor: string): number | undefined {
    return this.#positions.get(actor);
  }

  /** Positions only grow: a late, smaller one is ignored. */
  see(actor: string, position: number): void {
    const known = this.#positions.get(actor) ?? 0;
    this.#positions.delete(actor);
    this.#positions.set(actor, Math.max(known, position));
    if (this.#positions.size <= this.#max) return;
    for (const oldest of this.#positions.keys()) {
      this.#positions.delete(oldest);
      return;
    }
  }
}
