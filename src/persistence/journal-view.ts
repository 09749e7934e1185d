/**
 * A view of a journal: every shard's log as far as it was committed at one moment, unchanged while the journal goes on
 * (records that become hollow later still have their bodies in it). What a backup is made of.
 *
 * The cut is consistent: what one record caused in another shard of this node lies behind it in time, so whoever sees
 * the effect in a view sees the cause as well.
 */
import type { Position, ShardId } from '../core/ids.ts';
import type { HollowRecord } from './hollow.ts';
import { JournalError, type LogTail, type ReadResult } from './journal.ts';

/** One place of a log as it is copied: the record's bytes as they were written, or what is left of it. */
export type ViewRow =
  | { readonly type: 'record'; readonly position: Position; readonly bytes: Buffer }
  | { readonly type: 'hollow'; readonly hollow: HollowRecord };

export interface JournalView {
  /** Where each shard's log ends, by shard. */
  readonly tails: readonly LogTail[];
  /**
   * The rows of a shard from position 1 to its tail, in order, in chunks. A record whose body is damaged comes as it is.
   *
   * @throws JournalError `STORE_DAMAGED` at a place of which it is not known what lay there
   */
  rows(shard: ShardId): AsyncIterable<readonly ViewRow[]>;
  /** Gives free what the view holds. Idempotent. */
  close(): Promise<void>;
}

/** @param bytes of the row, where there is one. @throws JournalError `STORE_DAMAGED` */
export function viewRow(shard: ShardId, position: Position, result: ReadResult, bytes: Buffer | undefined): ViewRow {
  if (result.type === 'hollow') {
    const { epoch, actorHash, bodyCrc, chain } = result;
    return { type: 'hollow', hollow: { position, epoch, actorHash, bodyCrc, chain } };
  }
  if (bytes && 'head' in result && result.head) return { type: 'record', position, bytes };
  const problem = result.type === 'damaged' ? result.problem : 'it is not there';
  throw new JournalError(
    'STORE_DAMAGED',
    `record ${position} of shard ${shard} cannot be copied: ${problem}; run 'greenroom journal verify'`,
  );
}
