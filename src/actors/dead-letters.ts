/**
 * Dead letters: tells that their receivers refused for good, and reminders that failed for good. Each is an actor of its
 * own, of a type that belongs to Greenroom, so that it is durable, replicated, listed by page and bounded like any other.
 *
 * The sender tells it, in the record in which it gives the refused tell up: so a refusal becomes exactly one dead letter,
 * whatever crashes in between. It is kept for 30 days, or until an operator drops it or sends it again.
 */
import { type ErrorCode, GreenroomError, Rejection } from '../core/errors.ts';
import { textHash } from '../core/hash.ts';
import type { OutgoingTell, StoredRefusal } from '../persistence/codec.ts';
import type { Activation } from './activation.ts';
import { durableState, tellFrom } from './actor.ts';
import { type ActorDefinition, defineSystemActor } from './definition.ts';

/** No class of a user has such a name. */
export const deadLetterType = '_DeadLetter';

/** What could not be delivered, from whom, to whom, and why. */
export interface Letter {
  readonly from: { readonly type: string; readonly id: string };
  readonly to: { readonly type: string; readonly id: string };
  readonly command: string;
  readonly input?: unknown;
  readonly reason: { readonly code: string; readonly message: string };
  /** The reminder, if it was one. */
  readonly reminder?: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

interface KeptLetter {
  readonly letter: Letter | null;
  readonly resentAt: number | null;
}

class DeadLetter extends durableState({
  initialState: (): KeptLetter => ({ letter: null, resentAt: null }),
  expire: '30d',
  passivateAfter: '10s',
}) {
  keep(letter: Letter): void {
    if (!this.state.letter) this.save({ letter, resentAt: null });
  }

  /** Its receiver gets it from this actor from now on; refused again, it is a new dead letter. */
  resend(): void {
    const { letter, resentAt } = this.state;
    if (!letter || resentAt !== null) throw new Rejection('NOT_FOUND', 'there is no such dead letter');
    tellFrom(this, letter.to.type, letter.to.id, letter.command, letter.input);
    this.save({ letter, resentAt: this.now() });
  }
}

/** The class of dead letters, as every node has it. */
export function deadLetterDefinition(): ActorDefinition {
  return defineSystemActor(DeadLetter, deadLetterType);
}

/** The letter in a dead letter's state, if it is still there and was not sent again. */
export function letterIn(state: unknown): Letter | undefined {
  const { letter, resentAt } = state as KeptLetter;
  return letter && resentAt === null ? letter : undefined;
}

/** Tells the dead letter to be. Its id is in the order of time, and the same for the same refusal. */
export function deadLetterTell(
  { definition, id, host }: Activation,
  number: number,
  refused: Pick<OutgoingTell, 'type' | 'id' | 'command' | 'input'>,
  error: GreenroomError | Rejection,
  reminder?: string,
): OutgoingTell {
  const at = host.clock.wallMs();
  const letter: Letter = {
    from: { type: definition.name, id },
    to: { type: refused.type, id: refused.id },
    command: refused.command,
    ...(refused.input === undefined ? {} : { input: refused.input }),
    reason: { code: error.code, message: error.message },
    ...(reminder === undefined ? {} : { reminder }),
    at,
  };
  const sender = textHash(`${definition.name}/${id}`).toString(36);
  const letterId = `${at.toString(36).padStart(9, '0')}-${sender}-${number.toString(36)}`;
  host.metrics.deadLetters += 1;
  return { number, type: deadLetterType, id: letterId, command: 'keep', input: letter };
}

/** What was recorded of a refusal, as an error to answer it with again. */
export function refusalError({ code, message, isFailure, details }: StoredRefusal): GreenroomError | Rejection {
  return isFailure ? new GreenroomError(code as ErrorCode, message) : new Rejection(code, message, details);
}

/** The answer to a later attempt of a command that was refused, or failed, for good. */
export function keptRefusal(error: GreenroomError | Rejection): StoredRefusal {
  const { code, message } = error;
  if (error instanceof GreenroomError) return { code, message, isFailure: true };
  return { code, message, ...(error.details === undefined ? {} : { details: error.details }) };
}

/** Why a delivery is refused for good. */
export function refusalOf(error: GreenroomError | Rejection): { readonly code: string; readonly message: string } {
  return { code: error.code, message: error.message };
}
