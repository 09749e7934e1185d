/**
 * Identifiers, checked once where they enter and trusted from there on: each is a branded type that only its
 * `parse…` function (or an explicit cast in a test) can make.
 */
import { GreenroomError } from './errors.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** The name of an actor class in the cluster: `[A-Za-z][A-Za-z0-9_]{0,63}`. */
export type ActorTypeName = Branded<string, 'ActorTypeName'>;
/** An actor's id: 1 to 512 bytes of well-formed UTF-8 without control characters, not `.` or `..`. */
export type ActorId = Branded<string, 'ActorId'>;
/** A node's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`. */
export type NodeName = Branded<string, 'NodeName'>;
/** One disk, written when it was formatted: a disk formatted anew is another store, whatever its node is called. */
export type StoreId = Branded<string, 'StoreId'>;
/** Identifies one command for ever, so that a retry has no second effect: 1 to 128 printable ASCII characters. */
export type CommandId = Branded<string, 'CommandId'>;

/** A fixed bucket of actors: 0 to shardCount − 1. */
export type ShardId = number;
/** The fencing number of a shard's ownership; only grows. 0 means "none yet". */
export type Epoch = number;
/** A record's place in its shard's log, from 1 without a gap. 0 means "before the first". */
export type Position = number;
/** Counts one actor's events, from 1. 0 means "no event yet". */
export type SequenceNumber = number;

export const actorIdBytesMax = 512;
export const commandIdLengthMax = 128;
export const shardCountMax = 4096;

const actorTypeNamePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const nodeNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const commandIdPattern = /^[\x21-\x7e]{1,128}$/;
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

export function isActorTypeName(text: string): text is ActorTypeName {
  return actorTypeNamePattern.test(text);
}

/** @throws GreenroomError `BAD_REQUEST` */
export function parseActorTypeName(text: string): ActorTypeName {
  if (isActorTypeName(text)) return text;
  throw new GreenroomError(
    'BAD_REQUEST',
    `'${shorten(text)}' is not an actor type: a letter, then at most 63 letters, digits or _`,
  );
}

/** @throws GreenroomError `BAD_REQUEST`, saying which rule the id breaks */
export function parseActorId(text: string): ActorId {
  const wrong = whatIsWrongWithActorId(text);
  if (wrong === undefined) return text as ActorId;
  throw new GreenroomError('BAD_REQUEST', `an actor id ${wrong}`);
}

function whatIsWrongWithActorId(text: string): string | undefined {
  if (typeof text !== 'string') return `is a string, not ${typeof text}`;
  if (text.length === 0) return 'is not empty';
  if (text.length > actorIdBytesMax || utf8Length(text) > actorIdBytesMax)
    return `has at most ${actorIdBytesMax} bytes of UTF-8`;
  if (!text.isWellFormed()) return 'is well-formed Unicode (this one has a lone surrogate)';
  if (controlCharacter.test(text)) return 'has no control characters';
  if (text === '.' || text === '..') return "is not '.' or '..'";
  return undefined;
}

function utf8Length(text: string): number {
  return text.length * 3 <= actorIdBytesMax ? text.length : new TextEncoder().encode(text).length;
}

/** @throws GreenroomError `BAD_REQUEST` */
export function parseNodeName(text: string): NodeName {
  if (nodeNamePattern.test(text)) return text as NodeName;
  throw new GreenroomError(
    'BAD_REQUEST',
    `'${shorten(text)}' is not a node name: a letter or digit, then at most 62 letters, digits, '.', '_' or '-'`,
  );
}

/** @throws GreenroomError `BAD_REQUEST` */
export function parseCommandId(text: string): CommandId {
  if (commandIdPattern.test(text)) return text as CommandId;
  throw new GreenroomError(
    'BAD_REQUEST',
    `'${shorten(text)}' is not an idempotency key: 1 to ${commandIdLengthMax} printable ASCII characters without spaces`,
  );
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
