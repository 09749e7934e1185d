/**
 * Judging a block of a table that does not match its checksum: whether nothing but bodies of records is hit. Then each
 * of them costs its actor, and the store may be opened; anything else might be read wrongly, and refuses it.
 *
 * Said only if everything that LevelDB reads in the block is beyond doubt without the checksum:
 *
 * - the block's structure is exactly what LevelDB writes: lengths that end where the block ends, keys that share as
 *   much as they can, restart points at every sixteenth row;
 * - every row is the log's: a record under its own position (its head says it, with a checksum of its own), a sound
 *   hollow row, or a deletion; and the keys ascend;
 * - every body verifies but at least one: which explains the checksum.
 *
 * So a damaged key, index row, promise or hollow row, or a change that is not found, is never let through. Should a
 * second fault hide behind the first, in a deletion's key say, then a row is missing or back: the log's chain and the
 * tally of its newest rows show that.
 *
 * Source: leveldb 1.20, table/block_builder.cc.
 */
import { decodeHollowBlock } from './hollow.ts';
import { parseLogKey } from './keys.ts';
import { userKey, VarintReader } from './leveldb-manifest.ts';
import type { TableDamage } from './leveldb-table.ts';
import { readRow } from './log-row.ts';
import type { LogDamage } from './log-walk.ts';

const restartEvery = 16;
const valueKind = 1;
const deletionKind = 0;
const trailerBytes = 8;

/** The records whose bodies are damaged, if that is all that is wrong with the block; else undefined. */
export function damagedBodies(damage: TableDamage | undefined, shardCount: number): readonly LogDamage[] | undefined {
  const rows = damage?.content && rowsOf(damage.content);
  if (!rows || rows.length === 0) return undefined;
  if (!isBetween(rows, damage.after, damage.upTo)) return undefined;
  const found: LogDamage[] = [];
  for (const { key, value } of rows) {
    const place = parseLogKey(userKey(key));
    const kind = key[key.length - trailerBytes];
    if (!place || place.shard >= shardCount) return undefined;
    const { shard, position, hollow } = place;
    if (kind === deletionKind && value.length === 0) continue;
    if (kind !== valueKind) return undefined;
    if (hollow) {
      if (!decodeHollowBlock(value, position)) return undefined;
      continue;
    }
    const result = readRow(value, shardCount, shard, position);
    if (result.type === 'record') continue;
    if (result.type !== 'damaged' || !result.head) return undefined;
    const { type, id } = result.head;
    found.push({ shard, position, problem: result.problem, ...(type !== '' && { type, id }) });
  }
  return found.length > 0 ? found : undefined;
}

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The rows of a block whose structure is beyond doubt; else undefined. */
function rowsOf(block: Buffer): readonly Row[] | undefined {
  if (block.length < 8) return undefined;
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 - restarts * 4;
  if (restarts < 1 || end < 0) return undefined;
  const reader = new VarintReader(block);
  const rows: Row[] = [];
  let before: Buffer = Buffer.alloc(0);
  while (reader.at < end) {
    const { at } = reader;
    const shared = reader.number();
    const unshared = reader.number();
    const length = reader.number();
    const from = reader.at;
    if (reader.failed || from + unshared + length > end) return undefined;
    const key = Buffer.concat([before.subarray(0, shared), block.subarray(from, from + unshared)]);
    const isRestart = rows.length % restartEvery === 0;
    if (isRestart && !isRestartAt(block, end, restarts, rows.length / restartEvery, at)) return undefined;
    if (shared !== (isRestart ? 0 : commonLength(before, key)) || key.length < trailerBytes) return undefined;
    rows.push({ key, value: block.subarray(from + unshared, from + unshared + length) });
    reader.at = from + unshared + length;
    before = key;
  }
  return reader.at === end && Math.ceil(rows.length / restartEvery) === restarts ? rows : undefined;
}

function isRestartAt(block: Buffer, end: number, restarts: number, index: number, at: number): boolean {
  return index < restarts && block.readUInt32LE(end + index * 4) === at;
}

function commonLength(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}

/** The keys ascend, each once, and lie where the index block says. */
function isBetween(rows: readonly Row[], after: Buffer | undefined, upTo: Buffer | undefined): boolean {
  let before = after;
  for (const { key } of rows) {
    const name = userKey(key);
    if (before && Buffer.compare(before, name) >= 0) return false;
    before = name;
  }
  return upTo !== undefined && Buffer.compare(before!, upTo) <= 0;
}
