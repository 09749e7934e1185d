/**
 * When a cluster was troubled: which machines, and whether enough of the others were left. What may fail, and for how
 * long, depends on it: "unavailable" is an answer only while a majority is really gone (P7, P8).
 */

/** Sets of machines of which a majority is needed. */
export type MajoritySets = () => readonly (readonly string[])[];

export class Health {
  readonly #nowMs: () => number;
  readonly #sets: MajoritySets;
  readonly #isDestroyed: (machine: string) => boolean;
  readonly #troubles = new Map<string, number>();
  /** Closed spans in which a majority was well. */
  readonly #wellSpans: { readonly fromMs: number; readonly toMs: number }[] = [];
  #wellSinceMs: number | undefined;

  /**
   * @param isDestroyed what the machine's disk held is not there again yet: it runs, and cannot stand in for the others.
   * Asked at every trouble, at its end, and at `rebuilt`.
   */
  constructor(nowMs: () => number, sets: MajoritySets, isDestroyed: (machine: string) => boolean = () => false) {
    this.#nowMs = nowMs;
    this.#sets = sets;
    this.#isDestroyed = isDestroyed;
    this.#wellSinceMs = nowMs();
  }

  /** Something troubles these machines from now on. Returns what ends it. */
  trouble(machines: readonly string[]): () => void {
    for (const machine of machines) this.#troubles.set(machine, (this.#troubles.get(machine) ?? 0) + 1);
    this.#look();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      for (const machine of machines) this.#troubles.set(machine, this.#troubles.get(machine)! - 1);
      this.#look();
    };
  }

  isTroubled(machine: string): boolean {
    return (this.#troubles.get(machine) ?? 0) > 0;
  }

  /** A machine's disk holds again what it is meant to hold: nothing that a majority that was well has to get over. */
  rebuilt(): void {
    if (this.#wellSinceMs === undefined) this.#look();
  }

  /** Nobody is troubled. */
  get isCalm(): boolean {
    return [...this.#troubles.values()].every((count) => count === 0);
  }

  /** The longest time within the span in which a majority was well without a break. */
  longestWellMs(fromMs: number, toMs: number): number {
    let longest = 0;
    for (const span of this.#allSpans())
      longest = Math.max(longest, Math.min(span.toMs, toMs) - Math.max(span.fromMs, fromMs));
    return longest;
  }

  #allSpans() {
    const open = this.#wellSinceMs === undefined ? [] : [{ fromMs: this.#wellSinceMs, toMs: Number.POSITIVE_INFINITY }];
    return [...this.#wellSpans, ...open];
  }

  /** Every change counts as a break: whatever happens then, the cluster has to get over it anew. */
  #look(): void {
    const nowMs = this.#nowMs();
    if (this.#wellSinceMs !== undefined) this.#wellSpans.push({ fromMs: this.#wellSinceMs, toMs: nowMs });
    const isWell = this.#sets().every((set) => {
      const well = set.filter((machine) => !this.isTroubled(machine) && !this.#isDestroyed(machine)).length;
      return well > set.length / 2;
    });
    this.#wellSinceMs = isWell ? nowMs : undefined;
  }
}
