/**
 * One actor's history in its shard's log: its records, linked backwards by their distances.
 *
 * A history is walked back from its newest record by point reads; a place in it is found over the skip distances
 * (record.ts) in O(log n) of them. Everything here is synchronous and pure but for the reads; callers slice.
 */
import type { Position, SequenceNumber } from '../core/ids.ts';
import { type CommandBody, decodeCommandBody, type StoredRefusal, type TellMark } from '../persistence/codec.ts';
import type { ReadResult } from '../persistence/journal.ts';
import { lastSequence, ordinalLevels, type RecordHead } from '../persistence/record.ts';
import { refusalSearchRecordsMax } from './limits.ts';
import type { ShardLog } from './shard-log.ts';

/** A history that cannot be read: damage, deleted bodies, an event nobody knows. Names the place. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly position: Position;
  constructor(position: Position, problem: string, cause?: unknown) {
    super(`position ${position}: ${problem}`, cause === undefined ? undefined : { cause });
    this.position = position;
  }
}

/** A record that does not verify: another copy of the shard may still have it. */
export class DamagedRecordError extends HistoryError {}

export interface HistoryRecord {
  readonly head: RecordHead;
  readonly body: Buffer;
}

/** Reads a record that must be there. @throws HistoryError if it is damaged or missing */
export function readRecord(log: ShardLog, position: Position): HistoryRecord | 'hollow' {
  return recordOf(log.read(position), position);
}

/** The record that was read, which must be there. @throws HistoryError if it is damaged or missing */
export function recordOf(result: ReadResult, position: Position): HistoryRecord | 'hollow' {
  switch (result.type) {
    case 'record':
      return result;
    case 'hollow':
      return 'hollow';
    case 'absent':
      throw new HistoryError(position, 'the record is missing');
    case 'damaged':
      throw new DamagedRecordError(position, `the record is damaged (${result.problem})`);
  }
}

/** The positions the next record of an actor points back to, after one with this head. */
export function previousAfter(head: Pick<RecordHead, 'ordinal' | 'position' | 'previous'>): Position[] {
  const previous = [head.position];
  for (let level = 0; level < ordinalLevels.length; level++) {
    const every = ordinalLevels[level]!;
    if (head.ordinal % every === 0) previous.push(head.position);
    else if (head.ordinal > every) previous.push(head.previous[level + 1]!);
    else break;
  }
  return previous;
}

/**
 * The oldest record with `lastSequence ≥ sequence`, searching back from `newest`: the one that holds the event, or the
 * oldest one left where the history before is hollow. undefined if everything is.
 */
export function findBySequence(log: ShardLog, newest: Position, sequence: SequenceNumber): HistoryRecord | undefined {
  let at = readRecord(log, newest);
  if (at === 'hollow') return undefined;
  for (;;) {
    const further = stepBack(log, at.head, sequence);
    if (further === undefined) return at;
    at = further;
  }
}

/** The farthest directly reachable earlier record that still has `lastSequence ≥ sequence`. */
function stepBack(log: ShardLog, head: RecordHead, sequence: SequenceNumber): HistoryRecord | undefined {
  for (let level = head.previous.length - 1; level >= 0; level--) {
    const candidate = readRecord(log, head.previous[level]!);
    if (candidate !== 'hollow' && lastSequence(candidate.head) >= sequence) return candidate;
  }
  return undefined;
}

export interface HistoryEvent {
  readonly sequenceNumber: SequenceNumber;
  readonly type: string;
  readonly version: number;
  readonly data: unknown;
  readonly at: number;
}

/** Events with `after < sequenceNumber`, oldest first, at most `limit`; those whose bodies were deleted are left out. */
export function readEvents(
  log: ShardLog,
  newest: Position,
  newestSequence: SequenceNumber,
  after: SequenceNumber,
  limit: number,
): HistoryEvent[] {
  if (after >= newestSequence || limit <= 0) return [];
  let last = Math.min(newestSequence, after + limit);
  let record = findBySequence(log, newest, last);
  if (record && record.head.firstSequence > last) {
    // The page begins where the history still has bodies.
    const { firstSequence, eventCount } = record.head;
    last = Math.min(newestSequence, firstSequence + limit - (eventCount > 0 ? 1 : 0));
    record = findBySequence(log, newest, last);
  }
  const events: HistoryEvent[] = [];
  while (record && lastSequence(record.head) > after) {
    if (record.head.kind === 'deleted') break;
    if (record.head.kind === 'command') pushEventsBackwards(events, record, after, last);
    const before: Position | undefined = record.head.previous[0];
    if (before === undefined) break;
    const next: HistoryRecord | 'hollow' = readRecord(log, before);
    record = next === 'hollow' ? undefined : next;
  }
  return events.reverse().slice(0, limit);
}

function pushEventsBackwards(
  events: HistoryEvent[],
  record: HistoryRecord,
  after: SequenceNumber,
  last: SequenceNumber,
): void {
  const { head } = record;
  if (head.eventCount === 0) return;
  const stored = decodeCommandBody(record.body).events;
  for (let i = stored.length - 1; i >= 0; i--) {
    const sequenceNumber = head.firstSequence + i;
    if (sequenceNumber <= after) return;
    if (sequenceNumber > last) continue;
    const event = stored[i]!;
    events.push({ sequenceNumber, type: event.type, version: event.version, data: event.data, at: head.time });
  }
}

/** What a search for a retried command found. */
export type RetrySearch =
  | { readonly type: 'found'; readonly body: CommandBody }
  /** It was certainly not recorded after `since`. */
  | { readonly type: 'absent' }
  /** It may have been recorded in a part that is gone or too far back. */
  | { readonly type: 'unknown' };

/**
 * Looks for a command among the actor's records after `since`. The log itself is the memory of assigned command ids:
 * an actor needs no window of them, and forgets none before its records are deleted.
 */
export function searchCommand(
  log: ShardLog,
  newest: Position,
  commandId: string,
  since: Position,
  recordsMax: number,
): RetrySearch {
  let position: Position | undefined = newest;
  for (let count = 0; position !== undefined && position > since; count++) {
    if (count >= recordsMax) return { type: 'unknown' };
    const record = readRecord(log, position);
    if (record === 'hollow') return { type: 'unknown' };
    if (record.head.kind === 'command') {
      const body = decodeCommandBody(record.body);
      if (body.commandId === commandId) return { type: 'found', body };
    }
    position = record.head.previous[0];
  }
  return { type: 'absent' };
}

/** What was answered to a tell that is delivered again: its refusal, or undefined if it was taken or is too far back. */
export function searchRefusal(log: ShardLog, newest: Position, mark: TellMark): StoredRefusal | undefined {
  let position: Position | undefined = newest;
  for (let count = 0; position !== undefined && position > 0 && count < refusalSearchRecordsMax; count++) {
    const record = readRecord(log, position);
    if (record === 'hollow') return undefined;
    if (record.head.kind === 'command') {
      const { delivery, refusal } = decodeCommandBody(record.body);
      const isSender = delivery?.senderType === mark.senderType && delivery.senderId === mark.senderId;
      if (isSender && delivery.number <= mark.number) return delivery.number === mark.number ? refusal : undefined;
    }
    position = record.head.previous[0];
  }
  return undefined;
}
