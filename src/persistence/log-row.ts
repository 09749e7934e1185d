/** What the bytes at a place of a shard's log say, with every check that can be made of one row alone. */
import type { Position, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import type { ReadResult } from './journal.ts';
import { belongsTo } from './log-rules.ts';
import { decodeHead, type EncodedRecord, verifiedBody } from './record.ts';

/** What lies at one place of a log: a record, or what is left of it. */
export type LogRow = EncodedRecord | HollowRecord;

/** A row that must be there and is not. */
export const missingRow: ReadResult = { type: 'damaged', problem: 'its row is missing' };

/** Decodes and verifies a record's row: its crcs, and that it is the one its key promises. */
export function readRow(bytes: Buffer, shardCount: number, shard: ShardId, position: Position): ReadResult {
  const decoded = decodeHead(bytes);
  if (!decoded.ok) return { type: 'damaged', problem: `its head does not verify (${decoded.problem})` };
  const { head } = decoded;
  if (head.position !== position || !belongsTo(shardCount, shard, head))
    return { type: 'damaged', problem: `another record (position ${head.position}) lies in its place` };
  const body = verifiedBody(bytes, head);
  if (!body) return { type: 'damaged', problem: 'its body does not verify', head };
  return { type: 'record', head, body };
}

/** Bytes of the row a result was read from, roughly for hollow ones. */
export function rowBytes(result: ReadResult): number {
  switch (result.type) {
    case 'record':
      return result.head.headLength + result.body.length;
    case 'damaged':
      return result.head?.headLength ?? 32;
    default:
      return 32;
  }
}

/** The row that a read record was decoded from, whole: its body is the end of it. */
export function wholeRow({ head, body }: ReadResult & { type: 'record' }): EncodedRecord {
  const start = body.byteOffset - head.headLength;
  return { head, bytes: Buffer.from(body.buffer, start, head.headLength + body.length) };
}
