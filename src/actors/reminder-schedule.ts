/**
 * When a reminder's ticks are: pure functions from a schedule and a time to the next time. All times are wall clock,
 * because that is what people mean by them; which tick was the last is recorded, so a clock that moves back repeats none.
 *
 * Cron expressions are those of croner (5 fields, or 6 with seconds), in a time zone of the IANA list, by default UTC.
 * A local time that does not exist (the clock is put forward) ticks as much later as is missing; one that comes twice
 * (it is put back) ticks once.
 */
import { Cron } from 'croner';
import { type Duration, durationMs } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import type { StoredReminder } from '../persistence/codec.ts';
import { tickEveryMinMs, tickLateMs } from './limits.ts';

/** What happens to ticks that could not be in time: because nobody was there, or the clock was put forward. */
export type MissedPolicy =
  /** One tick for all that were missed, as soon as possible. */
  | 'fire-once'
  /** Every one of them, one after the other. */
  | 'all'
  /** None of them: on with the next one that is to come. */
  | 'skip';

/** When a reminder is due. `missed` is by default `fire-once`. */
export type When = (
  | { readonly after: Duration }
  /** Milliseconds since 1970. In the past: at once. */
  | { readonly at: number }
  | { readonly every: Duration }
  | { readonly cron: string; readonly timeZone?: string }
) & { readonly missed?: MissedPolicy };

/** Wall-clock times a reminder may name: what fits a record, far beyond any plan. */
const timeMaxMs = 8_640_000_000_000_000;
const missedPolicies: readonly unknown[] = ['fire-once', 'all', 'skip'];

type Ticks = Pick<StoredReminder, 'dueAt' | 'everyMs' | 'cron' | 'timeZone' | 'missed'>;

/** The ticks of a new reminder. @throws GreenroomError `BAD_REQUEST` that says what is wrong with `when` */
export function ticksOf(when: When, nowMs: number): Ticks {
  const given = (typeof when === 'object' && when !== null ? when : {}) as Partial<Record<string, unknown>>;
  const { after, at, every, cron, timeZone, missed = 'fire-once' } = given;
  if ([after, at, every, cron].filter((each) => each !== undefined).length !== 1)
    throw wrong('says when with one of after, at, every and cron');
  if (!missedPolicies.includes(missed)) throw wrong(`has missed: 'fire-once', 'all' or 'skip', not ${String(missed)}`);
  const ticks = { everyMs: 0, cron: '', timeZone: '', missed: missed as MissedPolicy };
  if (after !== undefined) return { ...ticks, dueAt: checkedTime(nowMs + checkedMs('after', after)) };
  if (at !== undefined) return { ...ticks, dueAt: checkedTime(at) };
  if (every !== undefined) {
    const everyMs = Math.round(checkedMs('every', every));
    if (everyMs < tickEveryMinMs) throw wrong(`ticks at most every ${tickEveryMinMs} ms`);
    return { ...ticks, everyMs, dueAt: checkedTime(nowMs + everyMs) };
  }
  const zone = timeZone === undefined ? 'UTC' : String(timeZone);
  const dueAt = cronTickAfter(String(cron), zone, nowMs);
  if (dueAt === undefined) throw wrong(`'${String(cron)}' never comes`);
  return { ...ticks, cron: String(cron), timeZone: zone, dueAt };
}

/** The first tick after a time; undefined if there is none any more. */
export function tickAfter({ dueAt, everyMs, cron, timeZone }: Ticks, afterMs: number): number | undefined {
  if (everyMs > 0) return dueAt + everyMs * (Math.floor(Math.max(0, afterMs - dueAt) / everyMs) + 1);
  return cron === '' ? undefined : cronTickAfter(cron, timeZone, afterMs);
}

/** The tick that follows the one that is due, once that one is done with. */
export function nextTick(ticks: Ticks, nowMs: number): number | undefined {
  return tickAfter(ticks, ticks.missed === 'all' ? ticks.dueAt : Math.max(ticks.dueAt, nowMs));
}

/** Whether the tick that is due is one that was missed and is to be left out. */
export function isSkipped({ dueAt, missed }: Ticks, nowMs: number): boolean {
  return missed === 'skip' && nowMs - dueAt > tickLateMs;
}

/** Between two ticks of an expression the answer is the same: many actors with one expression cost one calculation. */
interface KnownTick {
  readonly cron: Cron;
  fromMs: number;
  tickMs: number | undefined;
}
const known = new Map<string, KnownTick>();
const knownMax = 1_000;

function cronTickAfter(expression: string, timeZone: string, afterMs: number): number | undefined {
  const key = `${timeZone} ${expression}`;
  let entry = known.get(key);
  if (entry && entry.fromMs <= afterMs && afterMs < (entry.tickMs ?? Number.POSITIVE_INFINITY)) return entry.tickMs;
  try {
    if (!entry) {
      if (known.size >= knownMax) known.clear();
      entry = { cron: new Cron(expression, { timezone: timeZone, paused: true }), fromMs: 0, tickMs: 0 };
      known.set(key, entry);
    }
    entry.tickMs = entry.cron.nextRun(new Date(afterMs))?.getTime();
    entry.fromMs = afterMs;
    return entry.tickMs;
  } catch (error) {
    known.delete(key);
    throw wrong(`has a cron expression or time zone that is none: ${error instanceof Error ? error.message : error}`);
  }
}

function checkedMs(option: string, value: unknown): number {
  const ms = durationMs(value);
  if (ms === undefined) throw wrong(`has ${option} in milliseconds or as a text like '30s', not ${String(value)}`);
  return ms;
}

function checkedTime(ms: unknown): number {
  if (typeof ms === 'number' && Number.isFinite(ms) && ms <= timeMaxMs) return Math.max(0, Math.ceil(ms));
  throw wrong(`is due at a number of milliseconds since 1970, not ${String(ms)}`);
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('BAD_REQUEST', `a reminder ${problem}`);
}
