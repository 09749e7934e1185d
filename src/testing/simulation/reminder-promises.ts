/**
 * Reminders, checked on what diaries wrote down and on what clients were told: each tick is there once, in its place and
 * not before its time, as long as its reminder is set and not longer; what was acknowledged took effect.
 *
 * The entries say in which order everything took effect, also commands whose outcome nobody was told: those may be there
 * or not, and the entries are followed either way.
 *
 * When a tick really came is known to lie before the answer that first showed it. By then some machine's wall clock must
 * have shown the time it was due; clocks are set, so the bound is the furthest that any of them has ever shown.
 */
import { rememberedKeyMs } from '../../actors/limits.ts';
import { DiaryModel } from './diary-model.ts';
import type { History, Operation } from './history.ts';
import type { WallSpan } from './machine.ts';
import type { Finding } from './promises.ts';
import { type DiaryEntry, type DiaryReport, type Plan, type TallyEntry, tickName } from './workload-diary.ts';

export interface ReminderEvidence {
  readonly history: History;
  /** What each actor answered to the last read, by `type/id`. */
  readonly last: ReadonlyMap<string, unknown>;
  /** What the machines' wall clocks showed between two of the world's times. */
  readonly wall: (fromMs: number, toMs: number) => WallSpan;
}

/**
 * A reminder that has been due for so long, by every clock there is and while everything was well, has ticked;
 * milliseconds. What its tick asks may not answer at first, for half a minute.
 */
export const overdueAfterMs = 50_000;
/** Clocks show whole milliseconds. */
const roundingMs = 1;

export function checkReminders(evidence: ReminderEvidence): readonly Finding[] {
  const findings: Finding[] = [];
  const byActor = evidence.history.byActor();
  for (const [actor, report] of evidence.last) {
    if (!actor.startsWith('Diary/')) continue;
    const { entries } = report as DiaryReport;
    const operations = byActor.get(actor) ?? [];
    findings.push(
      ...checkReports(actor, operations, report as DiaryReport),
      ...checkCommands(actor, operations, entries),
      ...checkTimes(actor, operations, entries, evidence),
      ...checkAsks(actor, entries, evidence.last.get(`Tally/${actor.slice('Diary/'.length)}`)),
    );
  }
  return findings;
}

/** Reminders that should have ticked long ago, by the slowest of the clocks. */
export function overdueReminders(last: ReadonlyMap<string, unknown>, slowestMs: number): readonly string[] {
  const overdue: string[] = [];
  for (const [actor, report] of last) {
    if (!actor.startsWith('Diary/')) continue;
    for (const { token, dueAt, retryAt } of (report as DiaryReport).reminders) {
      const lateMs = slowestMs - Math.max(dueAt, retryAt);
      if (lateMs > overdueAfterMs) overdue.push(`${actor}: ${token} is late by ${lateMs} ms`);
    }
  }
  return overdue;
}

/** How much there was to check, by what it is. */
export function countReminders(last: ReadonlyMap<string, unknown>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [actor, report] of last) {
    if (!actor.startsWith('Diary/')) continue;
    for (const { what } of (report as DiaryReport).entries) counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return counts;
}

/** How many entries there were when this was answered; undefined if that is not known. */
function lengthTold({ command, outcome }: Operation): number | undefined {
  if (outcome.type !== 'reply') return undefined;
  return command === 'report' ? (outcome.reply as DiaryReport).entries.length : (outcome.reply as number);
}

/** The entries follow from each other, and every report showed a beginning of them and the reminders that go with it. */
function checkReports(actor: string, operations: readonly Operation[], last: DiaryReport): readonly Finding[] {
  const { entries } = last;
  const findings: Finding[] = [];
  const model = new DiaryModel(actor);
  const reports = operations
    .filter(({ command, outcome }) => command === 'report' && outcome.type === 'reply')
    .map(({ outcome }) => (outcome as { readonly reply: unknown }).reply as DiaryReport)
    .concat(last)
    .sort((a, b) => a.entries.length - b.entries.length);
  let next = 0;
  const showsAt = (length: number) => {
    for (; next < reports.length && reports[next]!.entries.length === length; next++) {
      const shown = reports[next]!.entries;
      const differs = shown.findIndex((entry, index) => JSON.stringify(entry) !== JSON.stringify(entries[index]));
      if (differs >= 0)
        findings.push({ promise: 'P2', what: `${actor} showed ${line(shown[differs]!)}, which is gone` });
      findings.push(...model.compare(reports[next]!.reminders));
    }
  };
  showsAt(0);
  entries.forEach((entry, index) => {
    findings.push(...model.apply(entry));
    showsAt(index + 1);
  });
  if (next < reports.length) findings.push({ promise: 'P2', what: `${actor} has fewer entries than it showed before` });
  return findings;
}

/** What was acknowledged is there, once and in its place; what was said not to have happened is not. */
function checkCommands(
  actor: string,
  operations: readonly Operation[],
  entries: readonly DiaryEntry[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const places = new Map<string, number>();
  entries.forEach((entry, index) => {
    if (entry.what === 'ticked') return;
    if (places.has(entry.token)) findings.push({ promise: 'P4', what: `${actor} did ${entry.token} twice` });
    places.set(entry.token, index);
  });
  for (const operation of operations) {
    const { command, input, outcome, invoked } = operation;
    const told = lengthTold(operation);
    if (told !== undefined) {
      const before = operations.filter((other) => other.ended < invoked).map((other) => lengthTold(other) ?? 0);
      if (told < Math.max(0, ...before) + (command === 'report' ? 0 : 1))
        findings.push({ promise: 'P5', what: `${actor}.${command} answered ${told} after ${Math.max(...before)}` });
    }
    if (command === 'report') continue;
    const { token } = input as Plan;
    const place = places.get(token);
    if (outcome.type === 'reply' && place === undefined)
      findings.push({ promise: 'P2', what: `${actor} lost ${token}, acknowledged` });
    else if (told !== undefined && told !== place! + 1)
      findings.push({ promise: 'P2', what: `${actor} has ${token} at ${place! + 1}, and answered ${told}` });
    if (outcome.type === 'notExecuted' && place !== undefined)
      findings.push({ promise: 'P4', what: `${actor} did ${token}, of which it was said that it did not happen` });
  }
  return findings;
}

/** No tick before any clock showed its time; no reminder due at another time than some clock made of it. */
function checkTimes(
  actor: string,
  operations: readonly Operation[],
  entries: readonly DiaryEntry[],
  { wall }: ReminderEvidence,
): readonly Finding[] {
  const findings: Finding[] = [];
  /** By when an entry was there, for all we know. */
  const seenAtMs: number[] = entries.map(() => Number.POSITIVE_INFINITY);
  for (const operation of operations) {
    const length = lengthTold(operation) ?? 0;
    if (length > 0) seenAtMs[length - 1] = Math.min(seenAtMs[length - 1]!, operation.endedAtMs);
  }
  for (let i = entries.length - 2; i >= 0; i--) seenAtMs[i] = Math.min(seenAtMs[i]!, seenAtMs[i + 1]!);
  const plans = new Map(
    operations.filter(({ command }) => command === 'plan').map((plan) => [(plan.input as Plan).token, plan]),
  );
  const model = new DiaryModel(actor);
  entries.forEach((entry, index) => {
    const byMs = seenAtMs[index]!;
    const dueAt = entry.what === 'ticked' ? model.dueAt(entry.name) : undefined;
    if (dueAt !== undefined && Number.isFinite(byMs) && dueAt > wall(0, byMs).mostMs + roundingMs)
      findings.push({
        promise: 'early',
        what: `${actor}: ${line(entry)} was due at ${dueAt}; no clock had shown that`,
      });
    const plan = entry.what === 'set' ? plans.get(entry.token) : undefined;
    if (plan && entry.what === 'set' && Number.isFinite(byMs)) {
      // Of unknown outcome: it may have come later than its client waited.
      const endedAtMs = plan.outcome.type === 'unknown' ? byMs : Math.min(plan.endedAtMs, byMs);
      const { leastMs, mostMs } = wall(plan.invokedAtMs, endedAtMs);
      const leastWaitMs = entry.kind === 'cron' ? 0 : entry.periodMs;
      if (entry.dueAt < leastMs + leastWaitMs - roundingMs || entry.dueAt > mostMs + entry.periodMs + roundingMs)
        findings.push({
          promise: 'early',
          what: `${actor}: ${line(entry)}, when clocks showed ${leastMs} to ${mostMs}`,
        });
    }
    model.apply(entry);
  });
  return findings;
}

/** What a tick asked of the tally had its effect once, as long as the tally has to remember it. */
function checkAsks(actor: string, entries: readonly DiaryEntry[], tally: unknown): readonly Finding[] {
  const findings: Finding[] = [];
  const counted = new Map<string, number>();
  for (const { tick, at } of (tally ?? []) as readonly TallyEntry[]) {
    const beforeAt = counted.get(tick);
    if (beforeAt !== undefined && at - beforeAt < rememberedKeyMs)
      findings.push({ promise: 'P4', what: `${actor}: tick ${tick} asked twice, at ${beforeAt} and ${at}` });
    counted.set(tick, at);
  }
  const asking = new Set(entries.flatMap((entry) => (entry.what === 'set' && entry.asks ? entry.token : [])));
  for (const entry of entries) {
    if (entry.what !== 'ticked' || !asking.has(entry.token)) continue;
    if (!counted.has(tickName(entry.token, entry.number)))
      findings.push({ promise: 'P2', what: `${actor}: ${line(entry)}, and what it asked is lost` });
  }
  return findings;
}

function line(entry: DiaryEntry): string {
  return JSON.stringify(entry);
}
