/**
 * The scrub: reads every shard's log once, slowly, in the background, and checks what only a walk along the log shows:
 * that each record is chained to the one before. Opening has verified the newest part of it and all that is not log;
 * so after one scrub everything has been looked at.
 *
 * It costs what it is allowed to: a chunk, then a pause that keeps it below a rate.
 */
import type { Clock } from '../core/clock.ts';
import type { Position, ShardId } from '../core/ids.ts';
import { emptyTail, type Journal, type LogTail } from './journal.ts';
import { rowBytes } from './log-row.ts';
import { type LogDamage, tailAfter } from './log-walk.ts';

export interface ScrubOptions {
  readonly clock: Clock;
  /** Higher: it is over sooner, and takes more of the disk from others. */
  readonly bytesPerSecond: number;
  /** Told of each record that does not verify, in order. */
  readonly onDamage: (damage: LogDamage) => void;
  /** Told when all shards have been read. */
  readonly onDone?: (recordsRead: number) => void;
}

const chunkBytes = 256 * 1024;

/** Starts a scrub of an open journal. @returns what stops it */
export function startScrub(journal: Journal, options: ScrubOptions): () => void {
  const scrub = new Scrub(journal, options);
  scrub.start();
  return () => scrub.stop();
}

class Scrub {
  readonly #journal: Journal;
  readonly #options: ScrubOptions;
  #shard: ShardId = 0;
  #tail: LogTail = emptyTail;
  /** The chain at the tail is not known: the record there is damaged. */
  #isChainLost = false;
  #recordsRead = 0;
  #isStopped = false;
  #cancel: (() => void) | undefined;

  constructor(journal: Journal, options: ScrubOptions) {
    this.#journal = journal;
    this.#options = options;
  }

  start(): void {
    this.#after(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  #after(delayMs: number): void {
    this.#cancel = this.#options.clock.schedule(delayMs, () => {
      this.#step().then(
        (bytes) => {
          if (bytes !== undefined && !this.#isStopped) this.#after((bytes / this.#options.bytesPerSecond) * 1000);
        },
        (error) => this.#tell(this.#tail.position + 1, `it cannot be read (${(error as Error).message})`),
      );
    });
  }

  /** Reads one chunk. @returns its bytes; undefined when all is read or the journal is closed */
  async #step(): Promise<number | undefined> {
    if (this.#journal.status === 'closed') return undefined;
    const results = await this.#journal.readRange(this.#shard, this.#tail.position + 1, chunkBytes);
    let bytes = 0;
    for (const result of results) {
      bytes += rowBytes(result);
      this.#recordsRead += 1;
      const position = this.#tail.position + 1;
      const tail = this.#isChainLost ? rejoin(result, position) : tailAfter(this.#tail, result);
      if (typeof tail !== 'string') {
        this.#tail = tail;
        this.#isChainLost = false;
        if (result.type === 'damaged') this.#tell(position, result.problem, result.head);
        continue;
      }
      this.#tell(position, tail, result.type === 'damaged' ? result.head : undefined);
      this.#tail = { ...this.#tail, position };
      this.#isChainLost = true;
    }
    if (results.length > 0) return bytes;
    this.#shard += 1;
    this.#tail = emptyTail;
    this.#isChainLost = false;
    if (this.#shard < this.#journal.identity.shardCount) return 0;
    this.#options.onDone?.(this.#recordsRead);
    return undefined;
  }

  #tell(position: Position, problem: string, head?: { readonly type: string; readonly id: string }): void {
    const whose = head && head.type !== '' ? { type: head.type, id: head.id } : {};
    this.#options.onDamage({ shard: this.#shard, position, problem, ...whose });
  }
}

/** After a record whose chain is not known, the next one is believed. */
function rejoin(result: Parameters<typeof tailAfter>[1], position: Position): LogTail | string {
  const row = result.type === 'hollow' ? { ...result, time: 0 } : 'head' in result ? result.head : undefined;
  if (row) return { position, epoch: row.epoch, chain: row.chain, time: row.time };
  return result.type === 'damaged' ? result.problem : 'it is not there';
}
