/**
 * LevelDB's log format, read without LevelDB: its write-ahead logs (`*.log`) and its manifest are such files. Blocks
 * of 32 KiB hold fragments of records: u32 masked crc-32c over type and data · u16 length · u8 type (1 full, 2 first,
 * 3 middle, 4 last) · data; numbers are little-endian.
 *
 * LevelDB drops a fragment that does not verify, and what follows it in its block, without a word. Here it is told.
 * What a crash leaves is no damage: a fragment cut short by the end of the file, or zeros.
 *
 * Source: leveldb 1.20, doc/log_format.txt and db/log_reader.cc.
 */
import { crc32c, maskCrc } from './crc32c.ts';

const blockBytes = 32_768;
const headerBytes = 7;
const full = 1;
const first = 2;
const middle = 3;
const last = 4;

export interface LevelLogContents {
  readonly records: readonly Buffer[];
  /** The first place that does not verify although it is complete; undefined if there is none. */
  readonly damage: { readonly offset: number; readonly problem: string } | undefined;
}

/** Reads all records of a log file, up to the first damage. */
export function readLevelLog(bytes: Buffer): LevelLogContents {
  const { records, damage } = readFrom(bytes, 0, false);
  return { records, damage: damage && { offset: damage.offset, problem: damage.problem } };
}

/**
 * All records of a log file that verify, also those after a damage. Each fragment has a checksum of its own, so it does no
 * harm to go on where a damaged length leads: at the latest with the next block the fragments are the real ones again.
 */
export function soundRecords(bytes: Buffer): readonly Buffer[] {
  const records: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const { records: read, damage } = readFrom(bytes, from, from > 0);
    records.push(...read);
    if (!damage) break;
    from = damage.goOnAt;
  }
  return records;
}

interface Read {
  readonly records: readonly Buffer[];
  /** `goOnAt`: where to look for the next fragment; beyond the damage, or there for another begin. */
  readonly damage: { readonly offset: number; readonly problem: string; readonly goOnAt: number } | undefined;
}

/** @param isAfterDamage the first fragments may be the end of a record that began before */
function readFrom(bytes: Buffer, from: number, isAfterDamage: boolean): Read {
  const records: Buffer[] = [];
  let parts: Buffer[] | undefined;
  let offset = from;
  let skipsEnd = isAfterDamage;
  const damaged = (problem: string, goOnAt: number): Read => ({ records, damage: { offset, problem, goOnAt } });
  while (offset + headerBytes <= bytes.length) {
    const left = blockBytes - (offset % blockBytes);
    if (left < headerBytes) {
      offset += left;
      continue;
    }
    const length = bytes.readUInt16LE(offset + 4);
    const type = bytes[offset + 6]!;
    if (type === 0 && length === 0 && isZeroToEnd(bytes, offset)) return { records, damage: undefined };
    const end = offset + headerBytes + length;
    if (headerBytes + length > left) {
      if (offset - (offset % blockBytes) + blockBytes > bytes.length) return { records, damage: undefined };
      return damaged('a fragment is longer than its block', offset + left);
    }
    if (end > bytes.length) return { records, damage: undefined };
    if (bytes.readUInt32LE(offset) !== maskCrc(crc32c(bytes, offset + 6, end)))
      return damaged('a fragment does not match its checksum', end);
    const data = bytes.subarray(offset + headerBytes, end);
    if (skipsEnd && (type === middle || type === last)) {
      offset = end;
      continue;
    }
    skipsEnd = false;
    switch (type) {
      case full:
        if (parts) return damaged('a record is not ended', offset);
        records.push(data);
        break;
      case first:
        if (parts) return damaged('a record is not ended', offset);
        parts = [data];
        break;
      case middle:
      case last:
        if (!parts) return damaged('a record is not begun', end);
        parts.push(data);
        if (type === last) {
          records.push(Buffer.concat(parts));
          parts = undefined;
        }
        break;
      default:
        return damaged(`a fragment has the unknown type ${type}`, end);
    }
    offset = end;
  }
  return { records, damage: undefined };
}

function isZeroToEnd(bytes: Buffer, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
