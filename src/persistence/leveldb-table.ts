/**
 * LevelDB's table files (`*.ldb`), verified without LevelDB: its reads do not check a block's checksum, so a flipped
 * bit in one would show as a row that is missing, changed or misplaced.
 *
 * A file is data blocks, a filter block, a block that says where the filter is, an index block, and a footer that says
 * where those two are. Each block is followed by u8 compression · u32 masked crc-32c over block and compression.
 *
 * Rows of the log verify themselves (crc, position, chain), so blocks that hold nothing else may be left out: then
 * opening a store costs what its index holds, and not what its log holds.
 *
 * Source: leveldb 1.20, doc/table_format.txt, table/format.cc, table/block.cc.
 */
import { crc32c, maskCrc } from './crc32c.ts';
import { keyLetters } from './keys.ts';
import { userKey, VarintReader } from './leveldb-manifest.ts';
import { decompressSnappy } from './snappy.ts';

const footerBytes = 48;
const trailerBytes = 5;
const magicLow = 0x8b80fb57;
const magicHigh = 0xdb477524;

/** A block that does not verify. */
export interface TableDamage {
  readonly problem: string;
  /** All rows it may have held lie after `after` and not after `upTo`; undefined: any row of the file. */
  readonly after: Buffer | undefined;
  readonly upTo: Buffer | undefined;
  /** What is left of a data block, decompressed; undefined if not even that can be done. */
  readonly content?: Buffer | undefined;
}

interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

/**
 * Verifies a table's blocks.
 *
 * @param file the whole file
 * @param everything also the blocks that hold log rows only
 */
export function verifyTable(file: Buffer, everything: boolean): TableDamage[] {
  const whole = (problem: string): TableDamage[] => [{ problem, after: undefined, upTo: undefined }];
  const footer = file.length - footerBytes;
  if (footer < 0 || file.readUInt32LE(footer + 40) !== magicLow || file.readUInt32LE(footer + 44) !== magicHigh)
    return whole('its footer is damaged or cut off');
  const reader = new VarintReader(file, footer);
  const metaHandle = readHandle(reader);
  const indexHandle = readHandle(reader);
  if (reader.failed) return whole('its footer is damaged');
  const index = readBlock(file, indexHandle);
  if (!index) return whole('its index block does not match its checksum');
  const meta = readBlock(file, metaHandle);
  if (!meta) return whole('its metaindex block does not match its checksum');
  for (const { value } of blockEntries(meta)) {
    if (!isBlockSound(file, readHandle(new VarintReader(value))))
      return whole('its filter block does not match its checksum');
  }
  const damages: TableDamage[] = [];
  let after: Buffer | undefined;
  for (const { key, value } of blockEntries(index)) {
    // Every key in the block is at most this one, and greater than that of the block before.
    const upTo = userKey(key);
    const onlyLog = after?.[0] === keyLetters.log && upTo[0] === keyLetters.log;
    const handle = readHandle(new VarintReader(value));
    if ((everything || !onlyLog) && !isBlockSound(file, handle)) {
      const content = blockContent(file, handle);
      damages.push({ problem: 'a data block does not match its checksum', after, upTo, content });
    }
    after = upTo;
  }
  return damages;
}

/** A row as it lies in a table. */
export interface TableRow {
  /** With LevelDB's own suffix. */
  readonly key: Buffer;
  readonly value: Buffer;
  /** Its block matches its checksum. */
  readonly isSound: boolean;
}

/**
 * What can be read of a table, sound or not: nothing of a row whose block is not sound may be believed that does not verify
 * itself. Of a table whose index is damaged nothing can be read.
 */
export function* tableRows(file: Buffer): Generator<TableRow> {
  const footer = file.length - footerBytes;
  if (footer < 0 || file.readUInt32LE(footer + 40) !== magicLow || file.readUInt32LE(footer + 44) !== magicHigh) return;
  const reader = new VarintReader(file, footer);
  readHandle(reader);
  const indexHandle = readHandle(reader);
  const index = reader.failed ? undefined : readBlock(file, indexHandle);
  for (const { value } of index ? blockEntries(index) : []) {
    const handle = readHandle(new VarintReader(value));
    const content = blockContent(file, handle);
    if (!content) continue;
    const isSound = isBlockSound(file, handle);
    for (const row of blockEntries(content)) yield { ...row, isSound };
  }
}

function readHandle(reader: VarintReader): BlockHandle {
  return { offset: reader.number(), size: reader.number() };
}

function isBlockSound(file: Buffer, { offset, size }: BlockHandle): boolean {
  const trailer = offset + size;
  if (!Number.isSafeInteger(trailer) || trailer + trailerBytes > file.length) return false;
  return file.readUInt32LE(trailer + 1) === maskCrc(crc32c(file, offset, trailer + 1));
}

function readBlock(file: Buffer, handle: BlockHandle): Buffer | undefined {
  return isBlockSound(file, handle) ? blockContent(file, handle) : undefined;
}

function blockContent(file: Buffer, { offset, size }: BlockHandle): Buffer | undefined {
  const end = offset + size;
  if (!Number.isSafeInteger(end) || end >= file.length) return undefined;
  const bytes = file.subarray(offset, end);
  if (file[end] === 0) return bytes;
  return file[end] === 1 ? decompressSnappy(bytes) : undefined;
}

/** A block's rows: keys share their beginnings with the one before; at the end lie the restart points and their count. */
function* blockEntries(block: Buffer): Generator<{ readonly key: Buffer; readonly value: Buffer }> {
  const restarts = block.length < 4 ? 0 : block.readUInt32LE(block.length - 4);
  const end = block.length - 4 - restarts * 4;
  const reader = new VarintReader(block);
  let key: Buffer = Buffer.alloc(0);
  while (reader.at < end && !reader.failed) {
    const shared = reader.number();
    const unshared = reader.number();
    const valueLength = reader.number();
    key = Buffer.concat([key.subarray(0, shared), block.subarray(reader.at, reader.at + unshared)]);
    reader.at += unshared;
    yield { key, value: block.subarray(reader.at, reader.at + valueLength) };
    reader.at += valueLength;
  }
}
