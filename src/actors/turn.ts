/**
 * One command's run in its actor, and what it recorded so far. Everything is undone by restoring `stateBefore`; the
 * turn becomes a record, or nothing (P3).
 */

import { type Duration, durationMs } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import type { SequenceNumber } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { findNotPlain, withoutUndefined } from '../core/plain-data.ts';
import type { OutgoingTell, ReminderChange, StoredEvent, StoredRefusal, StoredReminder } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import type { TimerRequest } from './actor-timers.ts';
import type { AskTarget } from './ask-cycle.ts';
import { savedEvent } from './definition.ts';
import type { Envelope } from './envelope.ts';
import type { InstanceBinding } from './instance-binding.ts';
import { eventsPerCommandMax, outboxLengthMax, reminderNameLengthMax, remindersMax, timerMaxMs } from './limits.ts';
import { applyEvent, eventVersion, MemoryError } from './memory.ts';
import type { RefTarget } from './refs.ts';
import { tellRef } from './refs.ts';
import { ticksOf, type When } from './reminder-schedule.ts';
import { type ReminderInfo, reminderInfo } from './reminders.ts';
import type { Tick } from './tick.ts';

const noChanges: readonly ReminderChange[] = [];

export class Turn {
  readonly activation: Activation;
  /** undefined while a hook runs: it may ask, but not record. */
  readonly envelope: Envelope | undefined;
  readonly startedMs: number;
  readonly stateBefore: unknown;
  readonly sequenceBefore: SequenceNumber;
  events: StoredEvent[] | undefined = undefined;
  tells: OutgoingTell[] | undefined = undefined;
  /** Reminders set and ended so far, by name. */
  reminders: Map<string, StoredReminder | undefined> | undefined = undefined;
  timers: TimerRequest[] | undefined = undefined;
  /** The reminder whose tick this is. */
  tick: Tick | undefined = undefined;
  /** Why a delivery is refused for good, once that is known. */
  refusal: StoredRefusal | undefined = undefined;
  /** Asks made so far: their ordinals make the ids of children. */
  asks = 0;
  /** An ask recorded something elsewhere, so this command has to be recorded, too. */
  askCommitted = false;
  /** Whose answers this turn waits for; one entry per open ask. */
  waitingOn: AskTarget[] | undefined = undefined;
  #now = -1;

  constructor(activation: Activation, envelope: Envelope | undefined, startedMs: number) {
    this.activation = activation;
    this.envelope = envelope;
    this.startedMs = startedMs;
    this.stateBefore = activation.state;
    this.sequenceBefore = activation.sequenceNumber;
  }

  get hasRecorded(): boolean {
    return this.events !== undefined || this.tells !== undefined || this.reminders !== undefined;
  }

  /** Nothing of what the command did is kept. */
  forgetRecorded(): void {
    this.events = undefined;
    this.tells = undefined;
    this.reminders = undefined;
    this.timers = undefined;
  }

  /** A reminder as this turn sees it: what is due is done with, unless the command itself says otherwise. */
  reminder(name: string): StoredReminder | undefined {
    if (this.reminders?.has(name)) return this.reminders.get(name);
    return this.tick?.change.name === name ? this.tick.change.reminder : this.activation.memory.reminders.get(name);
  }

  /** What becomes of the reminders with this turn's record. */
  get reminderChanges(): readonly ReminderChange[] {
    if (!this.reminders && !this.tick) return noChanges;
    const changes = [...(this.reminders ?? [])].map(([name, reminder]) => ({ name, reminder }));
    const { tick } = this;
    return tick && !this.reminders?.has(tick.change.name) ? [tick.change, ...changes] : changes;
  }

  /**
   * Milliseconds since 1970, constant within the turn from the first time it is asked for, never before a time this shard
   * has recorded.
   */
  get now(): number {
    if (this.#now < 0) {
      const { host, log } = this.activation;
      this.#now = Math.max(host.clock.wallMs(), log?.newestTime ?? 0);
    }
    return this.#now;
  }
}

/** Ties one instance of a user's class to its activation until the instance is discarded. */
export class Binding implements InstanceBinding, RefTarget {
  readonly #id: string;
  #activation: Activation | undefined;

  constructor(activation: Activation) {
    this.#id = activation.id;
    this.#activation = activation;
  }

  /** From now on every method of the instance throws: its code may still run after a timeout. */
  discard(): void {
    this.#activation = undefined;
  }

  get id(): string {
    return this.#id;
  }

  state(): unknown {
    return this.#alive().state;
  }

  now(): number {
    return this.#turn('now').now;
  }

  log(): Log {
    return this.#alive().diagnostics;
  }

  passivate(): void {
    this.#alive().passivateWhenIdle();
  }

  persist(type: string, data: unknown): void {
    this.#record(type, data, `${type}`);
  }

  save(next: unknown): void {
    this.#record(savedEvent, next, 'the state');
  }

  actor(type: abstract new () => object, id: string): never {
    return this.#alive().host.refFor(this, type, id) as never;
  }

  tell(ref: object): never {
    this.#alive();
    return tellRef(ref, (type, id, command, input) => this.#tell(type, id, command, input)) as never;
  }

  tellTo(type: string, id: string, command: string, input: unknown): void {
    this.#tell(type, id, command, input);
  }

  after(delay: Duration, keepAwake: boolean): never {
    const delayMs = durationMs(delay);
    if (delayMs === undefined || delayMs > timerMaxMs)
      throw new GreenroomError(
        'BAD_REQUEST',
        `a timer lasts up to ${timerMaxMs} ms, not ${String(delay)}: use a reminder`,
      );
    return this.#own((command, input) => this.#startTimer({ delayMs, keepAwake, command, input }));
  }

  remind(name: string, when: When): never {
    const turn = this.#recordingTurn('remind');
    if (typeof name !== 'string' || name.length < 1 || name.length > reminderNameLengthMax)
      throw new GreenroomError('BAD_REQUEST', `a reminder's name has 1 to ${reminderNameLengthMax} characters`);
    const ticks = ticksOf(when, turn.activation.host.clock.wallMs());
    return this.#own((command, input) => {
      const { memory } = this.#recordingTurn('remind').activation;
      if (turn.reminder(name) === undefined && this.reminders().length >= remindersMax)
        throw new GreenroomError('OVERLOADED', `an actor has at most ${remindersMax} reminders`);
      turn.reminders ??= new Map();
      const registered = memory.ordinal + 1;
      turn.reminders.set(name, { ...ticks, name, registered, command, input, failures: 0, retryAt: 0 });
    });
  }

  forget(name: string): void {
    const turn = this.#recordingTurn('forget');
    if (turn.reminder(name) === undefined) return;
    turn.reminders ??= new Map();
    turn.reminders.set(name, undefined);
  }

  reminders(): readonly ReminderInfo[] {
    const turn = this.#turn('reminders');
    const { memory } = turn.activation;
    const names = new Set([...memory.reminders.all().map(({ name }) => name), ...(turn.reminders?.keys() ?? [])]);
    return [...names].flatMap((name) => turn.reminder(name) ?? []).map(reminderInfo);
  }

  /** The actor's own commands, to be run later. */
  #own(later: (command: string, input: unknown) => unknown): never {
    const { definition } = this.#alive();
    return tellRef(new definition.refs(this, this.#id), (type, _id, command, input) => {
      const wrong = findNotPlain(input);
      if (wrong) throw new MemoryError(`the input of ${type}.${command}${wrong.path} ${wrong.problem}`);
      return later(command, withoutUndefined(input));
    }) as never;
  }

  #startTimer(timer: Omit<TimerRequest, 'cancelled' | 'cancel'>): () => void {
    const turn = this.#turn('after');
    const request: TimerRequest = { ...timer, cancelled: false, cancel: undefined };
    const timers = turn.activation.timersOf();
    timers.makeRoom(1 + (turn.timers?.length ?? 0));
    if (turn.envelope) {
      turn.timers ??= [];
      turn.timers.push(request);
    } else timers.start(request);
    return () => {
      request.cancelled = true;
      request.cancel?.();
    };
  }

  #recordingTurn(what: string): Turn {
    const turn = this.#turn(what);
    if (turn.envelope) return turn;
    throw new MemoryError(`a hook cannot ${what}; do it in a command`);
  }

  ask(type: string, id: string, command: string, input: unknown): Promise<unknown> {
    try {
      const turn = this.#turn('an ask');
      if (turn.hasRecorded) {
        throw new GreenroomError(
          'ASK_AFTER_PERSIST',
          `${turn.activation.definition.name}.${turn.envelope?.command.name} asked ${type}.${command} after it had recorded something: ask first, or tell and go on in another command`,
        );
      }
      return turn.activation.host.askFromTurn(turn, type, id, command, input);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #record(type: string, data: unknown, what: string): void {
    const turn = this.#turn(type === savedEvent ? 'save' : 'persist');
    if (!turn.envelope) throw new MemoryError('a hook cannot record anything; do it in a command');
    const { activation } = turn;
    const { memory } = activation.definition;
    if (!memory) throw new MemoryError('an actor in memory only records nothing');
    const wrong = findNotPlain(data, type === savedEvent ? activation.state : undefined);
    if (wrong) throw new MemoryError(`${what}${wrong.path} ${wrong.problem}`);
    if (type === savedEvent && data === undefined) throw new MemoryError('the state is undefined; use null');
    const clean = withoutUndefined(data);
    const next = applyEvent(memory, activation.state, type, activation.host.frozen(clean), activation.host.freezes);
    turn.events ??= [];
    if (turn.events.length >= eventsPerCommandMax)
      throw new MemoryError(`a command persists at most ${eventsPerCommandMax} events`);
    turn.events.push({ type, version: eventVersion(memory, type), data: clean });
    activation.state = next;
    activation.sequenceNumber += 1;
  }

  #tell(type: string, id: string, command: string, input: unknown): void {
    const turn = this.#turn('tell');
    if (!turn.envelope) throw new MemoryError('a hook cannot tell; do it in a command');
    const { activation } = turn;
    const wrong = findNotPlain(input);
    if (wrong) throw new MemoryError(`the input of ${type}.${command}${wrong.path} ${wrong.problem}`);
    activation.host.definitionOf(type, command);
    const waiting = activation.outboxLength + (turn.tells?.length ?? 0);
    if (waiting >= outboxLengthMax) {
      throw new GreenroomError(
        'OVERLOADED',
        `${outboxLengthMax} tells of this actor wait for their receivers; try again when they have caught up`,
      );
    }
    turn.tells ??= [];
    const number = activation.lastTellNumber + turn.tells.length + 1;
    turn.tells.push({ number, type, id, command, input: withoutUndefined(input) });
  }

  #alive(): Activation {
    if (this.#activation) return this.#activation;
    throw new GreenroomError(
      'UNAVAILABLE',
      'this instance was discarded (its command failed, took too long, or the actor left memory), and a newer one is in charge',
    );
  }

  #turn(what: string): Turn {
    const { turn } = this.#alive();
    if (turn) return turn;
    throw new GreenroomError(
      'UNAVAILABLE',
      `${what} only works while a command runs; await what you start in a command before it returns`,
    );
  }
}
