/**
 * Deliveries and ticks that kill the process that runs them. Nobody waits for these, so nobody stops asking: whoever owns
 * the actor next would run them again, and die of it. (What a client sends is stopped by its router: router.ts.)
 *
 * An owner that serves since a moment ago records that it is about to try what an owner before it may have tried; what three
 * of them recorded, and none got to the end of, is not run again: a dead letter, as after any refusal. With a first
 * try that nobody recorded, that makes four lost owners.
 *
 *     tells are in order per sender      so of each sender only the first one is in doubt
 *     a tick due after the epoch began   was tried by nobody before
 *
 * A process that dies takes others with it that had only just been recorded. They must not be taken for the culprit: so what
 * was recorded once already is begun one at a time on a node, and whoever dies of it has recorded nothing else.
 */
import { GreenroomError } from '../core/errors.ts';
import type { StoredAttempt, StoredReminder, TellMark } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import type { DeliveryMark, Envelope } from './envelope.ts';
import { attemptLineMs, attemptsWithinMs } from './limits.ts';
import { appendAttempt } from './recording.ts';
import { senderOf } from './tell-marks.ts';

/** What was tried and, as far as the actor's records tell, not finished. In memory, in records and in snapshots. */
export class Attempts {
  #all: Map<string, StoredAttempt> | undefined;

  note(attempt: StoredAttempt): void {
    this.#all ??= new Map();
    this.#all.set(attempt.key, attempt);
  }

  get isEmpty(): boolean {
    return this.#all === undefined;
  }

  /** How often this very try was begun. */
  countOf({ key, what }: Pick<StoredAttempt, 'key' | 'what'>): number {
    const known = this.#all?.get(key);
    return known?.what === what ? known.count : 0;
  }

  /** A record says that a delivery is done with, and what became of reminders. */
  settle(delivery: TellMark | undefined, reminders: readonly { readonly name: string }[]): void {
    if (!this.#all) return;
    if (delivery) this.#all.delete(keyOfTell(delivery));
    for (const { name } of reminders) this.#all.delete(keyOfTick(name));
    if (this.#all.size === 0) this.#all = undefined;
  }

  clear(): void {
    this.#all = undefined;
  }

  all(): readonly StoredAttempt[] {
    return this.#all ? [...this.#all.values()] : [];
  }
}

/** Those that are begun one at a time, in the order in which they came. */
export class AttemptLine {
  readonly #waiting = new Set<Activation>();
  #firstSinceMs = 0;

  /** Whether it is the activation's turn; if not, it is scheduled when it is. */
  enter(activation: Activation): boolean {
    if (this.#waiting.size === 0) this.#firstSinceMs = activation.host.nowMs;
    this.#waiting.add(activation);
    return this.#first === activation;
  }

  /** It is done, or has nothing to try any more. */
  leave(activation: Activation): void {
    if (this.#waiting.size === 0) return;
    const wasFirst = this.#first === activation;
    if (!this.#waiting.delete(activation) || !wasFirst) return;
    this.#firstSinceMs = activation.host.nowMs;
    this.#first?.goOn();
  }

  /** One whose attempt is not committed, since its shard cannot record anything just now, does not hold up the others. */
  sweep(nowMs: number): void {
    const first = this.#first;
    if (first && nowMs - this.#firstSinceMs > attemptLineMs) this.leave(first);
  }

  get #first(): Activation | undefined {
    for (const activation of this.#waiting) return activation;
    return undefined;
  }
}

/**
 * Whether the envelope may run now. If not, an attempt is being recorded, or waits for its place in line; the activation
 * goes on by itself, and asks again.
 */
export function mayRun(activation: Activation, envelope: Envelope): boolean {
  const suspect = suspectOf(activation, envelope);
  if (!suspect || envelope.answered || activation.host.nowMs > envelope.deadlineMs) return true;
  const { memory, log, host } = activation;
  const count = memory.attempts.countOf(suspect);
  // Beyond the limit it is refused instead; what cannot record an attempt cannot record an effect.
  if (count >= host.attemptsMax || log!.refusal()) return true;
  if (count > 0 && !host.attemptLine.enter(activation)) return false;
  activation.inDoubt ??= new Set();
  const { inDoubt } = activation;
  appendAttempt(activation, { ...suspect, count: count + 1 }, () => {
    inDoubt.add(suspect.key);
    activation.goOn();
  });
  return false;
}

/** Why it is not run any more; undefined if it is. */
export function lethalDelivery(activation: Activation, delivery: DeliveryMark): GreenroomError | undefined {
  return activation.memory.attempts.isEmpty ? undefined : lethal(activation, suspectDelivery(activation, delivery));
}

export function lethalTick(activation: Activation, reminder: StoredReminder): GreenroomError | undefined {
  return activation.memory.attempts.isEmpty ? undefined : lethal(activation, suspectTick(activation, reminder));
}

function lethal({ memory, host }: Activation, suspect: Suspect | undefined): GreenroomError | undefined {
  if (!suspect || memory.attempts.countOf(suspect) < host.attemptsMax) return undefined;
  return new GreenroomError(
    'COMMAND_FAILED',
    `${host.attemptsMax} owners of the actor recorded that they begin it, and were lost before they got to its end; it is not tried again`,
  );
}

type Suspect = Pick<StoredAttempt, 'key' | 'what'>;

function suspectOf(activation: Activation, { delivery, kind }: Envelope): Suspect | undefined {
  if (!activation.log) return undefined;
  if (delivery) return suspectDelivery(activation, delivery);
  if (kind !== 'wake') return undefined;
  const reminder = activation.memory.reminders.due(activation.host.clock.wallMs());
  return reminder && suspectTick(activation, reminder);
}

function suspectDelivery(activation: Activation, delivery: DeliveryMark): Suspect | undefined {
  const { log, memory, host, inDoubt } = activation;
  if (host.clock.wallMs() > log!.epochBeganAt + attemptsWithinMs) return undefined;
  const key = keyOfTell(delivery);
  if (inDoubt?.has(key)) return undefined;
  const { marks } = memory;
  const isNext = delivery.previous === 0 || marks.covers({ ...delivery, number: delivery.previous });
  return isNext && !marks.covers(delivery) ? { key, what: delivery.number } : undefined;
}

function suspectTick({ log, inDoubt }: Activation, { name, dueAt }: StoredReminder): Suspect | undefined {
  const key = keyOfTick(name);
  return dueAt > log!.epochBeganAt || inDoubt?.has(key) ? undefined : { key, what: dueAt };
}

function keyOfTell(mark: TellMark): string {
  return `tell ${senderOf(mark)}`;
}

function keyOfTick(name: string): string {
  return `tick ${name}`;
}
