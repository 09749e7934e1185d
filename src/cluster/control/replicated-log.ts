/**
 * What a node has of the log, whatever its role: entries, snapshot, and how much of it is committed. It tells what is
 * committed, each entry once and in order, asks for a snapshot when the log is long, and says what must be written.
 *
 * Invariants: snapshot ≤ commit ≤ last, since a start reads all three; nothing at or below commit is truncated (I7).
 */
import { assert } from '../../core/assert.ts';
import type { StoreId } from '../../core/ids.ts';
import type { ControlOptions } from './control-options.ts';
import type {
  CommittedEntry,
  ControlEffect,
  ControlEntry,
  ControlSnapshot,
  DurableControl,
  LogPoint,
  VotersEntry,
} from './control-protocol.ts';
import { EntryLog } from './entry-log.ts';
import { RecentProposals } from './recent-proposals.ts';

/** Whether a leader's entries fitted, and if not, where its log and this one may still agree. */
export type AppendOutcome =
  | { readonly type: 'matches'; readonly match: number }
  | { readonly type: 'conflicts'; readonly hint: LogPoint };

export class ReplicatedLog<Change, Snapshot> {
  readonly #options: ControlOptions;
  readonly #emit: (effect: ControlEffect<Change, Snapshot>) => void;
  readonly entries: EntryLog<Change>;
  #recent: RecentProposals;
  #snapshot: ControlSnapshot<Snapshot> | undefined;
  #commit: number;
  #snapshotWantedAt = 0;
  #votersByMistake: readonly StoreId[] | undefined;
  /** Since they were written last. */
  hasChanged = false;
  snapshotHasChanged = false;

  constructor(
    { state, snapshot }: DurableControl<Change, Snapshot>,
    options: ControlOptions,
    sizeOf: (change: Change) => number,
    emit: (effect: ControlEffect<Change, Snapshot>) => void,
  ) {
    this.#options = options;
    this.#emit = emit;
    assert((snapshot?.index ?? 0) >= (state?.snapshot.index ?? 0), 'the snapshot that the entries follow is on disk');
    this.#snapshot = snapshot;
    this.entries = new EntryLog(snapshot ?? { index: 0, term: 0 }, snapshot?.voters ?? [], sizeOf);
    this.#recent = new RecentProposals(options.recentProposalsMax, snapshot?.recent ?? []);
    this.#commit = this.entries.last.index;
    this.#readEntries(state?.entries ?? []);
  }

  get commit(): number {
    return this.#commit;
  }

  get last(): LogPoint {
    return this.entries.last;
  }

  get snapshot(): ControlSnapshot<Snapshot> | undefined {
    return this.#snapshot;
  }

  /** The voters in force: those of the newest entry that names some, committed or not. */
  get voters(): readonly StoreId[] {
    const isLate = this.#options.mistake === 'voters in force at commit only';
    return this.#votersByMistake ?? this.entries.votersAt(isLate ? this.#commit : this.last.index);
  }

  /** The newest change of voters, unless it is compacted. */
  get newestVoters(): VotersEntry | undefined {
    return this.entries.votersEntryAt(this.last.index);
  }

  /**
   * Whether a store may stand for election: it is a voter, or its removal is not known to be committed. It may be the
   * only one that holds its removal, and then no other can win (of two voters, one of which removed itself; 4.2.2).
   */
  mayLead(storeId: StoreId): boolean {
    if (this.voters.includes(storeId)) return true;
    const removal = this.newestVoters;
    const mayBeLost = removal !== undefined && removal.index > this.#commit;
    return mayBeLost && this.entries.votersAt(removal.index - 1).includes(storeId);
  }

  append(entry: ControlEntry<Change>): void {
    this.entries.append(entry);
    this.hasChanged = true;
  }

  /** Takes what a leader sent. What is held already is skipped: a delayed append takes nothing away. */
  appendFromLeader(previous: LogPoint, entries: readonly ControlEntry<Change>[]): AppendOutcome {
    const { mistake } = this.#options;
    // Compacted, hence committed, hence the leader's: it agrees up to the commit.
    if (previous.index < this.entries.base.index) return { type: 'matches', match: this.#commit };
    const held = this.entries.termAt(previous.index);
    const isHeld =
      mistake === 'appends without checking the previous entry' ? held !== undefined : held === previous.term;
    if (!isHeld) return { type: 'conflicts', hint: this.hintFor(previous) };
    const match = previous.index + entries.length;
    for (const entry of entries) {
      const term = this.entries.termAt(entry.index);
      if (term === entry.term) continue;
      if (term !== undefined) this.#truncateFrom(entry.index);
      this.append(entry);
    }
    if (mistake === 'a delayed append truncates' && match < this.last.index) this.entries.truncateFrom(match + 1);
    return { type: 'matches', match };
  }

  /** The newest place that may agree with a log which holds `previous`. */
  hintFor(previous: LogPoint): LogPoint {
    const index = this.entries.mayAgreeUpTo(previous.index, previous.term);
    return { index, term: this.entries.termAt(index) ?? 0 };
  }

  commitTo(index: number): void {
    if (index <= this.#commit) return;
    assert(index <= this.last.index, () => `what is committed is held: ${index}, last ${this.last.index}`);
    const from = this.#commit;
    this.#commit = index;
    const entries = this.changesBetween(from, index);
    if (entries.length > 0) this.#emit({ type: 'committed', entries });
    for (let place = from + 1; place <= index; place++) {
      const entry = this.entries.entry(place)!;
      if (entry.type !== 'start') this.#recent.add(entry.id, place);
      if (entry.type === 'voters') this.#emit({ type: 'votersCommitted', index: place, voters: entry.voters });
    }
    this.#wantSnapshot();
  }

  /** The changes among the entries after `from` up to `to`. */
  changesBetween(from: number, to: number): CommittedEntry<Change>[] {
    const changes: CommittedEntry<Change>[] = [];
    for (let index = from + 1; index <= to; index++) {
      const entry = this.entries.entry(index);
      if (entry?.type === 'change') changes.push({ index, term: entry.term, id: entry.id, change: entry.change });
    }
    return changes;
  }

  committedIndexOf(id: string): number | undefined {
    const index = this.entries.indexOfProposal(id);
    return index !== undefined && index <= this.#commit ? index : this.#recent.indexOf(id);
  }

  /** Where the proposal is, committed or not. */
  indexOf(id: string): number | undefined {
    if (this.#options.mistake === 'appends a repeated proposal') return undefined;
    return this.entries.indexOfProposal(id) ?? this.#recent.indexOf(id);
  }

  /** `data` is the state that all entries up to `index` make. */
  compact(index: number, data: Snapshot): void {
    if (index <= this.entries.snapshot.index) return;
    assert(index <= this.#commit, () => `a snapshot is of what is committed: ${index}, committed ${this.#commit}`);
    const forgets = this.#options.mistake === 'forgets ids at compaction';
    if (forgets) this.#recent = new RecentProposals(this.#options.recentProposalsMax, []);
    const voters = this.entries.votersAt(index);
    const { keptEntries, keptBytes } = this.#options;
    this.entries.compactTo(index, forgets ? 0 : keptEntries, keptBytes);
    this.#snapshot = { ...this.entries.snapshot, voters, recent: this.#recent.upTo(index), data };
    this.hasChanged = true;
    this.snapshotHasChanged = true;
  }

  /** Takes a leader's snapshot. @returns up to where the log is the leader's now */
  restore(snapshot: ControlSnapshot<Snapshot>): number {
    if (snapshot.index <= this.#commit) return this.#commit;
    if (this.entries.termAt(snapshot.index) === snapshot.term) {
      this.commitTo(snapshot.index);
      return snapshot.index;
    }
    this.entries.reset(snapshot, snapshot.voters);
    this.#snapshot = snapshot;
    this.#recent = new RecentProposals(this.#options.recentProposalsMax, snapshot.recent);
    this.#commit = snapshot.index;
    this.hasChanged = true;
    this.snapshotHasChanged = true;
    this.#emit({ type: 'restoreSnapshot', index: snapshot.index, snapshot: snapshot.data });
    return snapshot.index;
  }

  #truncateFrom(index: number): void {
    assert(index > this.#commit, () => `what is committed stays: truncating from ${index}, committed ${this.#commit}`);
    const { newestVoters } = this;
    this.entries.truncateFrom(index);
    if (this.#options.mistake === 'voters not rolled back' && newestVoters && newestVoters.index >= index)
      this.#votersByMistake = newestVoters.voters;
  }

  /** Asked once, and again when as much has come since without an answer. */
  #wantSnapshot(): void {
    const from = Math.max(this.entries.snapshot.index, this.#snapshotWantedAt);
    const { compactAfterEntries, compactAfterBytes } = this.#options;
    const isLong = this.#commit - from >= compactAfterEntries;
    if (!isLong && this.entries.bytesBetween(from, this.#commit) < compactAfterBytes) return;
    this.#snapshotWantedAt = this.#commit;
    this.#emit({ type: 'snapshotWanted', index: this.#commit });
  }

  /** The state may lag one step behind the snapshot: then its entries count only if they contain what was snapshotted. */
  #readEntries(entries: readonly ControlEntry<Change>[]): void {
    const { index, term } = this.entries.snapshot;
    const held = entries.find((entry) => entry.index === index);
    if (held && held.term !== term) return;
    for (const entry of entries) if (entry.index === this.last.index + 1) this.entries.append(entry);
  }
}
