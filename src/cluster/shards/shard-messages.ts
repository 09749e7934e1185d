/**
 * The messages between a shard's owner and its replicas, as bytes: a fixed binary head, then records as they lie in the
 * journal, so that an owner encodes once and sends the same bytes to every replica. Sent on the data channel only.
 *
 * Everything is checked as it is decoded; what does not fit is a {@link MalformedMessage}, and its sender's link is cut.
 */
import type { Epoch, Position, ShardId } from '../../core/ids.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import { decodeHead, isBodyIntact, readU48, writeU48 } from '../../persistence/record.ts';

/** A place in a log whose chain says everything before it. */
export interface LogPlace {
  readonly position: Position;
  readonly epoch: Epoch;
  readonly chain: number;
}

export type ShardMessage =
  /** R2. Without rows it asks whether the replica holds `previous`, and brings the commit. */
  | {
      readonly type: 'append';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly previous: LogPlace;
      readonly commit: Position;
      readonly rows: readonly LogRow[];
    }
  | { readonly type: 'appended'; readonly shard: ShardId; readonly epoch: Epoch; readonly position: Position }
  /** The replica has promised a higher epoch. */
  | { readonly type: 'refused'; readonly shard: ShardId; readonly epoch: Epoch; readonly promised: Epoch }
  /** The replica does not hold `previous`: what it has there, where its log ends, and what it knows as committed. */
  | {
      readonly type: 'mismatch';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly at: LogPlace;
      readonly tail: Position;
      readonly commit: Position;
    }
  /** R1 */
  | { readonly type: 'promise'; readonly shard: ShardId; readonly epoch: Epoch }
  | {
      readonly type: 'promised';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly tail: LogPlace;
      readonly commit: Position;
    }
  /** R3, for many shards at once. */
  | { readonly type: 'readCheck'; readonly round: number; readonly shards: readonly ShardEpoch[] }
  | {
      readonly type: 'readChecked';
      readonly round: number;
      /** A later epoch is promised: their owner is one no more. */
      readonly refused: readonly ShardId[];
      /** This epoch has not reached the replica yet: it cannot say. */
      readonly behind: readonly ShardId[];
    }
  /** O3: rows of the best log, for a new owner. Answered only by a replica that has promised this epoch. */
  | { readonly type: 'fetch'; readonly shard: ShardId; readonly epoch: Epoch; readonly from: Position }
  | {
      readonly type: 'fetched';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      /** What lies before the first row. */
      readonly previous: LogPlace;
      readonly tail: Position;
      readonly rows: readonly LogRow[];
    }
  /** The replica cannot read on from where it was asked to: a record there is damaged. Its log is not to be built on. */
  | { readonly type: 'unreadable'; readonly shard: ShardId; readonly epoch: Epoch }
  /** Rows for a copy in which they are damaged. Any copy may answer, in any epoch: the chain says whether they fit. */
  | {
      readonly type: 'rowsWanted';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly from: Position;
      readonly to: Position;
    }
  /** All that were wanted; none if one of them is not there, or damaged here, too. */
  | {
      readonly type: 'rows';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly from: Position;
      readonly rows: readonly LogRow[];
    }
  /** These committed records lost their bodies on the owner; a copy that keeps them is still correct. */
  | {
      readonly type: 'hollow';
      readonly shard: ShardId;
      readonly epoch: Epoch;
      readonly positions: readonly Position[];
    };

export interface ShardEpoch {
  readonly shard: ShardId;
  readonly epoch: Epoch;
}

/** First bytes of messages. Commands and their answers (routing) begin with others. */
const kinds = {
  append: 1,
  appended: 2,
  refused: 3,
  mismatch: 4,
  promise: 5,
  promised: 6,
  readCheck: 7,
  readChecked: 8,
  fetch: 9,
  fetched: 10,
  hollow: 11,
  unreadable: 12,
  rowsWanted: 13,
  rows: 14,
} as const;

export const shardMessageKindMax = 31;

export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

const headBytes = 7;
/** Kind and round of a read check. */
const roundBytes = 9;
const placeBytes = 16;
const hollowFlag = 0x8000_0000;
const hollowBytes = 18;

/** Whether a message on the data channel is one of these. */
export function isShardMessage(bytes: Buffer): boolean {
  return bytes[0]! > 0 && bytes[0]! <= shardMessageKindMax;
}

export function encodeShardMessage(message: ShardMessage): Buffer {
  switch (message.type) {
    case 'append': {
      const { previous, commit, rows } = message;
      const bytes = head(message, placeBytes + 6 + rowsBytes(rows));
      let offset = writePlace(bytes, previous, headBytes);
      writeU48(bytes, commit, offset);
      offset += 6;
      writeRows(bytes, rows, offset);
      return bytes;
    }
    case 'appended': {
      const bytes = head(message, 6);
      writeU48(bytes, message.position, headBytes);
      return bytes;
    }
    case 'refused': {
      const bytes = head(message, 4);
      bytes.writeUInt32BE(message.promised, headBytes);
      return bytes;
    }
    case 'mismatch': {
      const bytes = head(message, placeBytes + 12);
      const offset = writePlace(bytes, message.at, headBytes);
      writeU48(bytes, message.tail, offset);
      writeU48(bytes, message.commit, offset + 6);
      return bytes;
    }
    case 'promise':
    case 'unreadable':
      return head(message, 0);
    case 'promised': {
      const bytes = head(message, placeBytes + 6);
      writeU48(bytes, message.commit, writePlace(bytes, message.tail, headBytes));
      return bytes;
    }
    case 'readCheck': {
      const bytes = Buffer.allocUnsafe(roundBytes + message.shards.length * 6);
      bytes[0] = kinds.readCheck;
      bytes.writeDoubleBE(message.round, 1);
      let offset = roundBytes;
      for (const { shard, epoch } of message.shards) {
        bytes.writeUInt16BE(shard, offset);
        bytes.writeUInt32BE(epoch, offset + 2);
        offset += 6;
      }
      return bytes;
    }
    case 'readChecked': {
      const { refused, behind } = message;
      const bytes = Buffer.allocUnsafe(roundBytes + 2 + (refused.length + behind.length) * 2);
      bytes[0] = kinds.readChecked;
      bytes.writeDoubleBE(message.round, 1);
      bytes.writeUInt16BE(refused.length, roundBytes);
      [...refused, ...behind].forEach((shard, index) => {
        bytes.writeUInt16BE(shard, roundBytes + 2 + index * 2);
      });
      return bytes;
    }
    case 'fetch': {
      const bytes = head(message, 6);
      writeU48(bytes, message.from, headBytes);
      return bytes;
    }
    case 'fetched': {
      const { previous, tail, rows } = message;
      const bytes = head(message, placeBytes + 6 + rowsBytes(rows));
      const offset = writePlace(bytes, previous, headBytes);
      writeU48(bytes, tail, offset);
      writeRows(bytes, rows, offset + 6);
      return bytes;
    }
    case 'rowsWanted': {
      const bytes = head(message, 12);
      writeU48(bytes, message.from, headBytes);
      writeU48(bytes, message.to, headBytes + 6);
      return bytes;
    }
    case 'rows': {
      const bytes = head(message, 6 + rowsBytes(message.rows));
      writeU48(bytes, message.from, headBytes);
      writeRows(bytes, message.rows, headBytes + 6);
      return bytes;
    }
    case 'hollow': {
      const bytes = head(message, message.positions.length * 6);
      message.positions.forEach((position, index) => {
        writeU48(bytes, position, headBytes + index * 6);
      });
      return bytes;
    }
  }
}

/** @throws MalformedMessage */
export function decodeShardMessage(bytes: Buffer): ShardMessage {
  const kind = bytes[0];
  if (kind === kinds.readCheck) {
    need(bytes, roundBytes);
    const shards: ShardEpoch[] = [];
    for (let offset = roundBytes; offset + 6 <= bytes.length; offset += 6)
      shards.push({ shard: bytes.readUInt16BE(offset), epoch: bytes.readUInt32BE(offset + 2) });
    return { type: 'readCheck', round: bytes.readDoubleBE(1), shards };
  }
  if (kind === kinds.readChecked) {
    need(bytes, roundBytes + 2);
    const shards: ShardId[] = [];
    for (let offset = roundBytes + 2; offset + 2 <= bytes.length; offset += 2) shards.push(bytes.readUInt16BE(offset));
    const refused = shards.splice(0, bytes.readUInt16BE(roundBytes));
    return { type: 'readChecked', round: bytes.readDoubleBE(1), refused, behind: shards };
  }
  need(bytes, headBytes);
  const shard = bytes.readUInt16BE(1);
  const epoch = bytes.readUInt32BE(3);
  switch (kind) {
    case kinds.append: {
      need(bytes, headBytes + placeBytes + 6);
      const previous = readPlace(bytes, headBytes);
      const commit = readU48(bytes, headBytes + placeBytes);
      return {
        type: 'append',
        shard,
        epoch,
        previous,
        commit,
        rows: readRows(bytes, previous.position + 1, headBytes + 22),
      };
    }
    case kinds.appended:
      need(bytes, headBytes + 6);
      return { type: 'appended', shard, epoch, position: readU48(bytes, headBytes) };
    case kinds.refused:
      need(bytes, headBytes + 4);
      return { type: 'refused', shard, epoch, promised: bytes.readUInt32BE(headBytes) };
    case kinds.mismatch: {
      need(bytes, headBytes + placeBytes + 12);
      const at = readPlace(bytes, headBytes);
      const offset = headBytes + placeBytes;
      return { type: 'mismatch', shard, epoch, at, tail: readU48(bytes, offset), commit: readU48(bytes, offset + 6) };
    }
    case kinds.promise:
      return { type: 'promise', shard, epoch };
    case kinds.promised:
      need(bytes, headBytes + placeBytes + 6);
      return {
        type: 'promised',
        shard,
        epoch,
        tail: readPlace(bytes, headBytes),
        commit: readU48(bytes, headBytes + placeBytes),
      };
    case kinds.fetch:
      need(bytes, headBytes + 6);
      return { type: 'fetch', shard, epoch, from: readU48(bytes, headBytes) };
    case kinds.fetched: {
      need(bytes, headBytes + placeBytes + 6);
      const previous = readPlace(bytes, headBytes);
      const tail = readU48(bytes, headBytes + placeBytes);
      return {
        type: 'fetched',
        shard,
        epoch,
        previous,
        tail,
        rows: readRows(bytes, previous.position + 1, headBytes + 22),
      };
    }
    case kinds.unreadable:
      return { type: 'unreadable', shard, epoch };
    case kinds.rowsWanted:
      need(bytes, headBytes + 12);
      return { type: 'rowsWanted', shard, epoch, from: readU48(bytes, headBytes), to: readU48(bytes, headBytes + 6) };
    case kinds.rows: {
      need(bytes, headBytes + 6);
      const from = readU48(bytes, headBytes);
      return { type: 'rows', shard, epoch, from, rows: readRows(bytes, from, headBytes + 6) };
    }
    case kinds.hollow: {
      const positions: Position[] = [];
      for (let offset = headBytes; offset + 6 <= bytes.length; offset += 6) positions.push(readU48(bytes, offset));
      return { type: 'hollow', shard, epoch, positions };
    }
    default:
      throw new MalformedMessage(`no shard message begins with ${kind}`);
  }
}

export function rowPlace(row: LogRow): LogPlace {
  const { position, epoch, chain } = 'bytes' in row ? row.head : row;
  return { position, epoch, chain };
}

export function rowLength(row: LogRow): number {
  return 4 + ('bytes' in row ? row.bytes.length : hollowBytes);
}

function rowsBytes(rows: readonly LogRow[]): number {
  let total = 0;
  for (const row of rows) total += rowLength(row);
  return total;
}

function head(message: { type: keyof typeof kinds; shard: ShardId; epoch: Epoch }, more: number): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + more);
  bytes[0] = kinds[message.type];
  bytes.writeUInt16BE(message.shard, 1);
  bytes.writeUInt32BE(message.epoch, 3);
  return bytes;
}

function writePlace(bytes: Buffer, { position, epoch, chain }: LogPlace, offset: number): number {
  writeU48(bytes, position, offset);
  bytes.writeUInt32BE(epoch, offset + 6);
  writeU48(bytes, chain, offset + 10);
  return offset + placeBytes;
}

function readPlace(bytes: Buffer, offset: number): LogPlace {
  return {
    position: readU48(bytes, offset),
    epoch: bytes.readUInt32BE(offset + 6),
    chain: readU48(bytes, offset + 10),
  };
}

function writeRows(bytes: Buffer, rows: readonly LogRow[], at: number): void {
  let offset = at;
  for (const row of rows) {
    if ('bytes' in row) {
      bytes.writeUInt32BE(row.bytes.length, offset);
      bytes.set(row.bytes, offset + 4);
      offset += 4 + row.bytes.length;
    } else {
      bytes.writeUInt32BE(hollowFlag + hollowBytes, offset);
      bytes.writeUInt32BE(row.epoch, offset + 4);
      bytes.writeUInt32BE(row.actorHash, offset + 8);
      bytes.writeUInt32BE(row.bodyCrc, offset + 12);
      writeU48(bytes, row.chain, offset + 16);
      offset += 4 + hollowBytes;
    }
  }
}

function readRows(bytes: Buffer, from: Position, at: number): readonly LogRow[] {
  const rows: LogRow[] = [];
  let position = from - 1;
  for (let offset = at; offset < bytes.length; ) {
    need(bytes, offset + 4);
    const length = bytes.readUInt32BE(offset);
    offset += 4;
    position += 1;
    if (length >= hollowFlag) {
      need(bytes, offset + hollowBytes);
      rows.push({
        position,
        epoch: bytes.readUInt32BE(offset),
        actorHash: bytes.readUInt32BE(offset + 4),
        bodyCrc: bytes.readUInt32BE(offset + 8),
        chain: readU48(bytes, offset + 12),
      });
      offset += hollowBytes;
      continue;
    }
    need(bytes, offset + length);
    const record = bytes.subarray(offset, offset + length);
    offset += length;
    const decoded = decodeHead(record);
    if (!decoded.ok) throw new MalformedMessage(`a record that was sent does not verify: ${decoded.problem}`);
    if (decoded.head.position !== position || !isBodyIntact(record, decoded.head))
      throw new MalformedMessage(`record ${position} that was sent is another one, or damaged`);
    rows.push({ head: decoded.head, bytes: record });
  }
  return rows;
}

function need(bytes: Buffer, length: number): void {
  if (bytes.length < length) throw new MalformedMessage(`a message of ${bytes.length} bytes ends before ${length}`);
}
