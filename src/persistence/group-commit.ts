/**
 * Group commit: one batch is being synced while the next gathers, so that the cost of an fsync is shared by all that
 * arrived during the one before. Nobody waits for a timer: when nothing is being synced, the first addition starts a
 * batch at the end of its turn of the event loop.
 *
 * Invariants: batches are written in the order in which they were closed, one at a time; completions are told in the
 * order in which they were added, after `written`; after a failure nothing is written any more.
 */
import { assert } from '../core/assert.ts';
import type { Completion } from './journal.ts';

/** Where a batch's rows go; they are copied at once. */
export interface BatchRows {
  put(key: Buffer, value: Buffer): unknown;
  del(key: Buffer): unknown;
  write(options: { readonly sync: boolean }): Promise<void>;
}

export interface Batch {
  /** Counts batches from 1, in the order in which they are written. */
  readonly ticket: number;
  readonly rows: BatchRows;
  readonly completions: Completion[];
  /** Additions to it. */
  additions: number;
  bytes: number;
}

export interface GroupCommitLimits {
  /** A batch takes no more additions than this; what comes then goes into the next. */
  readonly batchRecordsMax: number;
  /** A batch is closed once it holds this many bytes. */
  readonly batchBytesMax: number;
}

export interface GroupCommitDriver {
  newRows(): BatchRows;
  /** Nothing is added to the batch any more: puts the rows that speak of all that is in it. @returns whether it is to be synced */
  seal(batch: Batch): boolean;
  /** The batch is in the database (and on the disk, if synced); its completions are told next. */
  written(batch: Batch, synced: boolean): void;
  /** Called once. Its completions, and all others, are told next. */
  failed(error: Error): Error;
  /** Runs a task after the current turn. */
  defer(task: () => void): void;
}

const nowhere: Batch = {
  ticket: Number.POSITIVE_INFINITY,
  rows: { put() {}, del() {}, async write() {} },
  completions: [],
  additions: 0,
  bytes: 0,
};

export class GroupCommit {
  readonly #driver: GroupCommitDriver;
  readonly #limits: GroupCommitLimits;
  readonly #closed: { readonly batch: Batch; readonly sync: boolean }[] = [];
  #gathering: Batch | undefined;
  #inFlight: Batch | undefined;
  #lastTicket = 0;
  #startIsPlanned = false;
  #failure: Error | undefined;
  #pendingBytes = 0;

  constructor(limits: GroupCommitLimits, driver: GroupCommitDriver) {
    this.#limits = limits;
    this.#driver = driver;
  }

  /** Bytes added and not yet written. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Nothing is being written or waits to be. */
  get isIdle(): boolean {
    return !this.#inFlight && !this.#gathering && this.#closed.length === 0;
  }

  /**
   * The batch for an addition of `bytes`, with its completion entered. The caller puts the rows in this turn. After a
   * failure it is a batch that goes nowhere; the completion is told soon.
   */
  add(bytes: number, completion: Completion): Batch {
    const failure = this.#failure;
    if (failure) {
      this.#driver.defer(() => completion.failed(failure));
      return nowhere;
    }
    const open = this.#gathering;
    if (open && (open.additions >= this.#limits.batchRecordsMax || open.bytes >= this.#limits.batchBytesMax))
      this.#close(open);
    const batch = this.#gather();
    batch.completions.push(completion);
    batch.additions += 1;
    batch.bytes += bytes;
    this.#pendingBytes += bytes;
    return batch;
  }

  /** Has a batch written soon even if nothing is added: `seal` has rows to put. */
  request(): void {
    if (!this.#failure) this.#gather();
  }

  /** Tells `completion` after everything added before. */
  afterPending(completion: Completion): void {
    const last = this.#gathering ?? this.#closed.at(-1)?.batch ?? this.#inFlight;
    if (this.#failure || !last) {
      const failure = this.#failure;
      this.#driver.defer(() => (failure ? completion.failed(failure) : completion.durable()));
    } else {
      last.completions.push(completion);
    }
  }

  #gather(): Batch {
    this.#gathering ??= {
      ticket: ++this.#lastTicket,
      rows: this.#driver.newRows(),
      completions: [],
      additions: 0,
      bytes: 0,
    };
    if (!this.#inFlight && !this.#startIsPlanned) {
      this.#startIsPlanned = true;
      this.#driver.defer(() => {
        this.#startIsPlanned = false;
        this.#start();
      });
    }
    return this.#gathering;
  }

  #close(batch: Batch): void {
    assert(batch === this.#gathering, 'only the gathering batch is closed');
    this.#gathering = undefined;
    this.#closed.push({ batch, sync: this.#driver.seal(batch) });
  }

  #start(): void {
    if (this.#inFlight || this.#failure) return;
    if (this.#closed.length === 0 && this.#gathering) this.#close(this.#gathering);
    const next = this.#closed.shift();
    if (!next) return;
    const { batch, sync } = next;
    this.#inFlight = batch;
    batch.rows.write({ sync }).then(
      () => this.#finish(batch, sync),
      (error) => this.#fail(error as Error),
    );
  }

  #finish(batch: Batch, synced: boolean): void {
    this.#inFlight = undefined;
    this.#pendingBytes -= batch.bytes;
    try {
      this.#driver.written(batch, synced);
    } catch (error) {
      this.#inFlight = batch;
      this.#fail(error as Error);
      return;
    }
    this.#start();
    for (const completion of batch.completions) completion.durable();
  }

  #fail(cause: Error): void {
    if (this.#failure) return;
    const batches = [this.#inFlight, ...this.#closed.map(({ batch }) => batch), this.#gathering];
    this.#failure = this.#driver.failed(cause);
    this.#inFlight = undefined;
    this.#gathering = undefined;
    this.#closed.length = 0;
    this.#pendingBytes = 0;
    for (const batch of batches) for (const completion of batch?.completions ?? []) completion.failed(this.#failure);
  }

  /** Ends everything because of an error outside the batches. */
  abort(cause: Error): void {
    this.#fail(cause);
  }
}
