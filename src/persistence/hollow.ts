/**
 * Hollow records: what is left of a record when its body was deleted. Its place, epoch, hash of the actor, hash of
 * the body and chain remain, so that the log has no hole and the chain still verifies across it.
 *
 * Hollow neighbours merge: the hollow ones of every 64 consecutive positions share one row. The row's key follows from
 * a position by arithmetic, so that reading a hollow record is a second point read (no search for where a run ends,
 * which would need an iterator), and a scan meets the row right where its positions begin. At most 64 entries keep
 * rewriting a row cheap.
 *
 *      0  u32  crc-32 of the rest
 *      4  u8   format (1)
 *      5  u8   kind: 'h'
 *      6  u48  the block's first position
 *     12  u48  time of its newest hollow record
 *     18  u8   number of entries, then for each, in order of position:
 *              u8 position − first · u32 epoch · u32 actor hash · u32 body crc · u48 chain
 */
import type { Epoch, Position } from '../core/ids.ts';
import { crc32 } from './crc32.ts';
import type { ReadResult } from './journal.ts';
import { hollowBlockLength, hollowBlockStart } from './keys.ts';
import { readU48, recordFormat, writeU48 } from './record.ts';

const hollowKind = 0x68;
const headBytes = 19;
const entryBytes = 19;

/** What remains of one record. */
export interface HollowRecord {
  readonly position: Position;
  readonly epoch: Epoch;
  readonly actorHash: number;
  readonly bodyCrc: number;
  readonly chain: number;
}

/** The hollow records of up to 64 neighbours. */
export interface HollowBlock {
  readonly start: Position;
  /** The newest hollow record's time. */
  readonly time: number;
  /** By position, ascending. */
  readonly entries: readonly HollowRecord[];
}

export function encodeHollowBlock(block: HollowBlock): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + block.entries.length * entryBytes);
  bytes[4] = recordFormat;
  bytes[5] = hollowKind;
  writeU48(bytes, block.start, 6);
  writeU48(bytes, block.time, 12);
  bytes[18] = block.entries.length;
  let offset = headBytes;
  for (const entry of block.entries) {
    bytes[offset] = entry.position - block.start;
    bytes.writeUInt32BE(entry.epoch, offset + 1);
    bytes.writeUInt32BE(entry.actorHash, offset + 5);
    bytes.writeUInt32BE(entry.bodyCrc, offset + 9);
    writeU48(bytes, entry.chain, offset + 13);
    offset += entryBytes;
  }
  bytes.writeUInt32BE(crc32(bytes, 4), 0);
  return bytes;
}

/** @returns undefined if the bytes are damaged or belong to another block than the one that starts at `start` */
export function decodeHollowBlock(bytes: Buffer, start: Position): HollowBlock | undefined {
  if (bytes.length < headBytes || bytes.readUInt32BE(0) !== crc32(bytes, 4)) return undefined;
  if (bytes[4] !== recordFormat || bytes[5] !== hollowKind || readU48(bytes, 6) !== start) return undefined;
  const count = bytes[18]!;
  if (bytes.length !== headBytes + count * entryBytes) return undefined;
  const entries: HollowRecord[] = [];
  for (let i = 0, offset = headBytes; i < count; i++, offset += entryBytes) {
    entries.push({
      position: start + bytes[offset]!,
      epoch: bytes.readUInt32BE(offset + 1),
      actorHash: bytes.readUInt32BE(offset + 5),
      bodyCrc: bytes.readUInt32BE(offset + 9),
      chain: readU48(bytes, offset + 13),
    });
  }
  return { start, time: readU48(bytes, 12), entries };
}

/** The block with one more entry. */
export function withHollow(block: HollowBlock | undefined, record: HollowRecord, time: number): HollowBlock {
  const start = hollowBlockStart(record.position);
  const others = block?.entries.filter((entry) => entry.position !== record.position) ?? [];
  const entries = [...others, record].sort((a, b) => a.position - b.position);
  return { start, time: Math.max(block?.time ?? 0, time), entries };
}

/** The block without what lies after `position`. */
export function hollowUpTo(block: HollowBlock, position: Position): HollowBlock {
  return { ...block, entries: block.entries.filter((entry) => entry.position <= position) };
}

export function findHollow(block: HollowBlock | undefined, position: Position): HollowRecord | undefined {
  if (!block || position < block.start || position >= block.start + hollowBlockLength) return undefined;
  return block.entries.find((entry) => entry.position === position);
}

export function hollowResult(record: HollowRecord): ReadResult & { type: 'hollow' } {
  return { type: 'hollow', ...record };
}
