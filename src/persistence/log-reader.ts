/**
 * Reading an open store's logs: what is in memory first, then the database, every row verified. A row that does not
 * verify comes out as damaged, and is told; nothing wrong comes out.
 */
import type { Position } from '../core/ids.ts';
import { decodeHollowBlock, findHollow, type HollowBlock, hollowResult } from './hollow.ts';
import { emptyTail, JournalError, type LogTail, type ReadResult } from './journal.ts';
import { hollowBlockStart, hollowKey } from './keys.ts';
import { missingRow, readRow, rowBytes } from './log-row.ts';
import { tailAt } from './log-rules.ts';
import { type Database, scanLog } from './log-scan.ts';
import type { LogDamage } from './log-walk.ts';
import type { OpenShard } from './open-shard.ts';
import { nextChain, type RecordHead } from './record.ts';

const rowsPerChunkMin = 16;
const rowsPerChunkMax = 1000;

export class LogReader {
  readonly #database: Database;
  readonly #shardCount: number;
  readonly #onDamage: (damage: LogDamage) => void;

  constructor(database: Database, shardCount: number, onDamage: (damage: LogDamage) => void) {
    this.#database = database;
    this.#shardCount = shardCount;
    this.#onDamage = onDamage;
  }

  read(open: OpenShard, position: Position): ReadResult {
    if (position < 1 || position > open.tail.position) return { type: 'absent' };
    const unsynced = open.unsynced(position);
    if (unsynced) {
      if (!('bytes' in unsynced)) return hollowResult(unsynced);
      const { head, bytes } = unsynced;
      return { type: 'record', head, body: bytes.subarray(head.headLength) };
    }
    const hollow = open.unsyncedHollow(position);
    if (hollow) return hollowResult(hollow);
    const result = this.#readRow(open, position);
    if (result.type === 'damaged') this.#tellDamage(open, position, result);
    return result;
  }

  async readRange(open: OpenShard, from: Position, bytesMax: number): Promise<readonly ReadResult[]> {
    for (;;) {
      const { truncations } = open;
      const results = await this.#readWritten(open, from, bytesMax);
      // What was read may have been cut off meanwhile, and other records have come in its place.
      if (open.truncations !== truncations) continue;
      let bytes = results.reduce((sum, result) => sum + rowBytes(result), 0);
      for (let at = from + results.length; at <= open.tail.position; at++) {
        const result = this.read(open, at);
        bytes += rowBytes(result);
        if (bytes > bytesMax && results.length > 0) break;
        results.push(result);
      }
      return results;
    }
  }

  /** The hollow records that share a row, with what is not in the database yet. */
  hollowBlock(open: OpenShard, start: Position): HollowBlock | undefined {
    const unsynced = open.unsyncedBlock(start);
    if (unsynced) return unsynced;
    try {
      const bytes = this.#database.getSync(hollowKey(open.shard, open.gen, start));
      return bytes && decodeHollowBlock(bytes, start);
    } catch {
      return undefined;
    }
  }

  /** What the tail would be if the log ended at `position`. @throws JournalError `STORE_DAMAGED` if that cannot be said */
  tailAt(open: OpenShard, position: Position): LogTail {
    if (position === open.tail.position) return open.tail;
    if (position === 0) return emptyTail;
    if (position === open.base.position) return open.base;
    const result = this.read(open, position);
    if (result.type === 'hollow') {
      const { epoch, chain } = result;
      const time = this.hollowBlock(open, hollowBlockStart(position))?.time ?? open.base.time;
      return { position, epoch, chain, time };
    }
    const head = headOf(result);
    if (head) return tailAt(head);
    throw new JournalError(
      'STORE_DAMAGED',
      `record ${position} of shard ${open.shard} would be its last, but is damaged; run 'greenroom journal verify'`,
    );
  }

  #readRow(open: OpenShard, position: Position): ReadResult {
    let bytes: Buffer | undefined;
    try {
      bytes = this.#database.getSync(open.keyAt(position));
    } catch (error) {
      return { type: 'damaged', problem: `it cannot be read (${(error as Error).message})` };
    }
    if (!bytes) {
      const hollow = findHollow(this.hollowBlock(open, hollowBlockStart(position)), position);
      return hollow ? hollowResult(hollow) : missingRow;
    }
    const result = readRow(bytes, this.#shardCount, open.shard, position);
    if (result.type === 'record' && result.head.type === '' && !this.#isChained(open, result.head))
      return { type: 'damaged', problem: 'its chain is broken' };
    return result;
  }

  /** A record of no actor could lie in any shard: only its chain says that it is in its own. */
  #isChained(open: OpenShard, head: RecordHead): boolean {
    const { position, epoch, actorHash, bodyCrc, chain } = head;
    let before = 0;
    if (position > 1) {
      const previous = this.read(open, position - 1);
      const known = previous.type === 'hollow' ? previous : headOf(previous);
      if (!known) return true;
      before = known.chain;
    }
    return chain === nextChain(before, position, epoch, actorHash, bodyCrc);
  }

  async #readWritten(open: OpenShard, from: Position, bytesMax: number): Promise<ReadResult[]> {
    const results: ReadResult[] = [];
    let bytes = 0;
    const rowsPerChunk = Math.min(rowsPerChunkMax, Math.max(rowsPerChunkMin, Math.ceil(bytesMax / 128)));
    const { shard, gen, writtenTo } = open;
    const range = { shardCount: this.#shardCount, shard, gen, from, to: writtenTo, rowsPerChunk };
    for await (const rows of scanLog(this.#database, range)) {
      for (const { position, result } of rows) {
        const hollow = open.unsyncedHollow(position);
        const current = hollow ? hollowResult(hollow) : result;
        bytes += rowBytes(current);
        if (bytes > bytesMax && results.length > 0) return results;
        if (current.type === 'damaged') this.#tellDamage(open, position, current);
        results.push(current);
      }
    }
    return results;
  }

  #tellDamage({ shard }: OpenShard, position: Position, result: ReadResult & { type: 'damaged' }): void {
    const { head, problem } = result;
    this.#onDamage({ shard, position, problem, ...(head && head.type !== '' && { type: head.type, id: head.id }) });
  }
}

/** The head of what was read, where there is one: also of a record whose body is damaged. */
export function headOf(result: ReadResult): RecordHead | undefined {
  return 'head' in result ? result.head : undefined;
}
