/**
 * The promises, checked on what clients were told and on what is there in the end: P2 acknowledged is there, P3 all of
 * a command or nothing, P4 once, P5 linearizable, P6 in order, P7 and P8 no error without its cause.
 */
import type { Health } from './health.ts';
import { describeOperation, type History, type Operation } from './history.ts';
import type { Verdict } from './linearizability.ts';
import { checkRegister, checkTokens } from './models.ts';
import type { AccountEntry } from './workload-actors.ts';

export interface Evidence {
  readonly history: History;
  /** What each actor answered to the last read, by `type/id`. */
  readonly last: ReadonlyMap<string, unknown>;
  readonly health: Health;
}

export interface Finding {
  /** `P1` … `P8`, or `early`: a reminder's tick before its time */
  readonly promise: string;
  readonly what: string;
}

export interface Findings {
  readonly violations: readonly Finding[];
  /** Histories that were too tangled to be decided. */
  readonly undecided: number;
}

/** A majority that was well for so long in one piece has to have answered. */
export const answersWithinMs = 45_000;

export function checkPromises(evidence: Evidence): Findings {
  const violations: Finding[] = [];
  let undecided = 0;
  for (const [actor, operations] of evidence.history.byActor()) {
    const last = evidence.last.get(actor);
    const verdict = checkOrder(actor, operations, last);
    if (verdict.type === 'undecided') undecided += 1;
    if (verdict.type === 'violation')
      violations.push({ promise: 'P5', what: `${actor}: ${verdict.stuck.join('\n      ')}` });
    if (last !== undefined && actor.startsWith('Tokens/'))
      violations.push(...checkTokenList(actor, operations, last as readonly string[]));
  }
  violations.push(...checkTransfers(evidence), ...checkTells(evidence), ...checkErrors(evidence));
  return { violations, undecided };
}

function checkOrder(actor: string, operations: readonly Operation[], last: unknown): Verdict {
  if (actor.startsWith('Register/')) return checkRegister(operations);
  // Nobody could read it in the end: that has been found, and of its order nothing is known.
  if (actor.startsWith('Tokens/'))
    return last === undefined ? { type: 'undecided' } : checkTokens(operations, last as readonly string[]);
  return { type: 'linearizable' };
}

/** P2, P3, P4 and P6 of one list: said again in their own words, because a list that is not linearizable says little. */
export function checkTokenList(
  actor: string,
  operations: readonly Operation[],
  last: readonly string[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const places = new Map(last.map((token, index) => [token, index]));
  if (places.size < last.length) findings.push({ promise: 'P4', what: `${actor} holds a token twice: ${last}` });
  const newest = new Map<string, { readonly place: number; readonly token: string }>();
  for (const { client, command, input, outcome } of operations) {
    if (!command.startsWith('append')) continue;
    const token = input as string;
    if (places.has(`${token}/never`))
      findings.push({ promise: 'P3', what: `${actor} kept ${token}, whose command threw` });
    if (command !== 'append' && command !== 'appendPair') continue;
    const parts = command === 'append' ? [token] : [`${token}/1`, `${token}/2`];
    const there = parts.map((part) => places.get(part));
    const [first] = there;
    if (there.includes(undefined) && there.some((place) => place !== undefined))
      findings.push({ promise: 'P3', what: `${actor} holds a part of ${token} only` });
    if (first === undefined) {
      if (outcome.type === 'reply') findings.push({ promise: 'P2', what: `${actor} lost ${token}, acknowledged` });
      continue;
    }
    if (outcome.type === 'notExecuted')
      findings.push({ promise: 'P4', what: `${actor} holds ${token}, of which it was said that it did not happen` });
    const before = newest.get(client);
    // Of an unknown outcome: it may come late.
    if (outcome.type !== 'reply') continue;
    if (before && before.place > first)
      findings.push({ promise: 'P6', what: `${actor}: ${token} came before ${before.token}, sent earlier` });
    newest.set(client, { place: first, token });
  }
  return findings;
}

/** P4 over two actors: a transfer debits once and credits once; no debit without its credit. */
export function checkTransfers({ history, last }: Pick<Evidence, 'history' | 'last'>): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, { debits: number; credits: number }>();
  for (const [actor, entries] of last) {
    if (!actor.startsWith('Account/')) continue;
    for (const { transfer, side } of entries as readonly AccountEntry[]) {
      const counts = seen.get(transfer) ?? { debits: 0, credits: 0 };
      if (side === 'debit') counts.debits += 1;
      else counts.credits += 1;
      seen.set(transfer, counts);
    }
  }
  for (const [transfer, { debits, credits }] of seen) {
    if (debits > 1 || credits > 1)
      findings.push({ promise: 'P4', what: `transfer ${transfer} happened ${debits} and ${credits} times` });
    if (debits > credits) findings.push({ promise: 'P2', what: `transfer ${transfer} has lost its credit` });
  }
  for (const { actor, command, input, outcome } of history.operations) {
    if (command !== 'transfer') continue;
    const { transfer, to } = input as { transfer: string; to: string };
    const counts = seen.get(transfer) ?? { debits: 0, credits: 0 };
    const isKnown = last.has(actor) && last.has(`Account/${to}`);
    if (outcome.type === 'reply' && isKnown && counts.debits + counts.credits !== 2)
      findings.push({ promise: 'P2', what: `transfer ${transfer} was acknowledged: ${JSON.stringify(counts)}` });
    if (outcome.type === 'notExecuted' && counts.debits > 0)
      findings.push({ promise: 'P4', what: `transfer ${transfer} happened, and it was said that it did not` });
  }
  return findings;
}

/** P6 and P4 of tells: what one actor sent to another arrived in order, without a gap, once, and all of it in the end. */
export function checkTells({ last }: Pick<Evidence, 'last'>): readonly Finding[] {
  const findings: Finding[] = [];
  const reports = [...last].filter(([actor]) => actor.startsWith('Teller/'));
  for (const [actor, report] of reports) {
    const { received } = report as { received: readonly string[] };
    const counts = new Map<string, number>();
    for (const entry of received) {
      const [from, number] = entry.split('#') as [string, string];
      const expected = (counts.get(from) ?? 0) + 1;
      if (Number(number) !== expected)
        findings.push({ promise: 'P6', what: `${actor} received ${entry} where ${from}#${expected} was due` });
      counts.set(from, Number(number));
    }
    for (const [sender, other] of reports) {
      const sent = (other as { sent: Readonly<Record<string, number>> }).sent[actor.slice('Teller/'.length)] ?? 0;
      const arrived = counts.get(sender.slice('Teller/'.length)) ?? 0;
      if (arrived > sent)
        findings.push({ promise: 'P2', what: `${actor} received ${arrived} of ${sent} tells of ${sender}` });
    }
  }
  return findings;
}

/** How many tells the senders recorded that have not arrived: 0 in the end. */
export function tellsUnderWay(last: ReadonlyMap<string, unknown>): number {
  let underWay = 0;
  for (const [actor, report] of last) {
    if (!actor.startsWith('Teller/')) continue;
    const { sent, received } = report as { sent: Readonly<Record<string, number>>; received: readonly string[] };
    for (const count of Object.values(sent)) underWay += count;
    underWay -= received.length;
  }
  return underWay;
}

/** P7 and P8: which answers may come at all, and that "not available" has its cause. */
export function checkErrors({ history, health }: Pick<Evidence, 'history' | 'health'>): readonly Finding[] {
  const findings: Finding[] = [];
  for (const operation of history.operations) {
    const { command, outcome, invokedAtMs, endedAtMs } = operation;
    if (!isAllowed(command, outcome))
      findings.push({ promise: 'P7', what: `an answer that nothing explains: ${describeOperation(operation)}` });
    if (outcome.type !== 'unknown' && outcome.type !== 'notExecuted') continue;
    if (!Number.isFinite(endedAtMs)) continue;
    // A durable state keeps its newest records only: what became of a command without a key of its caller's may be gone.
    if (outcome.type === 'unknown' && operation.actor.startsWith('Register/') && operation.key === '') continue;
    const wellMs = health.longestWellMs(invokedAtMs, endedAtMs);
    if (wellMs > answersWithinMs)
      findings.push({
        promise: 'P8',
        what: `a majority was well for ${Math.round(wellMs)} ms, and yet: ${describeOperation(operation)}`,
      });
  }
  return findings;
}

function isAllowed(command: string, outcome: Operation['outcome']): boolean {
  switch (outcome.type) {
    case 'reply':
      return command !== 'appendAndReject' && command !== 'appendAndFail';
    case 'rejection':
      return command === 'appendAndReject' && outcome.code === 'ON_PURPOSE';
    case 'failure':
      if (command === 'appendAndFail') return outcome.code === 'COMMAND_FAILED';
      // The other side may be busy with the opposite transfer, or not be there.
      return command === 'transfer' && (outcome.code === 'ASK_CYCLE' || outcome.code === 'COMMAND_FAILED');
    case 'unknown':
    case 'notExecuted':
      return true;
  }
}

/** The longest time in which nobody was answered, and the longest that one command took. */
export function longestPauses(history: History): { readonly silenceMs: number; readonly commandMs: number } {
  const ends = history.operations
    .filter(({ outcome }) => outcome.type === 'reply' || outcome.type === 'rejection' || outcome.type === 'failure')
    .map(({ invokedAtMs, endedAtMs }) => ({ invokedAtMs, endedAtMs }))
    .sort((a, b) => a.endedAtMs - b.endedAtMs);
  let silenceMs = 0;
  let commandMs = 0;
  let lastMs = ends[0]?.endedAtMs ?? 0;
  for (const { invokedAtMs, endedAtMs } of ends) {
    silenceMs = Math.max(silenceMs, endedAtMs - lastMs);
    commandMs = Math.max(commandMs, endedAtMs - invokedAtMs);
    lastMs = endedAtMs;
  }
  return { silenceMs, commandMs };
}
