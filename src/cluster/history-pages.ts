/**
 * Pages of an actor's history for readers outside: events after a sequence number.
 * Nothing uncommitted is ever shown.
 */
import type { ActorHost } from '../actors/actor-host.ts';
import { readEvents } from '../actors/history.ts';
import type { ShardLog } from '../actors/shard-log.ts';
import { GreenroomError } from '../core/errors.ts';
import type { ActorId, Position, SequenceNumber } from '../core/ids.ts';
import { decodeSnapshotBody } from '../persistence/codec.ts';
import type { PublicEvent } from './gateway.ts';

/** Where an actor's committed history ends. */
export interface CommittedEnd {
  readonly log: ShardLog;
  readonly newest: Position;
  readonly sequenceNumber: SequenceNumber;
  /** Events up to here were deleted. */
  readonly deletedThrough: SequenceNumber;
}

/** The actor's committed history now; undefined if it has none. */
export function committedEnd(host: ActorHost, log: ShardLog, type: string, id: ActorId): CommittedEnd | undefined {
  const home = host.home(type);
  const entry = log.actor(home.definition.name, id);
  if (!entry) return undefined;
  let newest: Position = entry.newestPosition;
  let sequenceNumber = entry.sequenceNumber;
  // Appended but not committed: step back over it.
  while (newest > log.committed) {
    const record = log.read(newest);
    if (record.type !== 'record') break;
    const before = record.head.previous[0];
    if (before === undefined) return undefined;
    if (record.head.eventCount > 0) sequenceNumber = record.head.firstSequence - 1;
    newest = before;
  }
  const snapshot = entry.snapshotPosition > 0 ? log.read(entry.snapshotPosition) : undefined;
  const deletedThrough = snapshot?.type === 'record' ? decodeSnapshotBody(snapshot.body).deletedThrough : 0;
  return { log, newest, sequenceNumber, deletedThrough };
}

export function readCommittedEvents(
  end: CommittedEnd | undefined,
  after: SequenceNumber,
  limit: number,
): readonly PublicEvent[] {
  return end ? readEvents(end.log, end.newest, end.sequenceNumber, Math.max(after, end.deletedThrough), limit) : [];
}

export function unknownActor(type: string, id: string): GreenroomError {
  return new GreenroomError('UNKNOWN_ACTOR', `${type}/${id} has no events`);
}
