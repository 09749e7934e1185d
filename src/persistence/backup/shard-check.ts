/**
 * Checking one shard of a backup, row by row: each record's head, body and place, the chain from the first record to the
 * one that the backup says is the last. The same check when a backup is taken, verified and restored.
 */
import type { Position } from '../../core/ids.ts';
import { emptyTail, type LogTail, type ReadResult } from '../journal.ts';
import { readRow } from '../log-row.ts';
import { tailAfter } from '../log-walk.ts';
import type { EncodedRecord } from '../record.ts';
import { BackupError, type BackupShard, type Frame } from './backup-format.ts';

/** A row that verifies: for the journal it goes into. */
export type CheckedRow =
  | { readonly type: 'record'; readonly record: EncodedRecord }
  | { readonly type: 'hollow'; readonly hollow: Extract<Frame, { type: 'hollow' }>['hollow'] };

export class ShardCheck {
  readonly #end: BackupShard;
  readonly #shardCount: number;
  #tail: LogTail = emptyTail;
  records = 0;
  hollow = 0;
  /** Positions whose bodies do not verify, though head and chain do. */
  readonly damaged: Position[] = [];

  /** @param end what the backup says the shard's log ends with */
  constructor(end: BackupShard, shardCount: number) {
    this.#end = end;
    this.#shardCount = shardCount;
  }

  /** @throws BackupError `BACKUP_DAMAGED`, saying where */
  take(row: Extract<Frame, { type: 'record' | 'hollow' }>): CheckedRow {
    const { shard } = this.#end;
    const position = this.#tail.position + 1;
    if (position > this.#end.position) throw damagedAt(shard, position, 'it lies after the end of its log');
    const result: ReadResult =
      row.type === 'record' ? readRow(row.bytes, this.#shardCount, shard, position) : { type: 'hollow', ...row.hollow };
    const tail =
      result.type === 'hollow' && result.position !== position
        ? 'another lies in its place'
        : tailAfter(this.#tail, result);
    if (typeof tail === 'string') throw damagedAt(shard, position, tail);
    this.#tail = tail;
    if (row.type === 'hollow') {
      this.hollow += 1;
      return row;
    }
    this.records += 1;
    if (result.type === 'damaged') this.damaged.push(position);
    const { head } = result as { head: EncodedRecord['head'] };
    return { type: 'record', record: { head, bytes: row.bytes } };
  }

  /** No row is missing, and the last is the one that must be. @throws BackupError `BACKUP_DAMAGED` */
  finish(): void {
    const { shard, position, epoch, chain } = this.#end;
    if (this.#tail.position < position)
      throw damagedAt(shard, this.#tail.position + 1, `it is missing, and so is all up to ${position}`);
    if (this.#tail.epoch !== epoch || this.#tail.chain !== chain)
      throw damagedAt(shard, position, 'it is not the record that was the last');
  }
}

function damagedAt(shard: number, position: Position, problem: string): BackupError {
  return new BackupError('BACKUP_DAMAGED', `record ${position} of shard ${shard}: ${problem}`);
}
