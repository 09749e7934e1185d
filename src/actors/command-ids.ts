/**
 * Command ids. One that Greenroom assigns is unique by construction; one that a caller chose is remembered by the
 * actor; that of an ask inside a command derives from its parent's, so that running the parent again repeats nothing.
 */
import { textHash } from '../core/hash.ts';
import { canonicalJson } from '../core/plain-data.ts';
import { type Random, randomName } from '../core/random.ts';

/** Assigned ids start with this; callers' own may not. */
export const assignedIdPrefix = '~';

/** The id of records that no command made: acknowledged tells, dead letters. */
export const ownRecordId = assignedIdPrefix;

/** Ids of one host, in one life of its process. */
export class CommandIds {
  readonly #session: string;
  #count = 0;

  constructor(random: Random) {
    this.#session = `${assignedIdPrefix}${randomName(random, 10)}.`;
  }

  next(): string {
    this.#count += 1;
    return this.#session + this.#count.toString(36);
  }
}

/** Whether an id must be remembered by the actor, rather than found in its log. */
export function isRemembered(commandId: string): boolean {
  return !commandId.startsWith(assignedIdPrefix) || commandId.includes('>');
}

/**
 * What a remembered id stands for: another command or input under it is a mistake of its sender. The same on every node,
 * wherever the sender is; 0 for an id that is not remembered.
 */
export function fingerprintOf(commandId: string, command: string, input: unknown): number {
  return commandId !== '' && isRemembered(commandId) ? textHash(`${command} ${canonicalJson(input)}`) : 0;
}

/** The id of an ask made inside a command: the same whenever the command runs again. */
export function childId(parentId: string, ordinal: number, target: string): string {
  const id = `${parentId}>${ordinal}.${textHash(target).toString(36)}`;
  if (id.length <= 100) return id;
  return `>${textHash(id).toString(36)}${textHash(`${id}.`).toString(36)}`;
}
