/**
 * One actor in memory: recovering → ready → gone, with its mailbox, its state and its place in its history.
 *
 * Invariants
 * - One turn at a time; while one waits (`turn` is set) the mailbox is closed.
 * - A turn becomes one record or leaves no trace; the state before it is restored.
 * - No answer leaves before the newest appended record of this actor is committed (the output gate).
 * - It leaves memory only with an empty mailbox, no turn, nothing in flight and an empty outbox.
 * - After it was discarded, an instance of the user's class can touch nothing.
 */
import { GreenroomError, type Rejection } from '../core/errors.ts';
import type { ActorId, SequenceNumber } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { findNotPlain } from '../core/plain-data.ts';
import type { OutgoingTell } from '../persistence/codec.ts';
import type { ActorHost } from './actor-host.ts';
import { ActorTimers } from './actor-timers.ts';
import { lethalDelivery, mayRun } from './attempts.ts';
import { keptRefusal, refusalOf } from './dead-letters.ts';
import type { ActorDefinition } from './definition.ts';
import type { Envelope } from './envelope.ts';
import { validateInput } from './input.ts';
import { type CommandRun, isThenable, makeBound } from './instance-binding.ts';
import { Mailbox } from './mailbox.ts';
import { Outbox, type RefusedTell } from './outbox.ts';
import { isForLater, outcomeOfThrow } from './outcome-of-throw.ts';
import { answerGated, type PendingAppend } from './pending-append.ts';
import {
  appendAcknowledgement,
  appendDeadLetters,
  appendDeletion,
  appendSnapshot,
  appendTurn,
  isSnapshotDue,
  isSnapshotDueBeforeSleep,
  keepInMemory,
} from './recording.ts';
import { emptyMemory, type RecoveredMemory, Recovery } from './recovery.ts';
import { movedRefusal, tooLate, unknownEventOf } from './refusals.ts';
import { answerFromRecord } from './replayed-answer.ts';
import { retireHistory } from './retirement.ts';
import type { ShardLog } from './shard-log.ts';
import { afterFailure, runWake } from './tick.ts';
import { Binding, Turn } from './turn.ts';

type Phase =
  /** Waits for its place among the recoveries, or is being recovered. */
  | 'recovering'
  /** A record of its history is damaged, and is asked for from another copy. */
  | 'repairing'
  /** `onActivate` runs. */
  | 'activating'
  | 'ready'
  /** Records an attempt of what comes next, or waits for its place in line (attempts.ts). */
  | 'attempting'
  /** `onPassivate` runs; commands that arrive are kept. */
  | 'passivating'
  /** Could not be recovered; leaves memory when nothing of it is in flight. */
  | 'failed'
  | 'gone';

export class Activation {
  readonly host: ActorHost;
  readonly definition: ActorDefinition;
  readonly id: ActorId;
  readonly actorHash: number;
  /** undefined for actors in memory only. */
  readonly log: ShardLog | undefined;

  phase: Phase = 'recovering';
  isScheduled = false;
  turn: Turn | undefined = undefined;
  memory: RecoveredMemory;
  /** The newest record that is not committed yet. */
  lastPending: PendingAppend | undefined = undefined;
  pendingAppends = 0;
  outbox: Outbox | undefined = undefined;
  /** Tells to be given up between two turns; they are in the outbox until then. */
  refusedTells: RefusedTell[] | undefined = undefined;
  /** What its newest record says about when to wake it. */
  recordedWakeAt = 0;
  cancelWatch: (() => void) | undefined = undefined;
  /** Senders and reminders of which this owner has recorded an attempt. */
  inDoubt: Set<string> | undefined = undefined;

  /** The idle list's links and time (idle-list.ts). */
  newer: Activation | undefined = undefined;
  older: Activation | undefined = undefined;
  lastUsedMs = 0;

  #mailbox: Mailbox | undefined = undefined;
  #instance: object | undefined = undefined;
  #binding: Binding | undefined = undefined;
  #recovery: Recovery | undefined = undefined;
  #wokeAtMs: number;
  #hasWoken = false;
  #wantsToPassivate = false;
  #diagnostics: Log | undefined = undefined;
  #whenGone: (() => void)[] | undefined = undefined;
  #timers: ActorTimers | undefined = undefined;

  constructor(host: ActorHost, definition: ActorDefinition, id: ActorId, actorHash: number, log: ShardLog | undefined) {
    this.host = host;
    this.definition = definition;
    this.id = id;
    this.actorHash = actorHash;
    this.log = log;
    this.memory = emptyMemory(undefined);
    this.#wokeAtMs = host.clock.monotonicMs();
  }

  get state(): unknown {
    return this.memory.state;
  }
  set state(next: unknown) {
    this.memory.state = next;
  }
  get sequenceNumber(): SequenceNumber {
    return this.memory.sequenceNumber;
  }
  set sequenceNumber(next: SequenceNumber) {
    this.memory.sequenceNumber = next;
  }
  get outboxLength(): number {
    return this.outbox?.length ?? 0;
  }
  get lastTellNumber(): number {
    return this.memory.lastTellNumber;
  }
  get mailboxLength(): number {
    return this.#mailbox?.length ?? 0;
  }
  get diagnostics(): Log {
    this.#diagnostics ??= this.host.diagnostics.child({ type: this.definition.name, id: this.id });
    return this.#diagnostics;
  }

  /** The state after the last finished turn, and the record that its visibility waits for. */
  get settled(): { state: unknown; sequenceNumber: SequenceNumber } {
    const { turn } = this;
    return turn
      ? { state: turn.stateBefore, sequenceNumber: turn.sequenceBefore }
      : { state: this.state, sequenceNumber: this.sequenceNumber };
  }

  /** Whether nothing holds it in memory. */
  get isIdle(): boolean {
    return (
      this.phase === 'ready' &&
      this.turn === undefined &&
      this.#mailbox === undefined &&
      this.pendingAppends === 0 &&
      this.outboxLength === 0 &&
      this.#timers?.keepsAwake !== true
    );
  }

  // ---- commands in ------------------------------------------------------------------------------------------

  receive(envelope: Envelope): void {
    if (this.#mailbox) this.#mailbox.push(envelope);
    else this.#mailbox = new Mailbox(envelope);
    if (this.phase === 'ready' && this.turn === undefined) this.host.schedule(this);
  }

  /** Works until nothing is left that can be done now, or the slice is over (true: schedule again). */
  run(isOver: () => boolean): boolean {
    if (this.phase === 'recovering') {
      if (!this.#recover(isOver)) return this.phase === 'recovering';
    }
    while (this.phase === 'ready' && this.turn === undefined) {
      if (this.refusedTells) appendDeadLetters(this);
      if (this.log && isSnapshotDue(this)) appendSnapshot(this);
      const mailbox = this.#mailbox;
      if (!mailbox) break;
      if (!mayRun(this, mailbox.first)) {
        this.phase = 'attempting';
        break;
      }
      if (!this.#instance && !this.#makeInstance()) break;
      const envelope = mailbox.shift();
      this.host.queued -= 1;
      if (mailbox.length === 0) this.#mailbox = undefined;
      this.#startTurn(envelope);
      // One that goes on later did not die of it; and it may wait for others that are in line.
      this.host.attemptLine.leave(this);
      if (isOver()) return this.phase === 'ready' && this.turn === undefined && this.#mailbox !== undefined;
    }
    if (this.phase !== 'attempting') this.host.attemptLine.leave(this);
    this.#settle();
    return false;
  }

  /** After work: into the idle list, or out of memory if that was asked for. */
  #settle(): void {
    if (!this.isIdle) return;
    if (this.#wantsToPassivate) this.beginPassivation();
    else this.host.becameIdle(this);
  }

  // ---- waking -----------------------------------------------------------------------------------------------

  #recover(isOver: () => boolean): boolean {
    const { log, definition } = this;
    if (!log || !definition.memory) {
      this.phase = 'ready';
      return true;
    }
    try {
      const entry = log.actor(definition.name, this.id);
      this.recordedWakeAt = entry?.wakeAt ?? 0;
      this.#recovery ??= new Recovery({
        memory: definition.memory,
        id: this.id,
        log,
        newest: entry?.newestPosition ?? 0,
        freeze: this.host.freezes,
      });
      if (!this.#recovery.step(isOver)) return false;
      this.memory = this.#recovery.result;
    } catch (error) {
      this.#recovery = undefined;
      this.host.recoveryAbandoned();
      this.host.recoverOnceRepaired(this, error, () => this.#recoveryFailed(error));
      return false;
    }
    this.#recovery = undefined;
    this.phase = 'ready';
    this.host.recovered(this, this.host.clock.monotonicMs() - this.#wokeAtMs);
    const tells = this.memory.outbox;
    this.memory.outbox = [];
    if (tells.length > 0) {
      this.intoOutbox(tells);
      this.host.sendTells(this, tells);
    }
    return true;
  }

  /** Makes the instance and runs `onActivate`. False if it is not ready yet, or failed. */
  #makeInstance(): boolean {
    const binding = new Binding(this);
    this.#binding = binding;
    try {
      this.#instance = makeBound(this.definition.make, binding);
      this.host.checkInstance(this.definition, this.#instance);
      if (this.definition.hasActivateHook) {
        this.turn = new Turn(this, undefined, this.host.clock.monotonicMs());
        const running = (this.#instance as { onActivate(): unknown }).onActivate();
        if (isThenable(running)) {
          this.phase = 'activating';
          this.host.becameBusy(this);
          this.#awaitHook(running, binding, () => {
            this.phase = 'ready';
            this.host.supervision.clear(this.definition.name, this.id);
            this.host.schedule(this);
          });
          return false;
        }
        this.turn = undefined;
        this.host.supervision.clear(this.definition.name, this.id);
      }
      return true;
    } catch (error) {
      this.turn = undefined;
      this.#recoveryFailed(error);
      return false;
    }
  }

  #awaitHook(running: CommandRun, binding: Binding, then: () => void): void {
    running.then(
      () => {
        if (this.#binding !== binding || this.turn === undefined) return;
        this.#endAsyncTurn();
        then();
      },
      (error) => {
        if (this.#binding !== binding || this.turn === undefined) return;
        this.#endAsyncTurn();
        this.#recoveryFailed(error);
      },
    );
  }

  #recoveryFailed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const { definition, id, host } = this;
    this.#discardInstance();
    this.phase = 'failed';
    const newer = unknownEventOf(error);
    if (newer !== undefined && host.isServedElsewhere(definition.name, `!${newer}`)) {
      // A rolling upgrade: another node knows the event, and this actor is none the worse for it.
      this.diagnostics.warn('cannot recover here: its history has an event that only newer nodes know', {
        event: newer,
      });
      this.#failQueued(new GreenroomError('UNAVAILABLE', reason, { retryAfterMs: 1_000 }));
      if (this.pendingAppends === 0) this.#leave();
      return;
    }
    const standing = host.supervision.failed(definition.name, id, reason, host.clock.monotonicMs());
    this.diagnostics.error(
      standing.type === 'quarantined' ? 'quarantined: cannot recover' : 'cannot recover; backing off',
      {
        reason,
        error,
      },
    );
    const refusal =
      host.refusalFor(definition.name, id) ?? new GreenroomError('UNAVAILABLE', `the actor cannot recover: ${reason}`);
    this.#failQueued(refusal);
    if (this.pendingAppends === 0) this.#leave();
  }

  #failQueued(error: GreenroomError): void {
    const mailbox = this.#mailbox;
    this.#mailbox = undefined;
    if (!mailbox) return;
    this.host.queued -= mailbox.length;
    for (const envelope of mailbox) {
      if (error.reroute === undefined) this.#answerError(envelope, error);
      else envelope.fail(error);
    }
  }

  /** What it waited for before its next turn is there. */
  goOn(): void {
    if (this.phase !== 'attempting') return;
    this.phase = 'ready';
    this.host.schedule(this);
  }

  // ---- turns ------------------------------------------------------------------------------------------------

  #startTurn(envelope: Envelope): void {
    const { host } = this;
    if (envelope.answered) return;
    if (host.nowMs > envelope.deadlineMs) {
      envelope.fail(tooLate());
      return;
    }
    if (!this.#hasWoken) {
      this.#hasWoken = true;
      envelope.woke = { tookMs: host.clock.monotonicMs() - this.#wokeAtMs, eventsReplayed: this.memory.eventsReplayed };
    }
    const turn = new Turn(this, envelope, host.nowMs);
    if (this.log) {
      try {
        if (answerFromRecord(this, envelope)) return;
        const lethal = envelope.delivery && lethalDelivery(this, envelope.delivery);
        if (lethal) {
          this.#fail(turn, lethal);
          return;
        }
      } catch (error) {
        this.#recoveryFailed(error);
        envelope.fail(
          host.refusalFor(this.definition.name, this.id) ?? new GreenroomError('UNAVAILABLE', String(error)),
        );
        return;
      }
    }
    if (envelope.kind === 'delete') this.runDeletion(turn, envelope);
    else if (envelope.kind === 'wake') runWake(this, turn, envelope);
    else this.runCommand(turn, envelope, envelope.input);
  }

  /** Runs a command, or what a wake makes of itself. */
  runCommand(turn: Turn, envelope: Envelope, given: unknown): void {
    const { host } = this;
    let input = given;
    if (envelope.command.schema) {
      const checked = validateInput(envelope.command.schema, input, this.definition.name, envelope.command.name);
      if ('error' in checked) {
        this.#fail(turn, checked.error);
        return;
      }
      input = host.frozen(checked.value);
    }
    this.turn = turn;
    host.metrics.commands += 1;
    let result: unknown;
    try {
      result = envelope.command.run.call(this.#instance!, input);
    } catch (error) {
      this.turn = undefined;
      this.#fail(turn, error);
      return;
    }
    if (isThenable(result)) {
      host.becameBusy(this);
      result.then(
        (reply) => {
          if (this.turn !== turn) return;
          this.#endAsyncTurn();
          this.#finish(turn, reply);
          host.schedule(this);
        },
        (error) => {
          if (this.turn !== turn) return;
          this.#endAsyncTurn();
          this.#fail(turn, error);
          host.schedule(this);
        },
      );
      return;
    }
    this.turn = undefined;
    this.#finish(turn, result);
  }

  #endAsyncTurn(): void {
    this.turn = undefined;
    this.host.noLongerBusy(this);
  }

  #finish(turn: Turn, answered: unknown): void {
    const envelope = turn.envelope!;
    // Nobody waits for what a reminder's command answers.
    const reply = turn.tick ? undefined : answered;
    const wrong = reply !== this.state && reply !== undefined ? findNotPlain(reply) : undefined;
    if (wrong) {
      this.#fail(turn, new TypeError(`the reply${wrong.path} ${wrong.problem}`));
      return;
    }
    const isNothingToRecord = !turn.hasRecorded && !turn.askCommitted && !envelope.delivery && !turn.tick;
    if (isNothingToRecord && !this.#keepsAnswer(envelope)) this.answer(envelope, reply);
    else {
      const failure = this.log ? appendTurn(this, turn, reply) : keepInMemory(this, turn, reply);
      if (failure) {
        this.#fail(turn, failure);
        return;
      }
    }
    for (const timer of turn.timers ?? []) this.timersOf().start(timer);
  }

  timersOf(): ActorTimers {
    this.#timers ??= new ActorTimers(this);
    return this.#timers;
  }

  /** Its newest record, just appended, says when to wake it. */
  wakesAt(wakeAt: number): void {
    this.recordedWakeAt = wakeAt;
    this.host.waker.recorded(this);
  }

  /** Undoes a turn and says why. Anything but a rejection and a refused input discards the instance. */
  #fail(turn: Turn, error: unknown): void {
    this.state = turn.stateBefore;
    this.sequenceNumber = turn.sequenceBefore;
    const envelope = turn.envelope!;
    const answer = outcomeOfThrow(this, turn, error);
    if (answer instanceof GreenroomError && answer.code !== 'INVALID_INPUT') this.#discardInstance();
    turn.forgetRecorded();
    if (envelope.delivery && this.log && !isForLater(answer)) {
      // A refused tell is done with: the refusal is recorded, so that the tells after it are let in.
      turn.refusal = refusalOf(answer);
      this.host.refusedDelivery(this, envelope, answer);
      if (!appendTurn(this, turn, undefined)) return;
    } else if (turn.tick) {
      turn.tick = afterFailure(turn, turn.tick, answer);
      if (!appendTurn(this, turn, undefined)) return;
    } else if (this.#keepsAnswer(envelope) && !isForLater(answer) && answer.code !== 'INVALID_INPUT') {
      turn.refusal = keptRefusal(answer);
      const failure = appendTurn(this, turn, undefined);
      if (failure) this.#answerError(envelope, failure);
      return;
    }
    this.#answerError(envelope, answer);
  }

  #keepsAnswer(envelope: Envelope): boolean {
    return this.log !== undefined && envelope.isLaterAttempt;
  }

  runDeletion(turn: Turn, envelope: Envelope): void {
    const failure = appendDeletion(this, turn);
    if (failure) this.#answerError(envelope, failure);
    else this.#discardInstance();
  }

  /** Tells whose record has just been appended; they leave when it is committed. */
  intoOutbox(tells: readonly OutgoingTell[]): void {
    this.outbox ??= new Outbox();
    this.outbox.add(tells);
  }

  answer(envelope: Envelope, reply: unknown, error?: GreenroomError | Rejection): void {
    answerGated(this, envelope, reply, error);
  }

  #answerError(envelope: Envelope, error: GreenroomError | Rejection): void {
    this.answer(envelope, undefined, error);
  }

  #discardInstance(): void {
    this.#binding?.discard();
    this.#binding = undefined;
    this.#instance = undefined;
  }

  // ---- the output gate --------------------------------------------------------------------------------------

  appendCommitted(pending: PendingAppend): void {
    this.pendingAppends -= 1;
    if (this.lastPending === pending) this.lastPending = undefined;
    if (pending.tells) this.host.sendTells(this, pending.tells);
    if (pending.covers) retireHistory(this, pending.covers.from, pending.covers.isDeletion);
    this.host.recordCommitted(this, pending);
    if (this.pendingAppends > 0) return;
    if (this.phase === 'failed') this.#leave();
    else this.#settle();
  }

  appendLost(pending: PendingAppend, error: Error): void {
    this.pendingAppends -= 1;
    if (this.lastPending === pending) this.lastPending = undefined;
    for (const envelope of pending.waiting()) {
      envelope.fail(
        new GreenroomError(
          'OUTCOME_UNKNOWN',
          `the command ran, but whether it was kept is not known: ${error.message}`,
          { cause: error, reroute: 'uncertain' },
        ),
      );
    }
    if (this.phase === 'gone') return;
    const { turn } = this;
    if (turn) this.#endAsyncTurn();
    this.#discardInstance();
    this.phase = 'failed';
    // What runs or waits here has recorded nothing: whoever owns the shard next can take it.
    const refusal = movedRefusal(`nothing more is kept here: ${error.message}`);
    turn?.envelope?.fail(refusal);
    this.#failQueued(refusal);
    if (this.pendingAppends === 0) this.#leave();
  }

  // ---- leaving memory ---------------------------------------------------------------------------------------

  /** Leaves memory after what is queued; resolves `then` when it is out. */
  passivateWhenIdle(then?: () => void): void {
    if (then) {
      this.#whenGone ??= [];
      this.#whenGone.push(then);
    }
    this.#wantsToPassivate = true;
    if (this.isIdle) this.beginPassivation();
  }

  /** Only when idle. */
  beginPassivation(): void {
    if (this.log && isSnapshotDueBeforeSleep(this)) appendSnapshot(this);
    if (this.pendingAppends > 0 || appendAcknowledgement(this)) {
      this.#wantsToPassivate = true;
      return;
    }
    const instance = this.#instance as { onPassivate?(): unknown } | undefined;
    if (!instance || !this.definition.hasPassivateHook) {
      this.#leave();
      return;
    }
    this.phase = 'passivating';
    this.host.becameBusy(this);
    this.turn = new Turn(this, undefined, this.host.clock.monotonicMs());
    const binding = this.#binding!;
    const left = (error?: unknown) => {
      if (this.#binding !== binding || this.phase !== 'passivating') return;
      if (error !== undefined)
        this.diagnostics.error('onPassivate threw; the actor leaves memory all the same', { error });
      this.#endAsyncTurn();
      this.#leave();
    };
    try {
      const running = instance.onPassivate?.();
      if (isThenable(running))
        running.then(
          () => left(),
          (error) => left(error ?? new Error('rejected')),
        );
      else left();
    } catch (error) {
      left(error);
    }
  }

  #leave(): void {
    this.host.attemptLine.leave(this);
    this.#timers?.cancelAll();
    this.cancelWatch?.();
    this.#discardInstance();
    this.turn = undefined;
    const mailbox = this.#mailbox;
    this.phase = 'gone';
    this.host.left(this);
    const whenGone = this.#whenGone;
    this.#whenGone = undefined;
    if (whenGone) for (const then of whenGone) then();
    // Commands that arrived while `onPassivate` ran: the same order, in a new activation.
    if (mailbox) {
      this.#mailbox = undefined;
      this.host.queued -= mailbox.length;
      this.host.deliverAgain(this.definition, this.id, mailbox);
    }
  }

  /** Nothing of it is left to do or to wait for, but what its outbox holds. */
  get isBusy(): boolean {
    return this.turn !== undefined || this.#mailbox !== undefined || this.pendingAppends > 0;
  }

  /** Its shard is served elsewhere from now on: it leaves memory as it is, and what waits here is sent after it. */
  moveAway(): void {
    if (this.phase === 'gone') return;
    if (this.phase === 'recovering') this.host.recoveryAbandoned();
    this.host.attemptLine.leave(this);
    this.#timers?.cancelAll();
    this.cancelWatch?.();
    const { turn } = this;
    this.turn = undefined;
    this.#discardInstance();
    this.outbox = undefined;
    this.refusedTells = undefined;
    this.phase = 'gone';
    this.host.left(this);
    turn?.envelope?.fail(
      this.log ? movedRefusal() : new GreenroomError('OUTCOME_UNKNOWN', 'the actor, which is in memory only, was lost'),
    );
    this.#failQueued(movedRefusal());
    const whenGone = this.#whenGone;
    this.#whenGone = undefined;
    if (whenGone) for (const then of whenGone) then();
  }

  /** The node stops for good: whoever waits here hears so. */
  abandon(): void {
    this.#failQueued(new GreenroomError('UNAVAILABLE', 'this node has stopped; the command was not executed'));
    // The stop, and not the command, is why there is no answer: another node may find out by the command's id.
    this.turn?.envelope?.fail(
      new GreenroomError('OUTCOME_UNKNOWN', 'this node stopped while the command ran', { retryAfterMs: 1_000 }),
    );
  }

  // ---- time -------------------------------------------------------------------------------------------------

  /** Looks at time-outs: of the running turn, its caller, and of commands that wait. Only called while busy. */
  sweep(nowMs: number): void {
    const { turn } = this;
    if (turn && nowMs - turn.startedMs > this.definition.commandTimeoutMs) this.#revoke(turn);
    else if (turn?.envelope && nowMs > turn.envelope.deadlineMs) {
      turn.envelope.fail(new GreenroomError('OUTCOME_UNKNOWN', 'the command was still running at the deadline'));
    }
    if (!this.#mailbox) return;
    for (const envelope of this.#mailbox) {
      if (nowMs > envelope.deadlineMs) envelope.fail(tooLate());
    }
  }

  /** A turn that took too long: nothing of it is kept, and its code can touch nothing any more. */
  #revoke(turn: Turn): void {
    const limit = `${this.definition.commandTimeoutMs} ms`;
    this.#endAsyncTurn();
    if (this.phase === 'passivating') {
      this.diagnostics.error(`onPassivate ran longer than ${limit}; the actor leaves memory all the same`);
      this.#leave();
      return;
    }
    if (!turn.envelope) {
      this.#recoveryFailed(new Error(`onActivate ran longer than ${limit}`));
      return;
    }
    this.#discardInstance();
    this.#fail(turn, new Error(`it ran longer than ${limit} (commandTimeout)`));
    this.host.schedule(this);
  }
}
