/**
 * Repairing a log: what may take the place of rows that do not verify. The chain says it. A record is chained to the one
 * before it, so between two places that are known only one sequence of rows is possible: the one that lay there. Whoever
 * sent the rows, in whatever epoch, need not be trusted.
 */
import { assert } from '../core/assert.ts';
import type { Position, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import type { Journal } from './journal.ts';
import type { LogRow } from './log-row.ts';
import { belongsTo } from './log-rules.ts';
import { nextChain, type RecordHead, verifiedBody } from './record.ts';

/** Consecutive positions, both inclusive. */
export interface LogRun {
  readonly from: Position;
  readonly to: Position;
}

type Links = Pick<RecordHead & HollowRecord, 'position' | 'epoch' | 'actorHash' | 'bodyCrc' | 'chain'>;

/**
 * The damaged rows around a position that can only be repaired together: the record alone if its head is sound, else it and
 * all neighbours whose heads are lost, too. undefined if it is not damaged.
 */
export function damagedRun(journal: Journal, shard: ShardId, position: Position): LogRun | undefined {
  const result = journal.read(shard, position);
  if (result.type !== 'damaged') return undefined;
  if (result.head) return { from: position, to: position };
  const tail = journal.tail(shard).position;
  const isLost = (at: Position) => journal.read(shard, at).type === 'damaged' && !linksAt(journal, shard, at);
  let from = position;
  while (from > 1 && isLost(from - 1)) from -= 1;
  let to = position;
  while (to < tail && isLost(to + 1)) to += 1;
  return { from, to };
}

/** Whether these rows, and no others, can have lain where they say: each verifies, and together they join the chain at both ends. */
export function fitsIn(journal: Journal, shard: ShardId, rows: readonly LogRow[]): boolean {
  const [first] = rows;
  const last = rows.at(-1);
  if (!first || !last) return false;
  const links = rows.map(linksOf);
  const { position: from } = links[0]!;
  if (!rows.every((row) => isSound(journal, shard, row))) return false;
  const own = links.map(({ position }) => linksAt(journal, shard, position));
  if (!links.every((row, index) => row.position === from + index && isSame(own[index], row))) return false;
  if (own.every((known) => known !== undefined)) return true;
  let before: { readonly epoch: number; readonly chain: number } | undefined =
    from === 1 ? { epoch: 0, chain: 0 } : linksAt(journal, shard, from - 1);
  if (!before) return false;
  for (const row of links) {
    if (!isNext(before, row)) return false;
    before = row;
  }
  const tail = journal.tail(shard);
  const { position: to, epoch, chain } = links.at(-1)!;
  if (to >= tail.position) return to === tail.position && epoch === tail.epoch && chain === tail.chain;
  const after = linksAt(journal, shard, to + 1);
  return after !== undefined && isNext(before, after);
}

/** What must hold of rows that are put in the place of others. */
export function assertRepairs(journal: Journal, shard: ShardId, rows: readonly LogRow[]): void {
  for (const row of rows) {
    const { position } = linksOf(row);
    assert(
      journal.read(shard, position).type === 'damaged',
      () => `only a damaged record is replaced, got position ${position} of shard ${shard}`,
    );
  }
  assert(
    fitsIn(journal, shard, rows),
    () =>
      `what replaces damaged records of shard ${shard} is what lay there, got others from ${linksOf(rows[0]!).position}`,
  );
}

function linksOf(row: LogRow): Links {
  return 'bytes' in row ? row.head : row;
}

/** What is known of a place of this log, also where its body is lost. */
function linksAt(journal: Journal, shard: ShardId, position: Position): Links | undefined {
  const result = journal.read(shard, position);
  if (result.type === 'hollow') return result;
  return 'head' in result ? result.head : undefined;
}

function isSound(journal: Journal, shard: ShardId, row: LogRow): boolean {
  if (!('bytes' in row)) return true;
  return belongsTo(journal.identity.shardCount, shard, row.head) && verifiedBody(row.bytes, row.head) !== undefined;
}

function isSame(known: Links | undefined, row: Links): boolean {
  return !known || (known.epoch === row.epoch && known.chain === row.chain && known.bodyCrc === row.bodyCrc);
}

function isNext(before: { readonly epoch: number; readonly chain: number }, row: Links): boolean {
  const { position, epoch, actorHash, bodyCrc, chain } = row;
  return epoch >= before.epoch && chain === nextChain(before.chain, position, epoch, actorHash, bodyCrc);
}
