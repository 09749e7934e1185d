/** Walking along a shard's log: each row must continue the chain of the one before. */
import type { Position, ShardId } from '../core/ids.ts';
import type { LogTail, ReadResult } from './journal.ts';
import { tailAt } from './log-rules.ts';
import { nextChain } from './record.ts';

/** A place of a log that does not verify. */
export interface LogDamage {
  readonly shard: ShardId;
  readonly position: Position;
  /** Whose record it is, where that is known. */
  readonly type?: string;
  readonly id?: string;
  readonly problem: string;
}

/** The tail after one more row, or what is wrong with the row. A row whose body alone is damaged continues the chain. */
export function tailAfter(before: LogTail, result: ReadResult): LogTail | string {
  switch (result.type) {
    case 'absent':
      return 'it is not there';
    case 'hollow': {
      const { position, epoch, actorHash, bodyCrc, chain } = result;
      if (chain !== nextChain(before.chain, position, epoch, actorHash, bodyCrc)) return 'its chain is broken';
      return { position, epoch, chain, time: before.time };
    }
    default: {
      const { head } = result;
      if (!head) return result.type === 'damaged' ? result.problem : 'it has no head';
      const { position, epoch, actorHash, bodyCrc, chain } = head;
      if (chain !== nextChain(before.chain, position, epoch, actorHash, bodyCrc)) return 'its chain is broken';
      return tailAt(head);
    }
  }
}
