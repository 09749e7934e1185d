/**
 * From a finished turn to a record: encoded before it is appended, so that what cannot be kept fails the command and
 * leaves nothing. Snapshots and deletions are records of their own, appended between two turns: at that moment the
 * state holds exactly the records before them.
 */
import { GreenroomError } from '../core/errors.ts';
import type { CommandId } from '../core/ids.ts';
import { withoutUndefined } from '../core/plain-data.ts';
import {
  decodeCommandBody,
  encodeCommandBody,
  encodeData,
  encodeSnapshotBody,
  type OutgoingTell,
  type RememberedCommand,
  type ReminderChange,
  type StoredAttempt,
} from '../persistence/codec.ts';
import type { RecordDraft, RecordKind } from '../persistence/record.ts';
import type { Activation } from './activation.ts';
import { isRemembered, ownRecordId } from './command-ids.ts';
import { deadLetterTell, refusalError } from './dead-letters.ts';
import { previousAfter, readRecord } from './history.ts';
import { backoffMaxMs, recordBytesMax, recordedReplyBytesMax, recordsBeforeSleepMin, snapshotBytes } from './limits.ts';
import { initialState } from './memory.ts';
import { PendingAppend } from './pending-append.ts';
import { movedRefusal } from './refusals.ts';
import type { Turn } from './turn.ts';
import { wakeTime } from './wake-time.ts';

/**
 * Appends what a turn recorded. Returns why it cannot be kept, or undefined: then the caller is answered once the
 * record is committed.
 */
export function appendTurn(activation: Activation, turn: Turn, reply: unknown): GreenroomError | undefined {
  const { memory } = activation;
  const log = activation.log!;
  const envelope = turn.envelope!;
  const refusal = log.refusal();
  if (refusal?.hasMoved) return movedRefusal(refusal.message);
  if (refusal) {
    return turn.askCommitted
      ? new GreenroomError('OUTCOME_UNKNOWN', `${refusal.message}; an actor it asked has recorded its part`, {
          retryAfterMs: 1_000,
        })
      : new GreenroomError(refusal.code, refusal.message, { retryAfterMs: 1_000 });
  }
  if (envelope.commandId === '') envelope.commandId = activation.host.nextCommandId();
  const { events, tells } = turn;
  const reminders = turn.reminderChanges;
  const tellsAcknowledged = tellsArrived(activation);
  let body: Buffer;
  try {
    body = encodeCommandBody({
      commandId: envelope.commandId as CommandId,
      fingerprint: envelope.fingerprint,
      events: events ?? [],
      reply: withoutUndefined(reply),
      tells: tells ?? [],
      tellsAcknowledged,
      delivery: envelope.delivery,
      refusal: turn.refusal,
      reminders: recordedReminders(activation, turn, reminders),
    });
    if (body.length > recordedReplyBytesMax) {
      const replyBytes = encodeData(reply).length;
      if (replyBytes > recordedReplyBytesMax)
        return tooLarge('the reply beside events', replyBytes, recordedReplyBytesMax);
      if (body.length > recordBytesMax) return tooLarge('what the command recorded', body.length, recordBytesMax);
    }
  } catch (error) {
    return new GreenroomError('COMMAND_FAILED', `what the command recorded cannot be encoded: ${String(error)}`, {
      cause: error,
    });
  }
  const eventCount = events?.length ?? 0;
  const answered = turn.refusal ? undefined : envelope;
  const pending = new PendingAppend(activation, answered, reply, tells, eventCount > 0);
  if (turn.refusal) pending.hold(envelope, undefined, refusalError(turn.refusal));
  const firstSequence = eventCount > 0 ? turn.sequenceBefore + 1 : activation.sequenceNumber;
  memory.reminders.apply(reminders);
  memory.lastCommandAt = Math.max(log.newestTime, turn.now);
  if (tells) {
    memory.lastTellNumber = tells.at(-1)!.number;
    activation.intoOutbox(tells);
  }
  const { position, time, bytes } = append(activation, 'command', firstSequence, eventCount, body, turn.now, pending);
  envelope.recorded = true;
  memory.recordsSinceSnapshot += 1;
  memory.bytesSinceSnapshot += bytes;
  if (isRemembered(envelope.commandId)) {
    memory.keys.add({
      commandId: envelope.commandId as CommandId,
      fingerprint: envelope.fingerprint,
      position,
      time,
      reply: undefined,
    });
  }
  if (envelope.delivery) memory.marks.advance(envelope.delivery, turn.refusal !== undefined);
  memory.attempts.settle(envelope.delivery, reminders);
  memory.tellsAcknowledged = tellsAcknowledged;
  return undefined;
}

/** What the record says of reminders: all that becomes of them with the turn. */
function recordedReminders(
  { host }: Activation,
  { tick }: Turn,
  changes: readonly ReminderChange[],
): readonly ReminderChange[] {
  if (tick && host.mistaken('tick recorded without its next time'))
    return changes.filter((change) => change !== tick.change);
  if (host.mistaken('reminder recorded and not forgotten'))
    return changes.filter((change) => change.reminder || change === tick?.change);
  return changes;
}

/** What a turn of an actor in memory only leaves: its tells go at once, and there is nothing to wait for. */
export function keepInMemory(activation: Activation, turn: Turn, reply: unknown): undefined {
  const { memory } = activation;
  const envelope = turn.envelope!;
  if (turn.tells) {
    memory.lastTellNumber = turn.tells.at(-1)!.number;
    activation.intoOutbox(turn.tells);
    activation.host.sendTells(activation, turn.tells);
  }
  if (envelope.delivery) memory.marks.advance(envelope.delivery, false);
  activation.answer(envelope, reply);
}

/** Every tell up to this number has arrived. */
function tellsArrived({ memory, outbox }: Activation): number {
  return outbox ? outbox.acknowledgedThrough(memory.lastTellNumber) : memory.lastTellNumber;
}

/**
 * Notes which tells have arrived, so that waking does not send them again. Only needed before the actor leaves
 * memory: while it is there, the next command's record says it.
 */
export function appendAcknowledgement(activation: Activation): boolean {
  const { memory, log } = activation;
  if (!log || memory.tellsAcknowledged === memory.lastTellNumber || log.refusal()) return false;
  appendOwn(activation, [], []);
  return true;
}

/**
 * Gives tells up that were refused for good: in one record they are done with, and their dead letters are told. Between
 * two turns. Nothing happens while nothing can be recorded: then they stay in the outbox, and it is tried again.
 */
export function appendDeadLetters(activation: Activation): void {
  const { memory, host, log } = activation;
  const refused = activation.refusedTells;
  if (!refused) return;
  if (log?.refusal()) {
    host.clock.schedule(backoffMaxMs, () => host.schedule(activation));
    return;
  }
  activation.refusedTells = undefined;
  const letters = refused.map(({ tell, error }, i) =>
    deadLetterTell(activation, memory.lastTellNumber + 1 + i, tell, error),
  );
  memory.lastTellNumber += letters.length;
  for (const { tell } of refused) activation.outbox?.acknowledge(tell);
  activation.intoOutbox(letters);
  if (log) {
    appendOwn(
      activation,
      letters,
      refused.map(({ tell }) => tell.number),
    );
  } else host.sendTells(activation, letters);
}

/** Says in the log that there is nothing to do any more, where the index still says so. Between two turns. */
export function appendNothingToDo(activation: Activation): void {
  if (!activation.log!.refusal()) appendOwn(activation, [], []);
}

/** Says that something is about to be tried that an owner before this one may have died of. Between two turns. */
export function appendAttempt(activation: Activation, attempt: StoredAttempt, whenCommitted: () => void): void {
  activation.memory.attempts.note(attempt);
  activation.host.metrics.attempts += 1;
  appendOwn(activation, [], [], attempt).whenCommitted = whenCommitted;
}

/** A record that no command made. */
function appendOwn(
  activation: Activation,
  tells: readonly OutgoingTell[],
  tellsSettled: readonly number[],
  attempt?: StoredAttempt,
): PendingAppend {
  const { memory, host } = activation;
  const tellsAcknowledged = tellsArrived(activation);
  const commandId = ownRecordId as CommandId;
  const body = encodeCommandBody({
    commandId,
    fingerprint: 0,
    events: [],
    reply: undefined,
    tells,
    tellsAcknowledged,
    delivery: undefined,
    tellsSettled,
    ...(attempt ? { attempt } : {}),
  });
  const pending = new PendingAppend(activation, undefined, undefined, tells.length > 0 ? tells : undefined, false);
  const { bytes } = append(activation, 'command', activation.sequenceNumber, 0, body, host.clock.wallMs(), pending);
  memory.recordsSinceSnapshot += 1;
  memory.bytesSinceSnapshot += bytes;
  memory.tellsAcknowledged = tellsAcknowledged;
  return pending;
}

/**
 * Whether a snapshot should be taken before the next turn: after `snapshotEvery` records or 64 KiB of them, but never
 * before the records since the last one amount to a quarter of its size, so that a large state is not rewritten
 * over and over for small events.
 */
export function isSnapshotDue(activation: Activation): boolean {
  const { memory, definition } = activation;
  if (memory.recordsSinceSnapshot < definition.memory!.snapshotEvery && memory.bytesSinceSnapshot < snapshotBytes)
    return false;
  return memory.bytesSinceSnapshot * 4 >= memory.snapshotBytes && memory.recordsSinceSnapshot > 0;
}

/**
 * Whether an actor should take a snapshot before it leaves memory: its next wake then costs one read instead of up to
 * `snapshotEvery`. Only from a fifth of `snapshotEvery` on, so that actors that come and go are not written twice.
 */
export function isSnapshotDueBeforeSleep({ memory, definition }: Activation): boolean {
  if (!definition.memory) return false;
  const least = Math.max(recordsBeforeSleepMin, definition.memory.snapshotEvery / 5);
  return memory.recordsSinceSnapshot >= least && memory.bytesSinceSnapshot * 4 >= memory.snapshotBytes;
}

export function appendSnapshot(activation: Activation): void {
  const { memory, definition, sequenceNumber } = activation;
  if (activation.log!.refusal()) return;
  const body = encodeEnvelope(
    activation,
    activation.state,
    memory.deletedThrough,
    memory.keys.remembered(activation.log!.newestTime),
  );
  memory.recordsSinceSnapshot = 0;
  memory.bytesSinceSnapshot = 0;
  if (body.length > recordBytesMax) {
    memory.snapshotBytes = body.length;
    activation.diagnostics.warn('the state is too large for a snapshot; waking will replay all events', {
      bytes: body.length,
    });
    return;
  }
  // Records before the last snapshot but this one; the walk starts at the record before that one.
  const before = memory.snapshotPosition > 0 ? readRecord(activation.log!, memory.snapshotPosition) : 'hollow';
  const pending = new PendingAppend(activation, undefined, undefined, undefined, false);
  const appended = append(activation, 'snapshot', sequenceNumber, 0, body, activation.host.clock.wallMs(), pending);
  memory.snapshotPosition = appended.position;
  memory.tellsAcknowledged = tellsArrived(activation);
  memory.snapshotBytes = body.length;
  activation.host.metrics.snapshots += 1;
  if (before !== 'hollow' && (definition.kind === 'durableState' || definition.memory!.retentionMs !== undefined)) {
    pending.covers = { from: before.head.previous[0] ?? 0, isDeletion: false };
  }
}

/** Appends a deletion: state and history end here, sequence numbers and remembered keys live on. */
export function appendDeletion(activation: Activation, turn: Turn): GreenroomError | undefined {
  const { memory, definition, host } = activation;
  if (activation.sequenceNumber === memory.deletedThrough && memory.reminders.size === 0 && !activation.outbox)
    return new GreenroomError('UNKNOWN_ACTOR', `${definition.name}/${activation.id} has no events`);
  const refusal = activation.log!.refusal();
  if (refusal?.hasMoved) return movedRefusal(refusal.message);
  if (refusal) return new GreenroomError(refusal.code, refusal.message, { retryAfterMs: 1_000 });
  const keys = memory.keys.remembered(activation.log!.newestTime).map((entry) => withReply(activation, entry));
  // What it wanted to do later goes with it.
  memory.reminders.clear();
  memory.attempts.clear();
  memory.lastCommandAt = 0;
  memory.tellsAcknowledged = memory.lastTellNumber;
  activation.outbox = undefined;
  activation.refusedTells = undefined;
  const body = encodeEnvelope(activation, undefined, activation.sequenceNumber, keys);
  const pending = new PendingAppend(activation, turn.envelope, undefined, undefined, false);
  const newestBefore = memory.newest;
  const { position } = append(activation, 'deleted', activation.sequenceNumber, 0, body, turn.now, pending);
  for (const entry of keys) memory.keys.add(entry);
  memory.state = initialState(definition.memory!, activation.id, host.freezes);
  memory.deletedThrough = activation.sequenceNumber;
  memory.snapshotPosition = position;
  memory.snapshotBytes = body.length;
  memory.recordsSinceSnapshot = 0;
  memory.bytesSinceSnapshot = 0;
  pending.covers = { from: newestBefore, isDeletion: true };
  return undefined;
}

function encodeEnvelope(
  activation: Activation,
  state: unknown,
  deletedThrough: number,
  keys: readonly RememberedCommand[],
): Buffer {
  const { memory, definition } = activation;
  // Records before this snapshot may be deleted where only the latest state is kept: remembered replies come along.
  const carriesReplies = definition.kind === 'durableState' || definition.memory!.retentionMs !== undefined;
  return encodeSnapshotBody({
    snapshotVersion: definition.memory!.snapshotVersion,
    sequenceNumber: activation.sequenceNumber,
    state: withoutUndefined(state),
    window: carriesReplies ? keys.map((entry) => withReply(activation, entry)) : keys,
    previousSnapshot: memory.snapshotPosition,
    deletedThrough,
    outbox: activation.outbox?.all() ?? [],
    lastTellNumber: memory.lastTellNumber,
    marks: memory.marks.all(),
    reminders: memory.reminders.all(),
    lastCommandAt: memory.lastCommandAt,
    attempts: memory.attempts.all(),
  });
}

function withReply(activation: Activation, entry: RememberedCommand): RememberedCommand {
  if (entry.reply) return entry;
  const record = readRecord(activation.log!, entry.position);
  if (record === 'hollow') return entry;
  const { reply, refusal } = decodeCommandBody(record.body);
  if (refusal) return { ...entry, reply: [null, refusal] };
  return { ...entry, reply: reply === undefined ? [] : [reply] };
}

function append(
  activation: Activation,
  kind: RecordKind,
  firstSequence: number,
  eventCount: number,
  body: Buffer,
  timeMs: number,
  pending: PendingAppend,
) {
  const { memory, definition, id, actorHash } = activation;
  const draft: RecordDraft = {
    kind,
    type: definition.name,
    id,
    actorHash,
    firstSequence,
    eventCount,
    ordinal: memory.ordinal + 1,
    previous: memory.previous,
    body,
    wakeAt: wakeTime(activation, activation.outboxLength > 0),
  };
  activation.lastPending = pending;
  activation.pendingAppends += 1;
  const appended = activation.log!.append(draft, timeMs, pending);
  pending.position = appended.position;
  activation.wakesAt(draft.wakeAt!);
  memory.newest = appended.position;
  memory.ordinal = draft.ordinal;
  memory.previous = previousAfter({ ordinal: draft.ordinal, position: appended.position, previous: draft.previous });
  return appended;
}

function tooLarge(what: string, bytes: number, bytesMax: number): GreenroomError {
  return new GreenroomError('COMMAND_FAILED', `${what} has ${bytes} bytes; at most ${bytesMax} can be kept`);
}
