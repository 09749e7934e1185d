/**
 * What an operator sees and does of dead letters. Each is an actor of Greenroom's own (see actors/dead-letters.ts), so
 * listing, sending again and dropping are what a node does for any actor.
 */
import { deadLetterType, letterIn } from '../actors/dead-letters.ts';
import { GreenroomError, Rejection } from '../core/errors.ts';
import type { ActorId } from '../core/ids.ts';
import type { CommandRequest, DeadLetter, Gateway, Page } from './gateway.ts';

type Desk = Pick<Gateway, 'actors' | 'inspect' | 'command' | 'delete'>;

const resendTimeoutMs = 30_000;

/** Oldest first. Ones that were sent again are passed over. */
export async function listDeadLetters(desk: Desk, page: Page): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let { after } = page;
  while (letters.length < page.limit) {
    const wanted = page.limit - letters.length;
    const actors = await desk.actors(deadLetterType, { after, limit: wanted });
    for (const { id } of actors) {
      const letter = await find(desk, id);
      if (letter) letters.push({ id, ...letter });
    }
    if (actors.length < wanted) break;
    after = actors.at(-1)!.id;
  }
  return letters;
}

/** Its receiver gets it once more. @throws GreenroomError `NOT_FOUND`, or `COMMAND_FAILED` if there is no such type or command */
export async function resendDeadLetter(desk: Desk, id: ActorId): Promise<void> {
  await mustFind(desk, id);
  const request: CommandRequest = {
    type: deadLetterType,
    id,
    command: 'resend',
    input: undefined,
    timeoutMs: resendTimeoutMs,
  };
  try {
    await desk.command(request);
  } catch (error) {
    throw error instanceof Rejection ? notFound(id) : error;
  }
}

/** @throws GreenroomError `NOT_FOUND` */
export async function dropDeadLetter(desk: Desk, id: ActorId): Promise<void> {
  await mustFind(desk, id);
  await desk.delete(deadLetterType, id);
}

async function mustFind(desk: Desk, id: ActorId): Promise<void> {
  if (!(await find(desk, id))) throw notFound(id);
}

async function find(desk: Desk, id: ActorId) {
  try {
    return letterIn((await desk.inspect(deadLetterType, id)).state);
  } catch (error) {
    if (error instanceof GreenroomError && error.code === 'UNKNOWN_ACTOR') return undefined;
    throw error;
  }
}

function notFound(id: ActorId): GreenroomError {
  return new GreenroomError('NOT_FOUND', `there is no dead letter '${id}'`);
}
