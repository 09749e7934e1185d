/**
 * The keys of the database, and what their order is good for. The first byte is an ASCII letter, so that a key read
 * in a dump says what it is; numbers are big-endian, so that byte order is number order.
 *
 *     C name                                 a control row; kept a second time under `c`
 *     E shard u16 · gen u32 · n u8 · type · id    where one actor's newest records are
 *     H shard u16                            a shard's hard state; kept a second time under `h`
 *     K                                      the checkpoint
 *     L shard u16 · gen u32 · position u48   a record
 *     L shard u16 · gen u32 · position u48 · 'h'  the hollow positions of the 64 from this one on
 *     M name                                 about the store itself: `store`, `boot`
 *     N n u48                                what batch n wrote
 *     W shard u16 · gen u32 · wakeAt u48 · n u8 · type · id    an actor that has to be woken; its `E` row says so, too
 *
 * A type's name carries its length; the id, the last part, ends with the key. (With a length before it, a range over
 * `E` would give short ids first, and not the ids in the order of their bytes.) A shard's log is one range, and rows
 * that are appended at the same time in different shards lie in different places of it: what is read together lies
 * together. `gen` is the number of times the shard's log was begun anew; rows of a lower one are nobody's, and go.
 */
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import type { ListedWake, WakeMark } from './journal.ts';
import { readU48, writeU48 } from './record.ts';

/** First bytes of keys. */
export const keyLetters = {
  control: 0x43,
  actor: 0x45,
  hardState: 0x48,
  checkpoint: 0x4b,
  log: 0x4c,
  meta: 0x4d,
  batch: 0x4e,
  wake: 0x57,
  controlCopy: 0x63,
  hardStateCopy: 0x68,
} as const;

/** How many positions share one hollow row. */
export const hollowBlockLength = 64;

const logKeyBytes = 13;
const hollowKeyBytes = 14;
const hollowSuffix = 0x68;

/** What all keys of a shard's rows under one `gen` begin with. @param letter `L`, `E` or `W` */
export function shardPrefix(letter: number, shard: ShardId, gen: number): Buffer {
  const prefix = Buffer.allocUnsafe(7);
  prefix[0] = letter;
  prefix.writeUInt16BE(shard, 1);
  prefix.writeUInt32BE(gen, 3);
  return prefix;
}

/** A key for rows of one shard's log, made for being overwritten: LevelDB copies a key when it is given one. */
export function logKeyTemplate(shard: ShardId, gen: number): Buffer {
  const key = Buffer.alloc(logKeyBytes);
  key[0] = keyLetters.log;
  key.writeUInt16BE(shard, 1);
  key.writeUInt32BE(gen, 3);
  return key;
}

/** Puts `position` into a key made by {@link logKeyTemplate}. */
export function setLogPosition(key: Buffer, position: Position): Buffer {
  writeU48(key, position, 7);
  return key;
}

export function logKey(shard: ShardId, gen: number, position: Position): Buffer {
  return setLogPosition(logKeyTemplate(shard, gen), position);
}

/** The first of the positions that share a hollow row with `position`. */
export function hollowBlockStart(position: Position): Position {
  return position - (position % hollowBlockLength);
}

/** @param start see {@link hollowBlockStart} */
export function hollowKey(shard: ShardId, gen: number, start: Position): Buffer {
  const key = Buffer.alloc(hollowKeyBytes);
  logKey(shard, gen, start).copy(key);
  key[logKeyBytes] = hollowSuffix;
  return key;
}

/** What a key in the `L` range names; undefined if it is not one of ours. */
export function parseLogKey(
  key: Uint8Array,
):
  | { readonly shard: ShardId; readonly gen: number; readonly position: Position; readonly hollow: boolean }
  | undefined {
  const bytes = asBuffer(key);
  if (bytes[0] !== keyLetters.log || (bytes.length !== logKeyBytes && bytes.length !== hollowKeyBytes))
    return undefined;
  return {
    shard: bytes.readUInt16BE(1),
    gen: bytes.readUInt32BE(3),
    position: readU48(bytes, 7),
    hollow: bytes.length === hollowKeyBytes,
  };
}

export function actorKey(shard: ShardId, gen: number, type: string, id: string): Buffer {
  const idBytes = isShortAscii(id) ? id.length : Buffer.byteLength(id);
  const key = Buffer.allocUnsafe(8 + type.length + idBytes);
  writeActorPrefix(key, shard, gen, type);
  key.write(id, 8 + type.length, idBytes === id.length ? 'latin1' : 'utf8');
  return key;
}

/** The range of all actors of a type in a shard, in the order of their ids' bytes. */
export function actorRange(
  shard: ShardId,
  gen: number,
  type: string,
  after: string | undefined,
): { gt: Buffer; lt: Buffer } {
  const prefix = Buffer.allocUnsafe(8 + type.length);
  writeActorPrefix(prefix, shard, gen, type);
  return {
    gt: after === undefined ? prefix : Buffer.concat([prefix, Buffer.from(after)]),
    // 0xff occurs in no UTF-8 text.
    lt: Buffer.concat([prefix, Buffer.of(0xff)]),
  };
}

/** The id in a key made by {@link actorKey}. */
export function idOfActorKey(key: Uint8Array): ActorId {
  const bytes = asBuffer(key);
  return bytes.toString('utf8', 8 + bytes[7]!) as ActorId;
}

/** What an `E` key names; undefined if it is not one of ours. */
export function parseActorKey(
  key: Uint8Array,
): { readonly shard: ShardId; readonly gen: number; readonly type: string; readonly id: ActorId } | undefined {
  const bytes = asBuffer(key);
  if (bytes[0] !== keyLetters.actor || bytes.length < 8 || bytes.length <= 8 + bytes[7]!) return undefined;
  return {
    shard: bytes.readUInt16BE(1),
    gen: bytes.readUInt32BE(3),
    type: bytes.toString('latin1', 8, 8 + bytes[7]!),
    id: idOfActorKey(bytes),
  };
}

/** An actor in the order of waking: time before type and id. The row's value is empty. */
export function wakeKey(shard: ShardId, gen: number, { wakeAt, type, id }: WakeMark): Buffer {
  const key = Buffer.allocUnsafe(14 + type.length + Buffer.byteLength(id));
  key[0] = keyLetters.wake;
  key.writeUInt16BE(shard, 1);
  key.writeUInt32BE(gen, 3);
  writeU48(key, wakeAt, 7);
  key[13] = type.length;
  key.write(type, 14, 'latin1');
  key.write(id, 14 + type.length, 'utf8');
  return key;
}

/** The range of a shard's wake rows after a mark. */
export function wakeRange(shard: ShardId, gen: number, after: WakeMark): { gt: Buffer; lt: Buffer } {
  return { gt: wakeKey(shard, gen, after), lt: shardPrefix(keyLetters.wake, shard, gen + 1) };
}

/** What a `W` key names; undefined if it is not one of ours. */
export function parseWakeKey(
  key: Uint8Array,
): (ListedWake & { readonly shard: ShardId; readonly gen: number }) | undefined {
  const bytes = asBuffer(key);
  if (bytes[0] !== keyLetters.wake || bytes.length < 14 || bytes.length <= 14 + bytes[13]!) return undefined;
  const typeEnd = 14 + bytes[13]!;
  return {
    shard: bytes.readUInt16BE(1),
    gen: bytes.readUInt32BE(3),
    wakeAt: readU48(bytes, 7),
    type: bytes.toString('latin1', 14, typeEnd) as ActorTypeName,
    id: bytes.toString('utf8', typeEnd) as ActorId,
  };
}

/** @param copy 0 or 1: hard states and control rows are kept twice, far apart */
export function hardStateKey(shard: ShardId, copy: 0 | 1): Buffer {
  const key = Buffer.allocUnsafe(3);
  key[0] = copy === 0 ? keyLetters.hardState : keyLetters.hardStateCopy;
  key.writeUInt16BE(shard, 1);
  return key;
}

/** @param copy see {@link hardStateKey} */
export function controlKey(name: string, copy: 0 | 1): Buffer {
  return Buffer.from(`${copy === 0 ? 'C' : 'c'}${name}`, 'latin1');
}

export const checkpointKey = Buffer.from('K');

export function metaKey(name: 'store' | 'boot'): Buffer {
  return Buffer.from(`M${name}`);
}

export function batchKey(n: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = keyLetters.batch;
  writeU48(key, n, 1);
  return key;
}

export function numberOfBatchKey(key: Uint8Array): number {
  return readU48(asBuffer(key), 1);
}

/** The range of all keys that begin with a letter. */
export function letterRange(letter: number): { gte: Buffer; lt: Buffer } {
  return { gte: Buffer.of(letter), lt: Buffer.of(letter + 1) };
}

function writeActorPrefix(key: Buffer, shard: ShardId, gen: number, type: string): void {
  key[0] = keyLetters.actor;
  key.writeUInt16BE(shard, 1);
  key.writeUInt32BE(gen, 3);
  key[7] = type.length;
  key.write(type, 8, 'latin1');
}

function isShortAscii(text: string): boolean {
  if (text.length > 24) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
