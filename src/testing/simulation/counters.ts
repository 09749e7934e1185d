/** Counts what happened, by name: faults by kind, and how often rare paths were taken. */
export class Counters {
  readonly #counts = new Map<string, number>();

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  add(others: Counters): void {
    for (const [what, count] of others.entries()) this.count(what, count);
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** By name. */
  entries(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
