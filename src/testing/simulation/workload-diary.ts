/**
 * An actor that is reminded of things, and writes down all that becomes of it: what was set and forgotten, and each tick.
 * An entry goes with the record of its cause, so the list says in which order everything took effect.
 */
import { eventSourced } from '../../actors/actor.ts';
import type { MissedPolicy } from '../../actors/reminder-schedule.ts';

/** What to be reminded of, and what a tick does. */
export interface Plan {
  /** Unique. */
  readonly token: string;
  readonly name: string;
  readonly kind: 'after' | 'every' | 'cron';
  /** What passes before the tick, or between ticks. Of `cron` 1,000 to 30,000 that divide a minute. */
  readonly periodMs: number;
  readonly missed: MissedPolicy;
  /** With the last of so many ticks it ends itself. 1 for `after`. */
  readonly ticksMax: number;
  /** Ticks throw until so long after they were due. */
  readonly throwsForMs: number;
  /** Each tick asks the {@link Tally} to count it, before it throws, if it does. */
  readonly asks: boolean;
  /** With its last tick it sets another one of this name, so long after; 0: none. */
  readonly thenAfterMs: number;
}

export type DiaryEntry =
  | ({
      readonly what: 'set';
      /** The reminder's own word for its first tick, milliseconds since 1970. */
      readonly dueAt: number;
      readonly at: number;
    } & Pick<Plan, 'token' | 'name' | 'kind' | 'periodMs' | 'missed' | 'ticksMax' | 'asks'>)
  | { readonly what: 'forgotten'; readonly token: string; readonly name: string; readonly at: number }
  | {
      readonly what: 'ticked';
      readonly token: string;
      readonly name: string;
      /** From 1. */
      readonly number: number;
      /** When it ticks next; 0: never. */
      readonly next: number;
      readonly at: number;
      /** Another tick ran in this instance at the same time. */
      readonly overlaps: boolean;
    };

/** A reminder that is set. */
export interface SetReminder {
  readonly name: string;
  readonly token: string;
  readonly dueAt: number;
  /** Not looked at before this, if its tick failed. */
  readonly retryAt: number;
}

export interface DiaryReport {
  readonly entries: readonly DiaryEntry[];
  readonly reminders: readonly SetReminder[];
}

/** One tick's ask, as it arrived. */
export interface TallyEntry {
  readonly tick: string;
  readonly at: number;
}

/** Name of the n-th tick of a plan, as the tally has it. */
export function tickName(token: string, number: number): string {
  return `${token}/${number}`;
}

/** Counts what ticks ask of it: an ask that has two effects, or none, shows. */
export class Tally extends eventSourced({
  initialState: () => ({ ticks: [] as readonly TallyEntry[] }),
  events: { Counted: (state, entry: TallyEntry) => ({ ticks: [...state.ticks, entry] }) },
  snapshotEvery: 8,
}) {
  count(tick: string) {
    this.persist('Counted', { tick, at: this.now() });
    return this.state.ticks.length;
  }
  ticks() {
    return this.state.ticks;
  }
}

/** Sets and forgets reminders of a few names: what is lost, doubled, too early, or undead shows. */
export class Diary extends eventSourced({
  initialState: () => ({ entries: [] as readonly DiaryEntry[] }),
  events: { Noted: (state, entry: DiaryEntry) => ({ entries: [...state.entries, entry] }) },
  snapshotEvery: 10,
}) {
  #ticking = 0;

  /** Answers the number of entries, its own included. */
  plan(plan: Plan) {
    this.#set(plan);
    return this.state.entries.length;
  }
  forgetPlan({ token, name }: { token: string; name: string }) {
    this.forget(name);
    this.persist('Noted', { what: 'forgotten', token, name, at: this.now() });
    return this.state.entries.length;
  }
  async tick(plan: Plan) {
    const { token, name } = plan;
    const overlaps = this.#ticking > 0;
    this.#ticking += 1;
    const { number, dueAt } = this.#place(name);
    if (plan.asks) await this.actor(Tally, this.id).count(tickName(token, number));
    else await null;
    const at = this.now();
    if (at < dueAt + plan.throwsForMs) throw new Error('on purpose');
    const isLast = number >= plan.ticksMax;
    if (isLast) this.forget(name);
    const next = this.#reminder(name)?.dueAt ?? 0;
    this.persist('Noted', { what: 'ticked', token, name, number, next, at, overlaps });
    if (isLast && plan.thenAfterMs > 0) this.#set(planThen(plan));
    this.#ticking -= 1;
  }
  report(): DiaryReport {
    const reminders = this.reminders().map(({ name, input, dueAt, retryAt = 0 }) => {
      const { token } = input as Plan;
      return { name, token, dueAt, retryAt };
    });
    return { entries: this.state.entries, reminders };
  }

  #set(plan: Plan) {
    const { token, name, kind, periodMs, missed, ticksMax, asks } = plan;
    switch (kind) {
      case 'after':
        this.remind(name, { after: periodMs, missed }).tick(plan);
        break;
      case 'every':
        this.remind(name, { every: periodMs, missed }).tick(plan);
        break;
      case 'cron':
        this.remind(name, { cron: `*/${periodMs / 1_000} * * * * *`, missed }).tick(plan);
        break;
    }
    const { dueAt } = this.#reminder(name)!;
    const entry = { what: 'set', token, name, kind, periodMs, missed, ticksMax, asks, dueAt, at: this.now() } as const;
    this.persist('Noted', entry);
  }

  #reminder(name: string) {
    return this.reminders().find((each) => each.name === name);
  }

  /** The tick that comes, as far as the entries know. */
  #place(name: string): { readonly number: number; readonly dueAt: number } {
    const entry = this.state.entries.findLast((each) => each.name === name);
    if (entry?.what === 'set') return { number: 1, dueAt: entry.dueAt };
    if (entry?.what === 'ticked') return { number: entry.number + 1, dueAt: entry.next };
    return { number: 1, dueAt: 0 };
  }
}

/** What the last tick of a plan sets in its place. */
function planThen({ token, name, thenAfterMs: periodMs }: Plan): Plan {
  const kind = 'after';
  const rest = { missed: 'fire-once', ticksMax: 1, throwsForMs: 0, asks: false, thenAfterMs: 0 } as const;
  return { token: `${token}+`, name, kind, periodMs, ...rest };
}
