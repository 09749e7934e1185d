/**
 * The checkpoint: up to where the index of actors is on disk. For each shard it holds the tail that the index rows
 * cover, which was committed when they were written. At opening the log is read from there on, and no further back.
 *
 *     0  u32  crc-32 of the rest
 *     4  u8   format (1), then one zero
 *     6  u48  floor of the batch ledger
 *    12  u16  number of shards that have a log or had one before, then for each:
 *             u16 shard · u32 gen · u48 position · u32 epoch · u48 chain · u48 time · u48 commit
 */
import type { Position, ShardId } from '../core/ids.ts';
import { crc32 } from './crc32.ts';
import type { LogTail } from './journal.ts';
import { readU48, recordFormat, writeU48 } from './record.ts';

const headBytes = 14;
const entryBytes = 34;

export interface ShardCheckpoint {
  readonly shard: ShardId;
  readonly gen: number;
  readonly tail: LogTail;
  readonly committed: Position;
}

export interface Checkpoint {
  /** The lowest batch whose row must be there. */
  readonly floor: number;
  readonly shards: readonly ShardCheckpoint[];
}

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const bytes = Buffer.alloc(headBytes + checkpoint.shards.length * entryBytes);
  bytes[4] = recordFormat;
  writeU48(bytes, checkpoint.floor, 6);
  bytes.writeUInt16BE(checkpoint.shards.length, 12);
  let offset = headBytes;
  for (const { shard, gen, tail, committed } of checkpoint.shards) {
    bytes.writeUInt16BE(shard, offset);
    bytes.writeUInt32BE(gen, offset + 2);
    writeU48(bytes, tail.position, offset + 6);
    bytes.writeUInt32BE(tail.epoch, offset + 12);
    writeU48(bytes, tail.chain, offset + 16);
    writeU48(bytes, tail.time, offset + 22);
    writeU48(bytes, committed, offset + 28);
    offset += entryBytes;
  }
  bytes.writeUInt32BE(crc32(bytes, 4), 0);
  return bytes;
}

/** @returns undefined if it is damaged */
export function decodeCheckpoint(bytes: Buffer): Checkpoint | undefined {
  if (bytes.length < headBytes || bytes.readUInt32BE(0) !== crc32(bytes, 4)) return undefined;
  if (bytes[4] !== recordFormat) return undefined;
  const count = bytes.readUInt16BE(12);
  if (bytes.length !== headBytes + count * entryBytes) return undefined;
  const shards: ShardCheckpoint[] = [];
  for (let i = 0, offset = headBytes; i < count; i++, offset += entryBytes) {
    shards.push({
      shard: bytes.readUInt16BE(offset),
      gen: bytes.readUInt32BE(offset + 2),
      tail: {
        position: readU48(bytes, offset + 6),
        epoch: bytes.readUInt32BE(offset + 12),
        chain: readU48(bytes, offset + 16),
        time: readU48(bytes, offset + 22),
      },
      committed: readU48(bytes, offset + 28),
    });
  }
  return { floor: readU48(bytes, 6), shards };
}
