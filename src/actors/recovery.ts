/**
 * Recovery: an actor's memory out of its history. The newest usable snapshot, then every record after it, oldest
 * first. A snapshot of another version or with a damaged body is passed over for the one before, in the end for the
 * first event.
 *
 * A machine in slices: `step` works until its time is over, so that a long history does not hold the event loop. The
 * same machine makes past states (`through`) and checks stored histories against new code.
 *
 * Invariant I11: fold(events ≤ n) = snapshot(n).
 */

import type { Position, SequenceNumber } from '../core/ids.ts';
import { deepFreeze } from '../core/plain-data.ts';
import {
  type CommandBody,
  decodeCommandBody,
  decodeSnapshotBody,
  type OutgoingTell,
  type SnapshotBody,
} from '../persistence/codec.ts';
import { lastSequence, type RecordHead } from '../persistence/record.ts';
import { Attempts } from './attempts.ts';
import { isRemembered, ownRecordId } from './command-ids.ts';
import type { MemoryDefinition } from './definition.ts';
import { HistoryError, type HistoryRecord, previousAfter, recordOf } from './history.ts';
import { initialState, replayEvent } from './memory.ts';
import { RememberedKeys } from './remembered-keys.ts';
import { Reminders } from './reminders.ts';
import type { ShardLog } from './shard-log.ts';
import { TellMarks } from './tell-marks.ts';

/** Everything an activation starts from. */
export interface RecoveredMemory {
  state: unknown;
  sequenceNumber: SequenceNumber;
  /** Events up to here were deleted. */
  deletedThrough: SequenceNumber;
  /** The newest record's position and ordinal; 0 for an actor without records. */
  newest: Position;
  ordinal: number;
  /** What the next record points back to. */
  previous: Position[];
  /** The newest snapshot or deletion; 0 for none. */
  snapshotPosition: Position;
  snapshotBytes: number;
  recordsSinceSnapshot: number;
  bytesSinceSnapshot: number;
  readonly keys: RememberedKeys;
  readonly marks: TellMarks;
  readonly attempts: Attempts;
  /** Tells not known to have been recorded by their receivers. */
  outbox: OutgoingTell[];
  lastTellNumber: number;
  readonly reminders: Reminders;
  /** The time of the last recorded command; 0 for none since it was deleted. */
  lastCommandAt: number;
  /** Up to here the records say that tells have arrived. */
  tellsAcknowledged: number;
  eventsReplayed: number;
}

export function emptyMemory(state: unknown): RecoveredMemory {
  return {
    state,
    sequenceNumber: 0,
    deletedThrough: 0,
    newest: 0,
    ordinal: 0,
    previous: [],
    snapshotPosition: 0,
    snapshotBytes: 0,
    recordsSinceSnapshot: 0,
    bytesSinceSnapshot: 0,
    keys: new RememberedKeys(),
    marks: new TellMarks(),
    attempts: new Attempts(),
    outbox: [],
    lastTellNumber: 0,
    reminders: new Reminders(),
    lastCommandAt: 0,
    tellsAcknowledged: 0,
    eventsReplayed: 0,
  };
}

export interface RecoveryOptions {
  readonly memory: MemoryDefinition;
  readonly id: string;
  readonly log: ShardLog;
  /** The actor's newest record to start from; 0 if it has none. */
  readonly newest: Position;
  /** Leaves out every event after this one: a past state. */
  readonly through?: SequenceNumber;
  readonly freeze?: boolean;
}

/** Records kept decoded between walking back and replaying; longer histories are read a second time. */
const recordsHeldMax = 1_024;
/** Records between two looks at the clock. */
const recordsPerLook = 16;

export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #recovered: RecoveredMemory;
  #phase: 'walkBack' | 'replay' | 'done';
  #next: Position;
  /** Newest first, in step with `#positions`; only the newest `recordsHeldMax` bodies are held. */
  readonly #positions: Position[] = [];
  readonly #held: HistoryRecord[] = [];
  /** Of what was replayed; the next record points back from it. */
  #newest: RecordHead | undefined;
  #base: { readonly head: RecordHead; readonly body: SnapshotBody } | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#next = options.newest;
    this.#phase = options.newest === 0 ? 'replay' : 'walkBack';
    this.#recovered = emptyMemory(undefined);
  }

  /**
   * Works until it is done (true) or `isOver` says that the slice is (false; call again).
   *
   * @throws HistoryError with the position, MemoryError, or what a handler of the class throws
   */
  step(isOver: () => boolean): boolean {
    if (this.#phase === 'walkBack' && !this.#walkBack(isOver)) return false;
    if (this.#phase === 'replay' && !this.#replay(isOver)) return false;
    return true;
  }

  /** What was recovered; only after `step` returned true. */
  get result(): RecoveredMemory {
    return this.#recovered;
  }

  #walkBack(isOver: () => boolean): boolean {
    const { through } = this.#options;
    for (let count = 1; this.#next !== 0; count++) {
      const position = this.#next;
      const record = this.#readPassingDamagedSnapshots(position);
      if (record === 'hollow')
        throw new HistoryError(
          position,
          'the events before this place were deleted, and no usable snapshot covers them',
        );
      const { head } = record;
      this.#next = head.previous[0] ?? 0;
      const isLater = through !== undefined && head.firstSequence > through && head.eventCount > 0;
      if (
        !isLater &&
        (head.kind === 'snapshot' || head.kind === 'deleted') &&
        (through === undefined || lastSequence(head) <= through)
      ) {
        const body = decodeBase(record);
        if (body && (head.kind === 'deleted' || body.snapshotVersion === this.#options.memory.snapshotVersion)) {
          this.#base = { head, body };
          if (position === this.#options.newest) this.#recovered.snapshotBytes = record.body.length;
          break;
        }
      }
      if (!isLater) {
        this.#positions.push(position);
        if (this.#held.length < recordsHeldMax) this.#held.push(record);
      }
      if (count % recordsPerLook === 0 && this.#next !== 0 && isOver()) return false;
    }
    this.#phase = 'replay';
    this.#startFromBase();
    return true;
  }

  /** A damaged snapshot loses nothing that the records before it do not hold. */
  #readPassingDamagedSnapshots(position: Position): HistoryRecord | 'hollow' {
    const result = this.#options.log.read(position);
    if (result.type === 'damaged' && result.head?.kind === 'snapshot')
      return { head: result.head, body: Buffer.alloc(0) };
    return recordOf(result, position);
  }

  #startFromBase(): void {
    const { memory, id, freeze } = this.#options;
    const recovered = this.#recovered;
    if (!this.#base) {
      recovered.state = initialState(memory, id, freeze ?? false);
      return;
    }
    const { head, body } = this.#base;
    recovered.state =
      head.kind === 'deleted'
        ? initialState(memory, id, freeze ?? false)
        : freeze
          ? deepFreeze(body.state)
          : body.state;
    recovered.sequenceNumber = body.sequenceNumber;
    recovered.deletedThrough = body.deletedThrough;
    recovered.snapshotPosition = head.position;
    for (const entry of body.window) recovered.keys.add(entry);
    for (const mark of body.marks) recovered.marks.restore(mark);
    for (const attempt of body.attempts ?? []) recovered.attempts.note(attempt);
    recovered.outbox = [...body.outbox];
    recovered.lastTellNumber = body.lastTellNumber;
    recovered.reminders.apply((body.reminders ?? []).map((reminder) => ({ name: reminder.name, reminder })));
    recovered.lastCommandAt = body.lastCommandAt ?? 0;
    recovered.tellsAcknowledged = body.outbox[0] ? body.outbox[0].number - 1 : body.lastTellNumber;
    this.#newest = head;
  }

  #replay(isOver: () => boolean): boolean {
    if (this.#options.newest === 0) {
      const { memory, id, freeze } = this.#options;
      this.#recovered.state = initialState(memory, id, freeze ?? false);
    }
    for (let count = 1; this.#positions.length > 0; count++) {
      const position = this.#positions.pop()!;
      const index = this.#positions.length;
      const record = index < this.#held.length ? this.#held.pop()! : this.#readPassingDamagedSnapshots(position);
      if (record === 'hollow') throw new HistoryError(position, 'the record was deleted while it was read');
      this.#apply(record);
      if (count % recordsPerLook === 0 && this.#positions.length > 0 && isOver()) return false;
    }
    if (this.#newest) this.#noteNewest(this.#newest);
    this.#phase = 'done';
    return true;
  }

  #apply({ head, body }: HistoryRecord): void {
    const recovered = this.#recovered;
    this.#newest = head;
    switch (head.kind) {
      case 'command':
        recovered.recordsSinceSnapshot += 1;
        recovered.bytesSinceSnapshot += body.length + head.headLength;
        this.#applyCommand(head, decodeCommandBody(body));
        return;
      case 'deleted':
      case 'snapshot':
        // Passed over on the way back, so all it holds is replayed; it still is the one the next snapshot falls back to.
        recovered.snapshotPosition = head.position;
        return;
      case 'epochStart':
        throw new HistoryError(head.position, 'an epoch start belongs to no actor');
    }
  }

  #applyCommand(head: RecordHead, body: CommandBody): void {
    const { memory, through, freeze } = this.#options;
    const recovered = this.#recovered;
    let sequence = head.firstSequence;
    if (body.events.length > 0 && sequence !== recovered.sequenceNumber + 1) {
      throw new HistoryError(
        head.position,
        `event ${sequence} follows event ${recovered.sequenceNumber}; one between them is missing`,
      );
    }
    for (const event of body.events) {
      if (through !== undefined && sequence > through) break;
      try {
        recovered.state = replayEvent(memory, recovered.state, event, freeze ?? false);
      } catch (error) {
        throw new HistoryError(
          head.position,
          `event ${sequence} ('${event.type}'): ${error instanceof Error ? error.message : String(error)}`,
          error,
        );
      }
      recovered.sequenceNumber = sequence;
      recovered.eventsReplayed += 1;
      sequence += 1;
    }
    const { commandId, fingerprint } = body;
    if (isRemembered(commandId)) {
      recovered.keys.add({ commandId, fingerprint, position: head.position, time: head.time, reply: undefined });
    }
    if (body.delivery) recovered.marks.advance(body.delivery, body.refusal !== undefined);
    if (body.reminders) recovered.reminders.apply(body.reminders);
    recovered.attempts.settle(body.delivery, body.reminders ?? []);
    if (body.attempt) recovered.attempts.note(body.attempt);
    if (commandId !== ownRecordId) recovered.lastCommandAt = head.time;
    for (const tell of body.tells) {
      recovered.outbox.push(tell);
      recovered.lastTellNumber = tell.number;
    }
    if (body.tellsAcknowledged > 0) {
      recovered.tellsAcknowledged = body.tellsAcknowledged;
      recovered.outbox = recovered.outbox.filter((tell) => tell.number > body.tellsAcknowledged);
    }
    const { tellsSettled } = body;
    if (tellsSettled) recovered.outbox = recovered.outbox.filter((tell) => !tellsSettled.includes(tell.number));
  }

  #noteNewest(head: RecordHead): void {
    this.#recovered.newest = head.position;
    this.#recovered.ordinal = head.ordinal;
    this.#recovered.previous = previousAfter(head);
  }
}

function decodeBase(record: HistoryRecord): SnapshotBody | undefined {
  return record.body.length === 0 ? undefined : decodeSnapshotBody(record.body);
}
