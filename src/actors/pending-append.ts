/**
 * The output gate: a record on its way to being committed, and every answer and ask that must not leave before it is.
 * (As in Durable Objects: the actor goes on meanwhile, but nothing it says gets out ahead of what it is based on.)
 */
import { GreenroomError, type Rejection } from '../core/errors.ts';
import type { Position } from '../core/ids.ts';
import type { OutgoingTell } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import type { Envelope } from './envelope.ts';
import { movedRefusal } from './refusals.ts';
import type { AppendOutcome } from './shard-log.ts';

interface Output {
  readonly envelope: Envelope;
  readonly reply: unknown;
  readonly error: GreenroomError | Rejection | undefined;
}

/** An ask of a turn that saw this record's effects. */
export interface HeldAsk {
  /** The record is committed. */
  release(): void;
  /** The record is lost, and what asks never happened. */
  lost(): void;
}

export class PendingAppend implements AppendOutcome {
  readonly activation: Activation;
  /** Whose record this is; undefined for a snapshot. */
  readonly envelope: Envelope | undefined;
  readonly reply: unknown;
  readonly tells: readonly OutgoingTell[] | undefined;
  readonly hasEvents: boolean;
  position: Position = 0;
  /** Committed, or lost. */
  isSettled = false;
  /** For snapshots and deletions: records from here back are covered, and may go once this one is committed. */
  covers: { readonly from: Position; readonly isDeletion: boolean } | undefined = undefined;
  /** Told once it is committed; not if it is lost. */
  whenCommitted: (() => void) | undefined = undefined;
  #others: Output[] | undefined = undefined;
  #asks: HeldAsk[] | undefined = undefined;

  constructor(
    activation: Activation,
    envelope: Envelope | undefined,
    reply: unknown,
    tells: readonly OutgoingTell[] | undefined,
    hasEvents: boolean,
  ) {
    this.activation = activation;
    this.envelope = envelope;
    this.reply = reply;
    this.tells = tells;
    this.hasEvents = hasEvents;
  }

  /** Holds an answer back until this record is committed. */
  hold(envelope: Envelope, reply: unknown, error: GreenroomError | Rejection | undefined): void {
    this.#others ??= [];
    this.#others.push({ envelope, reply, error });
  }

  /** Holds an ask back until this record is committed. */
  holdAsk(ask: HeldAsk): void {
    this.#asks ??= [];
    this.#asks.push(ask);
  }

  committed(): void {
    this.isSettled = true;
    this.envelope?.reply(this.reply);
    if (this.#others) {
      for (const { envelope, reply, error } of this.#others) {
        if (error) envelope.fail(error);
        else envelope.reply(reply);
      }
    }
    if (this.#asks) for (const ask of this.#asks) ask.release();
    this.activation.appendCommitted(this);
    this.whenCommitted?.();
  }

  lost(error: Error): void {
    this.isSettled = true;
    this.activation.appendLost(this, error);
    if (this.#asks) for (const ask of this.#asks) ask.lost();
  }

  /** Everyone who waits for this record. */
  *waiting(): Iterable<Envelope> {
    if (this.envelope) yield this.envelope;
    if (this.#others) for (const { envelope } of this.#others) yield envelope;
  }
}

/**
 * Answers without a record: once everything the answer rests on is committed, and this node is known to have been the
 * owner after the question arrived.
 */
export function answerGated(
  { log, lastPending }: Activation,
  envelope: Envelope,
  reply: unknown,
  error: GreenroomError | Rejection | undefined,
): void {
  if (error instanceof GreenroomError && error.reroute !== undefined) envelope.fail(error);
  else if (!log || log.confirmsAtOnce) release(lastPending, envelope, reply, error);
  else
    log.confirm({
      confirmed: () => release(lastPending, envelope, reply, error),
      lost: () => envelope.fail(movedRefusal()),
    });
}

function release(
  pending: PendingAppend | undefined,
  envelope: Envelope,
  reply: unknown,
  error: GreenroomError | Rejection | undefined,
): void {
  if (pending && !pending.isSettled) pending.hold(envelope, reply, error);
  else if (error) envelope.fail(error);
  else envelope.reply(reply);
}
