/**
 * A tick: a reminder whose time has come, as a command in its actor's mailbox.
 *
 * What becomes of the reminder is in the same record as what the command did: so a tick has exactly one effect, and the
 * next one begins only when this one is done. The tick's id comes from the reminder and the time it was meant for: a tick
 * that runs again after a crash repeats nothing of what its asks did elsewhere.
 *
 *     it returns, or rejects          done with: on to the next tick, or the reminder is gone
 *     it fails, or is refused         tried again after 1 s, 2 s, 4 s … (at most 60 s); for good after five tries: then it
 *                                     is a dead letter, and on to the next tick
 *     an actor it asked cannot answer now   tried again in the same way, for as long as it takes
 *     its command is not there        a dead letter at once, and on to the next tick
 *     owners die of it                a dead letter after three of them, and on to the next tick (attempts.ts)
 */
import { unreachable } from '../core/assert.ts';
import { GreenroomError, type Rejection } from '../core/errors.ts';
import { textHash } from '../core/hash.ts';
import type { ReminderChange, StoredReminder } from '../persistence/codec.ts';
import { unsentWakeAt } from '../persistence/record.ts';
import type { Activation } from './activation.ts';
import { lethalTick } from './attempts.ts';
import { assignedIdPrefix } from './command-ids.ts';
import { deadLetterTell } from './dead-letters.ts';
import type { CommandDefinition } from './definition.ts';
import type { Envelope } from './envelope.ts';
import { tickPauseMaxMs, tickPauseMinMs, tickTriesMax } from './limits.ts';
import { appendNothingToDo, appendTurn } from './recording.ts';
import { isSkipped, nextTick } from './reminder-schedule.ts';
import type { Turn } from './turn.ts';

/** A reminder that is due, and what becomes of it if its command succeeds. */
export interface Tick {
  readonly reminder: StoredReminder;
  readonly change: ReminderChange;
}

/** What a woken actor has to do. */
type WakeTask =
  | { readonly type: 'tick'; readonly tick: Tick; readonly command: CommandDefinition; readonly id: string }
  /** The tick is done with, without a command: it was missed, or its command is not there. */
  | { readonly type: 'pass'; readonly tick: Tick; readonly error: GreenroomError | undefined }
  | { readonly type: 'expire' }
  | { readonly type: 'nothing' };

/** Does what is due in an actor that was woken. */
export function runWake(activation: Activation, turn: Turn, envelope: Envelope): void {
  const { host } = activation;
  const task = wakeTask(activation, host.clock.wallMs());
  // What is due was due at this time: its command sees none before, also if the clock is set back while it runs.
  void turn.now;
  switch (task.type) {
    case 'tick':
      turn.tick = task.tick;
      envelope.command = task.command;
      envelope.commandId = task.id;
      host.metrics.ticks += 1;
      activation.runCommand(turn, envelope, host.frozen(task.tick.reminder.input));
      return;
    case 'pass': {
      turn.tick = task.tick;
      if (task.error) giveUp(turn, task.tick.reminder, task.error);
      const failure = appendTurn(activation, turn, undefined);
      if (failure) activation.answer(envelope, undefined, failure);
      return;
    }
    case 'expire':
      activation.runDeletion(turn, envelope);
      return;
    case 'nothing': {
      const { recordedWakeAt } = activation;
      if (recordedWakeAt > unsentWakeAt && recordedWakeAt <= host.clock.wallMs()) appendNothingToDo(activation);
      activation.answer(envelope, undefined);
      return;
    }
    default:
      unreachable(task);
  }
}

/** What is due in an actor that was woken. */
function wakeTask(activation: Activation, nowMs: number): WakeTask {
  const { memory, definition } = activation;
  const reminder = memory.reminders.due(nowMs);
  if (!reminder) return isExpired(activation, nowMs) ? { type: 'expire' } : { type: 'nothing' };
  const tick = { reminder, change: done(reminder, nowMs) };
  if (isSkipped(reminder, nowMs)) return { type: 'pass', tick, error: undefined };
  const error = lethalTick(activation, reminder);
  if (error) return { type: 'pass', tick, error };
  const command = definition.commands.get(reminder.command);
  if (command) return { type: 'tick', tick, command, id: tickId(activation, reminder) };
  const problem = `${definition.name} has no command '${reminder.command}'`;
  return { type: 'pass', tick, error: new GreenroomError('UNKNOWN_COMMAND', problem) };
}

/** The actor's class keeps it only for so long after its last command. */
function isExpired({ memory, definition, outbox, sequenceNumber }: Activation, nowMs: number): boolean {
  const { expireMs } = definition;
  if (expireMs === undefined || memory.lastCommandAt === 0 || outbox) return false;
  return sequenceNumber > memory.deletedThrough && memory.lastCommandAt + expireMs <= nowMs;
}

/**
 * What becomes of a tick whose command threw. It may end as a dead letter, which goes with the record. What could only not
 * be answered at the time is no failure of the command: it is tried again after as long as it has been due, within bounds.
 */
export function afterFailure(turn: Turn, tick: Tick, error: GreenroomError | Rejection): Tick {
  const { activation } = turn;
  const { reminder } = tick;
  if (!(error instanceof GreenroomError)) return tick;
  const failures = error.retryable ? reminder.failures : reminder.failures + 1;
  if (!error.retryable && (failures >= tickTriesMax || error.code === 'INVALID_INPUT')) {
    giveUp(turn, reminder, error);
    return tick;
  }
  const nowMs = activation.host.clock.wallMs();
  const pauseMs = error.retryable ? nowMs - reminder.dueAt : tickPauseMinMs * 2 ** (failures - 1);
  const retryAt = nowMs + Math.max(tickPauseMinMs, Math.min(tickPauseMaxMs, pauseMs));
  return { reminder, change: { name: reminder.name, reminder: { ...reminder, failures, retryAt } } };
}

/** The tick becomes a dead letter. */
function giveUp(turn: Turn, reminder: StoredReminder, error: GreenroomError): void {
  const { activation } = turn;
  const { definition, id } = activation;
  const { name, command, input } = reminder;
  activation.diagnostics.warn('a reminder failed for good; it is a dead letter', {
    name,
    command,
    reason: error.message,
  });
  const letter = { type: definition.name, id, command, input };
  turn.tells = [deadLetterTell(activation, activation.lastTellNumber + 1, letter, error, name)];
}

/** The reminder once the tick that is due is done with. */
function done(reminder: StoredReminder, nowMs: number): ReminderChange {
  const { name } = reminder;
  const dueAt = nextTick(reminder, nowMs);
  return { name, reminder: dueAt === undefined ? undefined : { ...reminder, dueAt, failures: 0, retryAt: 0 } };
}

function tickId({ definition, host, id }: Activation, { name, registered, dueAt }: StoredReminder): string {
  const who = `${definition.name}/${id}`;
  const what = [textHash(who), textHash(`${who} `), registered, textHash(name), dueAt];
  if (host.mistaken('tick under a new id at every try')) what.push(Math.floor(host.random.next() * 2 ** 32));
  return `${assignedIdPrefix}tick.${what.map((number) => number.toString(36)).join('.')}`;
}
