/**
 * The record: what one command persisted, as bytes. A record is encoded once, by the shard's owner; the same bytes
 * lie in its journal, travel to the replicas and lie in theirs. (DESIGN: "LevelDB: the log is the truth".)
 *
 * Layout, format 1, big-endian. The head says where the record belongs and survives damage to the body, because
 * each part has a crc of its own: a bad body costs one actor, a bad head is a lost position.
 *
 *     0  u32  crc-32 of bytes 4 … headLength
 *     4  u8   format (1)
 *     5  u8   kind: 1 command, 2 snapshot, 3 epoch start, 4 deleted
 *     6  u16  headLength
 *     8  u48  position in the shard's log
 *    14  u32  epoch
 *    18  u48  chain: hash over the chain before, position, epoch, actor hash and body crc
 *    24  u32  crc-32 of the body
 *    28  u48  time, milliseconds since 1970; never falls within a shard's log
 *    34  u32  hash of (type, id)
 *    38  u48  first sequence number (of the actor's events in this record; else its last one so far)
 *    44  u16  number of events
 *    46  u32  ordinal: counts this actor's records, from 1
 *    50  u8   number of distances
 *    51  u8   bytes of the type's name
 *    52  u16  bytes of the id
 *    54       type, id (UTF-8), distances (LEB128: how many positions back),
 *             u48 wakeAt if there is something to do: absent in most records, and passed over by older readers
 *    headLength … end: the body (see codec.ts)
 *
 * The distances lead to the actor's record before this one and to its newest earlier records whose ordinal is a
 * multiple of 16, 256, 4,096 and 65,536 (each level present once the ordinal is above it): so a history is walked back by point reads, and any place in it is found
 * in O(log n) of them. (A skip list whose levels are fixed by the ordinal; no index row per event is needed.)
 *
 * `wakeAt` says when the actor has something to do by itself, as of this record: it is in the head, so that every
 * replica can tell it from the log alone, without decoding a body or knowing the actor's class.
 */
import { assert } from '../core/assert.ts';
import { chainHash } from '../core/hash.ts';
import type { ActorId, ActorTypeName, Epoch, Position, SequenceNumber } from '../core/ids.ts';
import { crc32 } from './crc32.ts';

export const recordFormat = 1;
const fixedHeadBytes = 54;
const wakeAtBytes = 6;

export type RecordKind = 'command' | 'snapshot' | 'epochStart' | 'deleted';
const kindBytes: Record<RecordKind, number> = { command: 1, snapshot: 2, epochStart: 3, deleted: 4 };
const kindOfByte: readonly (RecordKind | undefined)[] = [undefined, 'command', 'snapshot', 'epochStart', 'deleted'];

/** Records of an actor that are reached directly from the next one: the one before, and per level the newest multiple. */
export const ordinalLevels = [16, 256, 4_096, 65_536] as const;

/** What the writer of a record decides. */
export interface RecordDraft {
  readonly kind: RecordKind;
  /** Empty for records that belong to no actor (`epochStart`). */
  readonly type: ActorTypeName | '';
  readonly id: ActorId | '';
  readonly actorHash: number;
  /** The first event's sequence number; without events the actor's last one so far. */
  readonly firstSequence: SequenceNumber;
  readonly eventCount: number;
  readonly ordinal: number;
  /** Absolute positions, see {@link ordinalLevels}; only those that exist, newest first. */
  readonly previous: readonly Position[];
  readonly body: Uint8Array;
  /** When the actor has to be woken, milliseconds since 1970; 0 or absent: nothing to do. See {@link unsentWakeAt}. */
  readonly wakeAt?: number;
}

/** The `wakeAt` of an actor with unsent tells: as soon as somebody owns the shard, whatever the clock says. */
export const unsentWakeAt = 1;

/** What the shard's log adds when it takes the draft. */
export interface RecordStamp {
  readonly position: Position;
  readonly epoch: Epoch;
  readonly time: number;
  /** The chain at `position − 1`; 0 before the first record. */
  readonly previousChain: number;
}

/** A record's head, decoded. */
export interface RecordHead {
  readonly kind: RecordKind;
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
  readonly bodyCrc: number;
  readonly time: number;
  readonly actorHash: number;
  readonly firstSequence: SequenceNumber;
  readonly eventCount: number;
  readonly ordinal: number;
  readonly type: ActorTypeName | '';
  readonly id: ActorId | '';
  readonly previous: readonly Position[];
  /** When the actor has to be woken, as of this record; 0: nothing to do. */
  readonly wakeAt: number;
  /** Where the body starts. */
  readonly headLength: number;
}

/** A record as it is stored and sent, with its decoded head. */
export interface EncodedRecord {
  readonly head: RecordHead;
  readonly bytes: Buffer;
}

/** The actor's sequence number after this record. */
export function lastSequence(head: { firstSequence: SequenceNumber; eventCount: number }): SequenceNumber {
  return head.eventCount === 0 ? head.firstSequence : head.firstSequence + head.eventCount - 1;
}

/** The chain after a record: also verifiable for a hollow record, whose body is gone. */
export function nextChain(
  previousChain: number,
  position: Position,
  epoch: Epoch,
  hash: number,
  bodyCrc: number,
): number {
  return chainHash(previousChain, position, epoch, hash, bodyCrc);
}

export function encodeRecord(draft: RecordDraft, stamp: RecordStamp): EncodedRecord {
  const { type, id, body, previous, wakeAt = 0 } = draft;
  const typeBytes = Buffer.byteLength(type);
  const idBytes = Buffer.byteLength(id);
  assert(
    typeBytes < 256 && idBytes <= 512,
    () => `type and id fit their length fields, got ${typeBytes} and ${idBytes} bytes`,
  );
  assert(draft.eventCount < 65_536, () => `at most 65,535 events in a record, got ${draft.eventCount}`);
  let distanceBytes = 0;
  for (const position of previous) distanceBytes += varintBytes(stamp.position - position);
  const headLength = fixedHeadBytes + typeBytes + idBytes + distanceBytes + (wakeAt > 0 ? wakeAtBytes : 0);
  const bytes = Buffer.allocUnsafe(headLength + body.length);
  const bodyCrc = crc32(body);
  const chain = nextChain(stamp.previousChain, stamp.position, stamp.epoch, draft.actorHash, bodyCrc);

  bytes[4] = recordFormat;
  bytes[5] = kindBytes[draft.kind];
  bytes.writeUInt16BE(headLength, 6);
  writeU48(bytes, stamp.position, 8);
  bytes.writeUInt32BE(stamp.epoch, 14);
  writeU48(bytes, chain, 18);
  bytes.writeUInt32BE(bodyCrc, 24);
  writeU48(bytes, stamp.time, 28);
  bytes.writeUInt32BE(draft.actorHash, 34);
  writeU48(bytes, draft.firstSequence, 38);
  bytes.writeUInt16BE(draft.eventCount, 44);
  bytes.writeUInt32BE(draft.ordinal, 46);
  bytes[50] = previous.length;
  bytes[51] = typeBytes;
  bytes.writeUInt16BE(idBytes, 52);
  let offset = fixedHeadBytes;
  offset += writeText(bytes, type, typeBytes, offset);
  offset += writeText(bytes, id, idBytes, offset);
  for (const position of previous) {
    assert(
      position < stamp.position && position > 0,
      () => `a record points back, got ${position} from ${stamp.position}`,
    );
    offset = writeVarint(bytes, stamp.position - position, offset);
  }
  if (wakeAt > 0) {
    writeU48(bytes, wakeAt, offset);
    offset += wakeAtBytes;
  }
  bytes.set(body, offset);
  bytes.writeUInt32BE(crc32(bytes, 4, headLength), 0);
  return {
    bytes,
    head: {
      kind: draft.kind,
      position: stamp.position,
      epoch: stamp.epoch,
      chain,
      bodyCrc,
      time: stamp.time,
      actorHash: draft.actorHash,
      firstSequence: draft.firstSequence,
      eventCount: draft.eventCount,
      ordinal: draft.ordinal,
      type,
      id,
      previous,
      wakeAt,
      headLength,
    },
  };
}

/** What decoding bytes from disk or from a peer can find. Damage is an expected outcome, not an exception. */
export type DecodedHead =
  | { readonly ok: true; readonly head: RecordHead }
  | { readonly ok: false; readonly problem: 'too short' | 'newer format' | 'head crc' | 'unknown kind' };

/** Decodes and verifies the head. The body is verified by {@link verifiedBody} when it is needed. */
export function decodeHead(bytes: Buffer): DecodedHead {
  if (bytes.length < fixedHeadBytes) return { ok: false, problem: 'too short' };
  const headLength = bytes.readUInt16BE(6);
  if (headLength < fixedHeadBytes || headLength > bytes.length) return { ok: false, problem: 'too short' };
  if (bytes.readUInt32BE(0) !== crc32(bytes, 4, headLength)) return { ok: false, problem: 'head crc' };
  if (bytes[4]! > recordFormat) return { ok: false, problem: 'newer format' };
  const kind = kindOfByte[bytes[5]!];
  if (kind === undefined) return { ok: false, problem: 'unknown kind' };
  const position = readU48(bytes, 8);
  const typeEnd = fixedHeadBytes + bytes[51]!;
  const idEnd = typeEnd + bytes.readUInt16BE(52);
  const previous: Position[] = [];
  let offset = idEnd;
  for (let i = bytes[50]!; i > 0; i--) {
    let distance = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[offset++]!;
      distance += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
    }
    previous.push(position - distance);
  }
  return {
    ok: true,
    head: {
      kind,
      position,
      epoch: bytes.readUInt32BE(14),
      chain: readU48(bytes, 18),
      bodyCrc: bytes.readUInt32BE(24),
      time: readU48(bytes, 28),
      actorHash: bytes.readUInt32BE(34),
      firstSequence: readU48(bytes, 38),
      eventCount: bytes.readUInt16BE(44),
      ordinal: bytes.readUInt32BE(46),
      type: typeAt(bytes, fixedHeadBytes, typeEnd),
      id: idAt(bytes, typeEnd, idEnd),
      previous,
      wakeAt: headLength - offset >= wakeAtBytes ? readU48(bytes, offset) : 0,
      headLength,
    },
  };
}

/** The body, or undefined if it is damaged. */
export function verifiedBody(bytes: Buffer, head: RecordHead): Buffer | undefined {
  return isBodyIntact(bytes, head) ? bytes.subarray(head.headLength) : undefined;
}

/** Whether the body verifies, for those who do not need it. */
export function isBodyIntact(bytes: Buffer, { headLength, bodyCrc }: RecordHead): boolean {
  return crc32(bytes, headLength) === bodyCrc;
}

/** The type that was decoded last: there are few, and one that is the same text need not be hashed anew by every map. */
let latestType: ActorTypeName | '' = '';

function typeAt(bytes: Buffer, start: number, end: number): ActorTypeName | '' {
  if (!isText(bytes, start, end, latestType)) latestType = bytes.toString('utf8', start, end) as ActorTypeName;
  return latestType;
}

/** The id that was decoded last: a history is read a record of the same actor after the other. */
let latestId: ActorId | '' = '';

function idAt(bytes: Buffer, start: number, end: number): ActorId | '' {
  if (!isText(bytes, start, end, latestId)) latestId = bytes.toString('utf8', start, end) as ActorId;
  return latestId;
}

function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80 || bytes[start + i] !== code) return false;
  }
  return true;
}

export function writeU48(bytes: Buffer, value: number, offset: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[offset] = high >>> 8;
  bytes[offset + 1] = high;
  bytes.writeUInt32BE(value >>> 0, offset + 2);
}

export function readU48(bytes: Buffer, offset: number): number {
  return (bytes[offset]! * 256 + bytes[offset + 1]!) * 0x1_0000_0000 + bytes.readUInt32BE(offset + 2);
}

function writeText(bytes: Buffer, text: string, length: number, offset: number): number {
  return bytes.write(text, offset, length === text.length ? 'latin1' : 'utf8');
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) count += 1;
  return count;
}

function writeVarint(bytes: Buffer, value: number, offset: number): number {
  let rest = value;
  let at = offset;
  while (rest >= 128) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}
