/**
 * How many disks may be destroyed at a time. What is promised holds "while a majority of each shard's replicas and of
 * the control voters keep their disks" (P2): beyond it a loss proves nothing. Wiped, spoilt, shortened or set back:
 * a disk that is not what was synced counts as destroyed until what it held has been rebuilt.
 */

/** Sets of machines that keep copies of the same thing: a shard's replicas, the voters. */
export type CopySets = () => readonly (readonly string[])[];

export class FaultBudget {
  readonly #copySets: CopySets;
  readonly #destroyed = new Set<string>();

  constructor(copySets: CopySets) {
    this.#copySets = copySets;
  }

  get destroyed(): ReadonlySet<string> {
    return this.#destroyed;
  }

  /** Destroys a machine's disk, if every set of copies keeps its majority. @returns whether it may */
  spend(machine: string): boolean {
    for (const set of this.#copySets()) {
      if (!set.includes(machine)) continue;
      const lost = set.filter((one) => one === machine || this.#destroyed.has(one)).length;
      if (lost > Math.floor((set.length - 1) / 2)) return false;
    }
    this.#destroyed.add(machine);
    return true;
  }

  /** Its disk is not kept, whatever is still on it: a member that was removed may count among the voters for a while. */
  giveUp(machine: string): void {
    this.#destroyed.add(machine);
  }

  /** No set of copies counts on the machine. */
  isFree(machine: string): boolean {
    return this.#copySets().every((set) => !set.includes(machine));
  }

  /** The machine holds again what it is meant to hold. */
  rebuilt(machine: string): void {
    this.#destroyed.delete(machine);
  }
}
