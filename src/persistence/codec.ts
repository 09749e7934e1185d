/**
 * What is inside a record's body: msgpack arrays, self-describing (no shared structures: a body must be readable
 * alone, by every later version). New fields are added at the end of an array; readers take what is missing as absent.
 */
import { Packr } from 'msgpackr';
import type { CommandId, Position, SequenceNumber } from '../core/ids.ts';

// Bytes in what is decoded are copies, as the buffer that they are decoded from is used again.
const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false, int64AsType: 'number', copyBuffers: true });

/** One persisted event as it lies in a record. */
export interface StoredEvent {
  readonly type: string;
  /** 1 + the number of upcasters its class had when it was written. */
  readonly version: number;
  /** Plain data, or undefined. */
  readonly data: unknown;
}

/** Body of a `command` record: all that one command recorded. */
export interface CommandBody {
  readonly commandId: CommandId;
  /** Hash of command and input where the caller chose the id; 0 where the id is unique by construction. */
  readonly fingerprint: number;
  readonly events: readonly StoredEvent[];
  /** undefined for a command that returns nothing. */
  readonly reply: unknown;
  /** Outgoing tells, in the order the command made them. */
  readonly tells: readonly OutgoingTell[];
  /** Every tell of this actor up to this number had been recorded by its receiver. */
  readonly tellsAcknowledged: number;
  /** Present on a delivery from another actor: whose tell this was. */
  readonly delivery: TellMark | undefined;
  /** Present on a delivery that was refused for good, and on a later attempt that was: nothing else of it was kept. */
  readonly refusal?: StoredRefusal | undefined;
  /** Tells above `tellsAcknowledged` that are done with: dead letters. */
  readonly tellsSettled?: readonly number[];
  /** Reminders that were set, moved on or ended, by name. */
  readonly reminders?: readonly ReminderChange[];
  /** Present on a record that says that something is about to be tried again; nothing else is in it. */
  readonly attempt?: StoredAttempt;
}

/** A delivery or a tick that is about to be run by an owner after one that was perhaps lost with it. */
export interface StoredAttempt {
  /** The sender, or the reminder's name. */
  readonly key: string;
  /** Which of its tells or ticks: the tell's number, or the time at which the tick was due. */
  readonly what: number;
  readonly count: number;
}

/** Why a delivery, or a later attempt of a command, was refused. */
export interface StoredRefusal {
  readonly code: string;
  readonly message: string;
  /** It failed; else it is a rejection. Not told of deliveries. */
  readonly isFailure?: boolean;
  /** Of a rejection. Not told of deliveries. */
  readonly details?: unknown;
}

/** One reminder as it lies in records and snapshots. */
export interface StoredReminder {
  readonly name: string;
  /** Ordinal of the record that set it: tells its ticks from those of an earlier one of the same name. */
  readonly registered: number;
  /** The tick it waits for, milliseconds since 1970. */
  readonly dueAt: number;
  readonly command: string;
  readonly input: unknown;
  /** 0: its ticks are not at an interval. */
  readonly everyMs: number;
  /** Empty: none. */
  readonly cron: string;
  readonly timeZone: string;
  readonly missed: 'fire-once' | 'all' | 'skip';
  /** Failed tries of the tick that is due; those that could only not be answered at the time do not count. */
  readonly failures: number;
  /** When it is tried again; 0 if it has not failed. */
  readonly retryAt: number;
}

/** What a command did to one reminder. */
export interface ReminderChange {
  readonly name: string;
  /** undefined: it is gone. */
  readonly reminder: StoredReminder | undefined;
}

/** A tell on its way: leaves its sender's outbox when the receiver has recorded it. */
export interface OutgoingTell {
  /** Counts this sender's tells, from 1. */
  readonly number: number;
  readonly type: string;
  readonly id: string;
  readonly command: string;
  readonly input: unknown;
}

/** One tell of one sender. */
export interface TellMark {
  readonly senderType: string;
  readonly senderId: string;
  readonly number: number;
}

/** The highest tell of one sender that a receiver has recorded. */
export interface HighWaterMark extends TellMark {
  /** The highest that it recorded as refused for good; 0: none. Absent in snapshots of versions that did not count them. */
  readonly refused?: number;
}

/** One command whose caller chose its id, remembered so that a retry gets the recorded reply. */
export interface RememberedCommand {
  readonly commandId: CommandId;
  readonly fingerprint: number;
  /** Where its record is. */
  readonly position: Position;
  /** The record's time. */
  readonly time: number;
  /** Once its record may become hollow: `[]` for no reply, `[reply]`, or `[null, refusal]`. */
  readonly reply: readonly unknown[] | undefined;
}

/** Body of a `snapshot` and of a `deleted` record: what must outlive the records before it. */
export interface SnapshotBody {
  /** The class's `snapshotVersion` (for durable state: its state version); snapshots of another version are skipped. */
  readonly snapshotVersion: number;
  readonly sequenceNumber: SequenceNumber;
  /** undefined in a `deleted` record. */
  readonly state: unknown;
  readonly window: readonly RememberedCommand[];
  /** The snapshot (or `deleted` record) before this one, to fall back to; 0 if there is none. */
  readonly previousSnapshot: Position;
  /** Events up to this one were deleted and are not shown. 0 if none ever were. */
  readonly deletedThrough: SequenceNumber;
  /** Tells that have not been acknowledged. */
  readonly outbox: readonly OutgoingTell[];
  readonly lastTellNumber: number;
  /** High-water marks of senders, for deduplication. */
  readonly marks: readonly HighWaterMark[];
  readonly reminders?: readonly StoredReminder[];
  /** The time of the last recorded command; 0 or absent: none since it was deleted. */
  readonly lastCommandAt?: number;
  readonly attempts?: readonly StoredAttempt[];
}

/** Body of an `epochStart` record. */
export interface EpochStartBody {
  readonly clusterId: string;
  readonly owner: string;
  readonly replicas: readonly string[];
}

/** Plain data as bytes. The caller has checked that it is plain (see `findNotPlain`). */
export function encodeData(data: unknown): Buffer {
  return packr.pack(data) as Buffer;
}

/** Decoding from one buffer that is used again spares each body a view and its place in that: half of the time of a small one. */
const decoding = Buffer.alloc(4_096);

/** @throws Error if the bytes are not what {@link encodeData} made */
export function decodeData(bytes: Uint8Array): unknown {
  if (bytes.length > decoding.length || bytes.length === 0) return packr.unpack(bytes);
  decoding.set(bytes);
  return packr.unpack(decoding, bytes.length);
}

export function encodeCommandBody(body: CommandBody): Buffer {
  const events = body.events.map(encodeEvent);
  const { tells, delivery, tellsAcknowledged, reminders = [], tellsSettled = [], refusal, attempt, reply } = body;
  const isRare = reminders.length > 0 || tellsSettled.length > 0 || refusal !== undefined || attempt !== undefined;
  const talks = tells.length > 0 || delivery !== undefined || tellsAcknowledged > 0 || isRare;
  // The usual ones, as arrays that need not grow.
  if (!talks && reply === undefined) return encodeData([body.commandId, body.fingerprint, events]);
  if (!talks) return encodeData([body.commandId, body.fingerprint, events, [reply]]);
  const fields: unknown[] = [body.commandId, body.fingerprint, events, wrap(reply)];
  fields.push(tells.map(encodeTell), tellsAcknowledged);
  if (delivery) fields.push([delivery.senderType, delivery.senderId, delivery.number]);
  else if (isRare) fields.push(null);
  if (isRare) fields.push(reminders.map(encodeReminderChange), tellsSettled);
  if (refusal) fields.push(encodeRefusal(refusal));
  else if (attempt) fields.push(null);
  if (attempt) fields.push(encodeAttempt(attempt));
  return encodeData(fields);
}

export function decodeCommandBody(bytes: Uint8Array): CommandBody {
  const fields = decodeData(bytes) as EncodedCommandBody;
  const [commandId, fingerprint, events, reply] = fields;
  const usual = {
    commandId,
    fingerprint,
    events: events.map(decodeEvent),
    reply: reply?.[0],
    tells: none,
    tellsAcknowledged: 0,
    delivery: undefined,
  };
  return fields.length <= 4 ? usual : { ...usual, ...decodeTalk(fields) };
}

/** What few bodies have. */
function decodeTalk(fields: EncodedCommandBody): Partial<CommandBody> {
  const [, , , , tells, tellsAcknowledged, delivery, reminders = [], tellsSettled = [], refusal, attempt] = fields;
  return {
    tells: tells?.map(decodeTell) ?? none,
    tellsAcknowledged: tellsAcknowledged ?? 0,
    delivery: delivery ? decodeMark(delivery) : undefined,
    ...(refusal ? { refusal: decodeRefusal(refusal) } : {}),
    ...(tellsSettled.length > 0 ? { tellsSettled } : {}),
    ...(reminders.length > 0 ? { reminders: reminders.map(decodeReminderChange) } : {}),
    ...(attempt ? { attempt: decodeAttempt(attempt) } : {}),
  };
}

export function encodeSnapshotBody(body: SnapshotBody): Buffer {
  return encodeData([
    body.snapshotVersion,
    body.sequenceNumber,
    wrap(body.state),
    body.window.map((entry) => [
      entry.commandId,
      entry.fingerprint,
      entry.position,
      entry.time,
      ...(entry.reply ? [entry.reply] : []),
    ]),
    body.previousSnapshot,
    body.deletedThrough,
    body.outbox.map(encodeTell),
    body.lastTellNumber,
    body.marks.map(({ senderType, senderId, number, refused }) => [senderType, senderId, number, refused]),
    ...(body.reminders?.length || body.lastCommandAt || body.attempts?.length
      ? [(body.reminders ?? []).map((reminder) => encodeReminder(reminder)), body.lastCommandAt ?? 0]
      : []),
    ...(body.attempts?.length ? [body.attempts.map(encodeAttempt)] : []),
  ]);
}

export function decodeSnapshotBody(bytes: Uint8Array): SnapshotBody {
  const [
    snapshotVersion,
    sequenceNumber,
    state,
    window,
    previousSnapshot,
    deletedThrough,
    outbox,
    lastTellNumber,
    marks,
    reminders = [],
    lastCommandAt = 0,
    attempts = [],
  ] = decodeData(bytes) as [
    number,
    number,
    unknown[],
    [CommandId, number, number, number, unknown[]?][],
    number,
    number,
    EncodedTell[],
    number,
    EncodedHighWaterMark[],
    EncodedReminder[]?,
    number?,
    EncodedAttempt[]?,
  ];
  return {
    snapshotVersion,
    sequenceNumber,
    state: state[0],
    window: window.map(([commandId, fingerprint, position, time, reply]) => ({
      commandId,
      fingerprint,
      position,
      time,
      reply,
    })),
    previousSnapshot,
    deletedThrough,
    outbox: outbox.map(decodeTell),
    lastTellNumber,
    marks: marks.map(decodeHighWaterMark),
    ...(reminders.length > 0 ? { reminders: reminders.map(decodeReminder) } : {}),
    ...(lastCommandAt > 0 ? { lastCommandAt } : {}),
    ...(attempts.length > 0 ? { attempts: attempts.map(decodeAttempt) } : {}),
  };
}

export function encodeEpochStartBody(body: EpochStartBody): Buffer {
  return encodeData([body.clusterId, body.owner, body.replicas]);
}

export function decodeEpochStartBody(bytes: Uint8Array): EpochStartBody {
  const [clusterId, owner, replicas] = decodeData(bytes) as [string, string, string[]];
  return { clusterId, owner, replicas };
}

type EncodedCommandBody = [
  commandId: CommandId,
  fingerprint: number,
  events: EncodedEvent[],
  reply?: unknown[],
  tells?: EncodedTell[],
  tellsAcknowledged?: number,
  delivery?: EncodedMark | null,
  reminders?: EncodedReminder[],
  tellsSettled?: number[],
  refusal?: EncodedRefusal | null,
  attempt?: EncodedAttempt,
];
type EncodedEvent = [type: string, version: number, data?: unknown];
type EncodedTell = [number, string, string, string, unknown?];
type EncodedMark = [string, string, number];
type EncodedAttempt = [string, number, number];
type EncodedHighWaterMark = [...EncodedMark, number?];
/** The name alone: it is gone. */
type EncodedReminder = [
  name: string,
  registered?: number,
  dueAt?: number,
  command?: string,
  everyMs?: number,
  cron?: string,
  timeZone?: string,
  missed?: number,
  failures?: number,
  retryAt?: number,
  input?: unknown,
];
/** Kept by their place: new ones are added at the end. */
const missedPolicies: readonly StoredReminder['missed'][] = ['fire-once', 'all', 'skip'];

type EncodedRefusal = readonly [code: string, message: string, isFailure?: boolean, details?: unknown];

function encodeRefusal({ code, message, isFailure, details }: StoredRefusal): EncodedRefusal {
  if (details !== undefined) return [code, message, false, details];
  return isFailure ? [code, message, true] : [code, message];
}

function decodeRefusal([code, message, isFailure, details]: EncodedRefusal): StoredRefusal {
  return {
    code,
    message,
    ...(isFailure ? { isFailure } : {}),
    ...(details === undefined ? {} : { details }),
  };
}

const none: readonly never[] = [];

function wrap(value: unknown): readonly unknown[] {
  return value === undefined ? [] : [value];
}

function encodeEvent({ type, version, data }: StoredEvent): readonly unknown[] {
  return data === undefined ? [type, version] : [type, version, data];
}

function decodeEvent([type, version, data]: EncodedEvent): StoredEvent {
  return { type, version, data };
}

function encodeTell(tell: OutgoingTell): readonly unknown[] {
  return [tell.number, tell.type, tell.id, tell.command, ...wrap(tell.input)];
}

function encodeReminderChange({ name, reminder }: ReminderChange): readonly unknown[] {
  return reminder ? encodeReminder(reminder) : [name];
}

function decodeReminderChange(encoded: EncodedReminder): ReminderChange {
  return { name: encoded[0], reminder: encoded.length === 1 ? undefined : decodeReminder(encoded) };
}

function encodeReminder(reminder: StoredReminder): readonly unknown[] {
  const { name, registered, dueAt, command, everyMs, cron, timeZone, missed, failures, retryAt } = reminder;
  const policy = missedPolicies.indexOf(missed);
  return [
    name,
    registered,
    dueAt,
    command,
    everyMs,
    cron,
    timeZone,
    policy,
    failures,
    retryAt,
    ...wrap(reminder.input),
  ];
}

function decodeReminder(encoded: EncodedReminder): StoredReminder {
  const [name, registered, dueAt, command, everyMs, cron, timeZone, missed, failures, retryAt, input] = encoded;
  return {
    name,
    registered: registered!,
    dueAt: dueAt!,
    command: command!,
    input,
    everyMs: everyMs!,
    cron: cron!,
    timeZone: timeZone!,
    missed: missedPolicies[missed!]!,
    failures: failures!,
    retryAt: retryAt!,
  };
}

function decodeTell([number, type, id, command, input]: EncodedTell): OutgoingTell {
  return { number, type, id, command, input };
}

function decodeMark([senderType, senderId, number]: EncodedMark): TellMark {
  return { senderType, senderId, number };
}

function decodeHighWaterMark([senderType, senderId, number, refused]: EncodedHighWaterMark): HighWaterMark {
  return { senderType, senderId, number, ...(typeof refused === 'number' ? { refused } : {}) };
}

function encodeAttempt({ key, what, count }: StoredAttempt): EncodedAttempt {
  return [key, what, count];
}

function decodeAttempt([key, what, count]: EncodedAttempt): StoredAttempt {
  return { key, what, count };
}
