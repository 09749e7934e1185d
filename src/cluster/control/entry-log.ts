/**
 * The entries that a node holds: those after its snapshot, which are durable state, and some before it, kept in memory
 * for followers that are a little behind. It knows nothing of roles and commits.
 *
 * Invariants: indexes have no gap; terms never fall; `base` ≤ `snapshot` ≤ `last`.
 */
import { assert } from '../../core/assert.ts';
import type { StoreId } from '../../core/ids.ts';
import type { ControlEntry, LogPoint } from './control-protocol.ts';

/** Bytes of an entry beside its change. */
const entryOverheadBytes = 32;

export class EntryLog<Change> {
  readonly #sizeOf: (change: Change) => number;
  #entries: ControlEntry<Change>[] = [];
  #sizes: number[] = [];
  /** The place before the first entry held. */
  #base: LogPoint;
  #snapshot: LogPoint;
  #snapshotVoters: readonly StoreId[];

  constructor(snapshot: LogPoint, voters: readonly StoreId[], sizeOf: (change: Change) => number) {
    this.#base = pointOf(snapshot);
    this.#snapshot = this.#base;
    this.#snapshotVoters = voters;
    this.#sizeOf = sizeOf;
  }

  get base(): LogPoint {
    return this.#base;
  }

  get snapshot(): LogPoint {
    return this.#snapshot;
  }

  get last(): LogPoint {
    const entry = this.#entries.at(-1);
    return entry ? pointOf(entry) : this.#base;
  }

  /** undefined where nothing is held: before `base` or after `last`. */
  termAt(index: number): number | undefined {
    return index === this.#base.index ? this.#base.term : this.entry(index)?.term;
  }

  entry(index: number): ControlEntry<Change> | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  append(entry: ControlEntry<Change>): void {
    const { index, term } = this.last;
    assert(entry.index === index + 1, () => `entry ${entry.index} follows ${index}`);
    assert(entry.term >= term, () => `terms never fall, got ${entry.term} after ${term}`);
    this.#entries.push(entry);
    this.#sizes.push(this.#bytesOf(entry));
  }

  /** Drops the entry at `index` and all after it. */
  truncateFrom(index: number): void {
    assert(index > this.#snapshot.index, () => `a snapshot stays: ${index} is not after ${this.#snapshot.index}`);
    const kept = index - this.#base.index - 1;
    this.#entries.length = Math.min(this.#entries.length, kept);
    this.#sizes.length = this.#entries.length;
  }

  /** The snapshot moves up to an entry that is held; `keptEntries` before it stay in memory. */
  compactTo(index: number, keptEntries: number, keptBytes: number): void {
    const voters = this.votersAt(index);
    const term = this.termAt(index);
    assert(term !== undefined && index >= this.#snapshot.index, () => `a snapshot is of held entries, got ${index}`);
    let kept = 0;
    for (let bytes = 0; kept < Math.min(keptEntries, index - this.#base.index); kept++) {
      bytes += this.#sizes[index - kept - this.#base.index - 1]!;
      if (bytes > keptBytes) break;
    }
    const dropped = index - kept - this.#base.index;
    this.#base = { index: index - kept, term: this.termAt(index - kept)! };
    this.#entries.splice(0, dropped);
    this.#sizes.splice(0, dropped);
    this.#snapshot = { index, term };
    this.#snapshotVoters = voters;
  }

  /** Nothing of what was held agrees with the snapshot: it replaces all. */
  reset(snapshot: LogPoint, voters: readonly StoreId[]): void {
    this.#base = pointOf(snapshot);
    this.#snapshot = this.#base;
    this.#snapshotVoters = voters;
    this.#entries = [];
    this.#sizes = [];
  }

  /** What is durable state. */
  afterSnapshot(): ControlEntry<Change>[] {
    return this.#entries.slice(this.#snapshot.index - this.#base.index);
  }

  /** At most `countMax` entries and `bytesMax` bytes from `index` on, but one if there is one. */
  from(index: number, countMax: number, bytesMax: number): ControlEntry<Change>[] {
    const start = index - this.#base.index - 1;
    assert(start >= 0, () => `entries before ${this.#base.index + 1} are gone, got ${index}`);
    let end = start;
    for (let bytes = 0; end < this.#entries.length && end - start < countMax; end++) {
      bytes += this.#sizes[end]!;
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Bytes of the entries after `from` up to `to`. */
  bytesBetween(from: number, to: number): number {
    let bytes = 0;
    for (let index = Math.max(from, this.#base.index) + 1; index <= to; index++)
      bytes += this.#sizes[index - this.#base.index - 1] ?? 0;
    return bytes;
  }

  /** The newest index up to `index` whose term is not above `term`: what may still agree with a log that has it there. */
  mayAgreeUpTo(index: number, term: number): number {
    let place = Math.min(index, this.last.index);
    while (place > this.#base.index && this.termAt(place)! > term) place--;
    return Math.max(place, 0);
  }

  indexOfProposal(id: string): number | undefined {
    const entry = this.#entries.findLast((entry) => entry.type !== 'start' && entry.id === id);
    return entry?.index;
  }

  /** Who votes when the log ends at `index`, which is not before the snapshot. */
  votersAt(index: number): readonly StoreId[] {
    return this.votersEntryAt(index)?.voters ?? this.#snapshotVoters;
  }

  /** The newest change of voters after the snapshot, up to `index`. */
  votersEntryAt(index: number): (ControlEntry<Change> & { type: 'voters' }) | undefined {
    for (let place = Math.min(index, this.last.index); place > this.#snapshot.index; place--) {
      const entry = this.entry(place);
      if (entry?.type === 'voters') return entry;
    }
    return undefined;
  }

  #bytesOf(entry: ControlEntry<Change>): number {
    return entryOverheadBytes + (entry.type === 'change' ? this.#sizeOf(entry.change) : 0);
  }
}

/** Whether a log that ends at `candidate` holds all that one ending at `own` may have committed. */
export function isUpToDate(candidate: LogPoint, own: LogPoint): boolean {
  return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);
}

function pointOf({ index, term }: LogPoint): LogPoint {
  return { index, term };
}
