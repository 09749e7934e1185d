/** What must be true of tells and ticks in the end, whatever was killed meanwhile. */

export interface ReceivedTell {
  readonly from: string;
  readonly number: number;
}

/** @param sent by sender: how many tells to this receiver were recorded */
export function auditTells(
  receiver: string,
  received: readonly ReceivedTell[],
  sent: ReadonlyMap<string, number>,
): readonly string[] {
  const violations: string[] = [];
  const last = new Map<string, number>();
  for (const { from, number } of received) {
    const expected = (last.get(from) ?? 0) + 1;
    if (number !== expected)
      violations.push(`${receiver} received tell ${number} of ${from} where ${expected} comes next`);
    last.set(from, number);
  }
  for (const [from, count] of sent)
    if ((last.get(from) ?? 0) !== count)
      violations.push(`${receiver} received ${last.get(from) ?? 0} of the ${count} tells of ${from}`);
  for (const from of last.keys())
    if (!sent.has(from)) violations.push(`${receiver} received tells of ${from}, who sent none`);
  return violations;
}

/** A reminder for one time: it fires once, and not before. */
export function auditStrikes(sleeper: string, dueAtMs: number, struckAtMs: readonly number[]): readonly string[] {
  const violations: string[] = [];
  if (struckAtMs.length !== 1) violations.push(`${sleeper} was woken ${struckAtMs.length} times`);
  for (const atMs of struckAtMs)
    if (atMs < dueAtMs) violations.push(`${sleeper} was woken ${dueAtMs - atMs} ms too soon`);
  return violations;
}

export interface TickerView {
  readonly firstMs: number;
  readonly left: number;
  readonly tickedAtMs: readonly number[];
}

/**
 * A beat of which no tick is left out: the n-th fires at its time or later, so that one that fired twice shows by those
 * after it coming too soon.
 */
export function auditTicks(
  ticker: string,
  everyMs: number,
  { firstMs, left, tickedAtMs }: TickerView,
): readonly string[] {
  const violations: string[] = [];
  if (left !== 0) violations.push(`${ticker} has ${left} ticks left`);
  tickedAtMs.forEach((atMs, index) => {
    const dueAtMs = firstMs + index * everyMs;
    if (atMs < dueAtMs) violations.push(`${ticker}: tick ${index + 1} came ${dueAtMs - atMs} ms too soon`);
  });
  return violations;
}
