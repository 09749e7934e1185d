/** A command on its way to an actor, with what it takes to answer its caller exactly once. */
import { GreenroomError, type Rejection, type Reroute } from '../core/errors.ts';
import type { Position } from '../core/ids.ts';
import type { TellMark } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import type { CommandDefinition } from './definition.ts';

/** A tell's mark with the one before it to the same receiver (see outbox.ts). */
export interface DeliveryMark extends TellMark {
  /** 0 if there is nothing to wait for. */
  readonly previous: number;
}

/** What comes with an answer. */
export interface AnswerFacts {
  readonly commandId: string;
  /** It is the recorded one of an earlier attempt. */
  readonly replayed: boolean;
  /** Something was recorded (so a parent that asked has to be recorded, too). */
  readonly recorded: boolean;
  /** Present if this command woke the actor. */
  readonly woke: { readonly tookMs: number; readonly eventsReplayed: number } | undefined;
}

/** Whoever waits for an answer. */
export interface Caller {
  replied(reply: unknown, facts: AnswerFacts): void;
  failed(error: GreenroomError | Rejection, facts: AnswerFacts): void;
  /** Present where another node routed the command here: it is told that the shard moved. */
  moved?(reroute: Reroute, command: { readonly commandId: string }): void;
}

/** For tells from outside: nobody waits. */
export const nobody: Caller = { replied() {}, failed() {} };

/** What an envelope asks for: a command of the class, or one of the runtime's own. */
export type EnvelopeKind = 'command' | 'delete' | 'wake';

export class Envelope {
  readonly kind: EnvelopeKind;
  /** Of a wake: what is due is known when it is its turn. */
  command: CommandDefinition;
  readonly input: unknown;
  readonly caller: Caller;
  /** Empty until something is recorded, where the runtime assigns the id. */
  commandId: string;
  /** Hash of command and input, for ids that callers choose; else 0. */
  readonly fingerprint: number;
  /** A retry: the position of the shard known before the first attempt. −1: not known to be a retry. */
  readonly since: Position;
  /** On the node's monotonic clock. */
  readonly deadlineMs: number;
  /** Whose tell this is. */
  readonly delivery: DeliveryMark | undefined;
  /** Actors that wait for this command's answer, on other nodes too: `type/id`, nearest first. */
  chain: readonly string[] | undefined = undefined;
  /** Counts commands in the order in which they were sent, so that rerouted ones keep it. 0 until it matters. */
  order = 0;
  /** Whose mailbox it is in. */
  target: Activation | undefined = undefined;

  /** The one behind it in its mailbox. */
  next: Envelope | undefined = undefined;
  answered = false;
  /** Set with the answer: it is the recorded one of an earlier attempt. */
  replayed = false;
  /** Set with the answer: something was recorded (so a parent that asked has to be recorded, too). */
  recorded = false;
  /** Set if this envelope woke the actor. */
  woke: { tookMs: number; eventsReplayed: number } | undefined = undefined;

  constructor(
    command: CommandDefinition,
    input: unknown,
    caller: Caller,
    deadlineMs: number,
    commandId = '',
    fingerprint = 0,
    since: Position = -1,
    delivery?: DeliveryMark,
    kind: EnvelopeKind = 'command',
  ) {
    this.kind = kind;
    this.command = command;
    this.input = input;
    this.caller = caller;
    this.deadlineMs = deadlineMs;
    this.commandId = commandId;
    this.fingerprint = fingerprint;
    this.since = since;
    this.delivery = delivery;
  }

  /**
   * It was, or may have been, tried before. An earlier attempt may still be on its way, and has to find what this one was
   * answered: so that is recorded also where nothing else is.
   */
  get isLaterAttempt(): boolean {
    return this.since >= 0;
  }

  reply(reply: unknown): void {
    if (this.answered) return;
    this.answered = true;
    this.caller.replied(reply, this);
  }

  fail(error: GreenroomError | Rejection): void {
    if (this.answered) return;
    this.answered = true;
    const reroute = error instanceof GreenroomError ? error.reroute : undefined;
    if (reroute !== undefined) {
      if (this.caller.moved) {
        this.caller.moved(reroute, this);
        return;
      }
      if (this.target?.host.rerouted(this, this.target, reroute)) return;
    }
    this.caller.failed(error, this);
  }
}
