/**
 * What a diary's entries say must be: one after the other they tell which reminders are set, and so which ticks may come,
 * and which times follow. An entry that does not fit is a finding.
 *
 * Times are the owner's clock's; a turn's own time is never before it, so a tick with a turn's time before it was due was
 * too early by its own owner's clock.
 */
import type { Finding } from './promises.ts';
import type { DiaryEntry, SetReminder } from './workload-diary.ts';

type SetEntry = Extract<DiaryEntry, { what: 'set' }>;
type TickedEntry = Extract<DiaryEntry, { what: 'ticked' }>;

interface Waiting {
  readonly set: SetEntry;
  readonly ticks: number;
  readonly dueAt: number;
}

export class DiaryModel {
  readonly #actor: string;
  readonly #waiting = new Map<string, Waiting>();

  constructor(actor: string) {
    this.#actor = actor;
  }

  /** The next entry. */
  apply(entry: DiaryEntry): readonly Finding[] {
    switch (entry.what) {
      case 'set':
        this.#waiting.set(entry.name, { set: entry, ticks: 0, dueAt: entry.dueAt });
        return [];
      case 'forgotten':
        this.#waiting.delete(entry.name);
        return [];
      case 'ticked':
        return this.#ticked(entry);
    }
  }

  /** The reminders that the actor has, held against the entries so far. */
  compare(reminders: readonly SetReminder[]): readonly Finding[] {
    const findings: Finding[] = [];
    const there = new Map(reminders.map((reminder) => [reminder.name, reminder]));
    for (const [name, { set, dueAt }] of this.#waiting) {
      const found = there.get(name);
      if (!found) {
        findings.push(this.#finding('P2', `lost its reminder ${set.token}, due ${dueAt}`));
        continue;
      }
      const isMoved = found.dueAt !== dueAt;
      // What is left out leaves no entry.
      const mayBe = set.missed === 'skip' && found.dueAt > dueAt && (found.dueAt - dueAt) % set.periodMs === 0;
      if (found.token !== set.token)
        findings.push(this.#finding('P3', `has ${found.token} where its entries say ${set.token}`));
      else if (isMoved && !mayBe)
        findings.push(this.#finding('P2', `waits for ${found.dueAt} with ${set.token}, due ${dueAt}`));
    }
    for (const { name, token } of reminders)
      if (!this.#waiting.has(name)) findings.push(this.#finding('P4', `still has ${token}, which is over`));
    return findings;
  }

  /** The tick that this entry is of was due then, at the earliest; undefined if there is none. */
  dueAt(name: string): number | undefined {
    return this.#waiting.get(name)?.dueAt;
  }

  #ticked(entry: TickedEntry): readonly Finding[] {
    const { name, token, number, at, overlaps } = entry;
    const waiting = this.#waiting.get(name);
    if (waiting?.set.token !== token)
      return [this.#finding('P4', `${token} ticked (${number}) when it was over, forgotten or replaced`)];
    const findings: Finding[] = [];
    const { set, ticks, dueAt } = waiting;
    if (overlaps) findings.push(this.#finding('P3', `two ticks ran at once: ${token}, ${number}`));
    if (number !== ticks + 1) findings.push(this.#finding('P6', `${token}: tick ${number} came after ${ticks}`));
    if (at < dueAt) findings.push(this.#finding('early', `${token} ticked (${number}) at ${at}, due ${dueAt}`));
    const what = this.#follows(waiting, entry);
    if (what !== undefined) findings.push(this.#finding('P2', `${token}: tick ${number}, due ${dueAt}: ${what}`));
    if (entry.next === 0) this.#waiting.delete(name);
    else this.#waiting.set(name, { set, ticks: number, dueAt: entry.next });
    return findings;
  }

  /** What is wrong with the time of the next tick. */
  #follows({ set, dueAt }: Waiting, { number, next, at }: TickedEntry): string | undefined {
    const { missed, periodMs, ticksMax } = set;
    if (number >= ticksMax) return next === 0 ? undefined : `it goes on at ${next}, and it was the last`;
    if (next === 0) return 'it is gone, and it was not the last';
    if ((next - dueAt) % periodMs !== 0) return `goes on at ${next}, off its beat of ${periodMs}`;
    if (next <= dueAt) return `goes on at ${next}, a time that was`;
    if (missed === 'all' && next !== dueAt + periodMs) return `goes on at ${next}, and leaves out some`;
    return next > Math.max(dueAt, at) + periodMs ? `goes on at ${next}, and leaves out what was not missed` : undefined;
  }

  #finding(promise: string, what: string): Finding {
    return { promise, what: `${this.#actor} ${what}` };
  }
}
