/**
 * Repairing this store's copies: a record that does not verify is asked for from other copies of the shard, and takes its
 * place again if it fits the chain at both ends (log-repair.ts). So it does not matter who answers, whether that is an
 * owner or a replica, in which epoch, or how late: only what lay there fits.
 *
 * Damage is noted as it is met: at opening, by the scrub, when an actor is woken, when another copy is filled. What cannot
 * be repaired stays noted, and is asked for again and again, from one copy after the other.
 *
 * Invariant: what was acknowledged is never cut off because it cannot be read. A copy of which a record above its commit
 * is noted says nothing in a seal (`isDoubtful`): what it holds there may be acknowledged, or may be on no other disk.
 */
import type { Position, ShardId, StoreId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { Journal } from '../../persistence/journal.ts';
import { damagedRun, fitsIn, type LogRun } from '../../persistence/log-repair.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import type { LogDamage } from '../../persistence/log-walk.ts';
import type { Mistaken } from '../mistakes.ts';
import { readRows } from './replicas.ts';
import { encodeShardMessage, rowLength, rowPlace, type ShardMessage } from './shard-messages.ts';

export interface RepairsOptions {
  readonly journal: Journal;
  readonly log: Log;
  readonly mistaken: Mistaken;
  readonly nowMs: () => number;
  /** Runs a task after this turn. */
  readonly defer: (task: () => void) => void;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  readonly isUp: (peer: StoreId) => boolean;
  /** Other stores that hold a copy of the shard. */
  readonly copies: (shard: ShardId) => readonly StoreId[];
  /** A record of this actor can be read again. */
  readonly repaired: (type: string, id: string) => void;
}

/** An answer that does not come within this is asked for elsewhere. */
const askAgainMs = 500;
/** Whoever needs the record waits so long; then it is as lost as without other copies. */
export const repairWithinMs = 5_000;
/** Damaged records that are noted at a time. Those beyond are found again when they are read again. */
const notedMax = 10_000;
/** Records asked for at a time. */
const askedMax = 64;
/** Bytes of rows in one answer. A longer run of lost neighbours is not repaired. */
const answerBytesMax = 4 * 1024 * 1024;

interface Noted {
  readonly shard: ShardId;
  readonly position: Position;
  /** When it was last asked for; undefined: not yet. */
  askedMs: number | undefined;
  /** How often. */
  asked: number;
  /** What was fetched for it is being written. */
  isBeingWritten: boolean;
  readonly waiting: { readonly sinceMs: number; readonly told: (isRepaired: boolean) => void }[];
}

type Message<Type extends ShardMessage['type']> = ShardMessage & { readonly type: Type };

export class Repairs {
  readonly #options: RepairsOptions;
  readonly #noted = new Map<string, Noted>();
  #lookIsPlanned = false;
  #repairedTotal = 0;

  constructor(options: RepairsOptions) {
    this.#options = options;
    options.journal.onDamage((damage) => this.#note(damage));
  }

  /** Records that were damaged and are whole again. */
  get repairedTotal(): number {
    return this.#repairedTotal;
  }

  /** Records known to be damaged now. */
  get damaged(): number {
    return this.#noted.size;
  }

  /** Whether a record of this shard's copy is known to be damaged. */
  isDamaged(shard: ShardId): boolean {
    for (const noted of this.#noted.values()) if (noted.shard === shard) return true;
    return false;
  }

  /** A record that may not be committed cannot be read: this copy's end proves nothing. */
  isDoubtful(shard: ShardId): boolean {
    if (this.#noted.size === 0) return false;
    const committed = this.#options.journal.committed(shard);
    for (const noted of this.#noted.values()) if (noted.shard === shard && noted.position > committed) return true;
    return false;
  }

  /** Tells, later, whether a damaged record can be read again: at once if there is no other copy, else in at most {@link repairWithinMs}. */
  awaitRepair(shard: ShardId, position: Position, told: (isRepaired: boolean) => void): void {
    const noted = this.#noted.get(keyOf(shard, position));
    if (!noted || this.#options.copies(shard).length === 0) {
      this.#options.defer(() => told(false));
      return;
    }
    noted.waiting.push({ sinceMs: this.#options.nowMs(), told });
  }

  /** In the middle of a read: nothing may be read here. */
  #note({ shard, position, problem, type, id }: LogDamage): void {
    const key = keyOf(shard, position);
    if (this.#noted.has(key) || this.#noted.size >= notedMax) return;
    const { log, copies, defer } = this.#options;
    this.#noted.set(key, { shard, position, askedMs: undefined, asked: 0, isBeingWritten: false, waiting: [] });
    const what = copies(shard).length > 0 ? 'another copy is asked for it' : 'there is no other copy of it';
    log.error(`a record does not verify: ${what}`, { shard, position, problem, ...(type && { type, id }) });
    if (this.#lookIsPlanned) return;
    this.#lookIsPlanned = true;
    defer(() => {
      this.#lookIsPlanned = false;
      this.sweep();
    });
  }

  /** Asks for what was not asked for lately, and ends what waits too long. */
  sweep(): void {
    if (this.#noted.size === 0) return;
    const nowMs = this.#options.nowMs();
    let free = askedMax;
    for (const noted of [...this.#noted.values()]) {
      this.#endWaits(noted, nowMs);
      const isAsked = noted.askedMs !== undefined && nowMs - noted.askedMs < askAgainMs;
      if (isAsked || noted.isBeingWritten || free === 0) continue;
      free -= 1;
      this.#ask(noted, nowMs);
    }
  }

  #endWaits(noted: Noted, nowMs: number): void {
    while (noted.waiting.length > 0 && nowMs - noted.waiting[0]!.sinceMs >= repairWithinMs)
      noted.waiting.shift()!.told(false);
  }

  #ask(noted: Noted, nowMs: number): void {
    const { journal, copies, isUp, send } = this.#options;
    const { shard, position } = noted;
    const run = damagedRun(journal, shard, position);
    if (!run) {
      this.#settle(noted, journal.read(shard, position).type !== 'absent');
      return;
    }
    const peers = copies(shard).filter(isUp);
    const peer = peers[noted.asked % Math.max(1, peers.length)];
    for (const each of this.#notedOf(shard, run)) {
      each.askedMs = nowMs;
      each.asked += 1;
    }
    const epoch = journal.hardState(shard)?.promisedEpoch ?? 0;
    if (peer) send(peer, encodeShardMessage({ type: 'rowsWanted', shard, epoch, ...run }));
  }

  /** Another copy is damaged. */
  async receiveWanted(from: StoreId, { shard, epoch, from: first, to }: Message<'rowsWanted'>): Promise<void> {
    const { journal, send } = this.#options;
    const { position: tail } = journal.tail(shard);
    const read = first >= 1 && to >= first && to <= tail ? await readRows(journal, shard, first, answerBytesMax) : [];
    const rows: LogRow[] = [];
    let bytes = 0;
    for (const row of read ?? []) {
      bytes += rowLength(row);
      if (rowPlace(row).position <= to) rows.push(row);
      else break;
    }
    const isWhole = rows.length === to - first + 1 && (bytes <= answerBytesMax || rows.length === 1);
    send(from, encodeShardMessage({ type: 'rows', shard, epoch, from: first, rows: isWhole ? rows : [] }));
  }

  receiveRows(from: StoreId, { shard, from: first, rows }: Message<'rows'>): void {
    if (rows.length === 0 || !this.#noted.has(keyOf(shard, first))) return;
    this.repair(shard, rows, from);
  }

  /** Puts rows in the place of damaged ones, if they are exactly those, and fit. @returns whether it did */
  repair(shard: ShardId, rows: readonly LogRow[], from: StoreId): boolean {
    const { journal, log, mistaken } = this.#options;
    const run = damagedRun(journal, shard, rowPlace(rows[0]!).position);
    if (!run || run.from !== rowPlace(rows[0]!).position || run.to !== rowPlace(rows.at(-1)!).position) return false;
    const noted = this.#notedOf(shard, run);
    if (noted.some(({ isBeingWritten }) => isBeingWritten)) return true;
    if (!fitsIn(journal, shard, rows) && !mistaken('repair not verified')) return false;
    for (const each of noted) each.isBeingWritten = true;
    journal.repair(shard, rows, {
      durable: () => {
        for (const each of noted) each.isBeingWritten = false;
        if (damagedRun(journal, shard, run.from)) return;
        this.#repairedTotal += rows.length;
        log.info('damaged records were repaired from another copy', { shard, ...run, copy: from });
        for (const each of noted) this.#settle(each, true);
      },
      failed: () => {},
    });
    return true;
  }

  #settle(noted: Noted, isReadable: boolean): void {
    const { journal, repaired } = this.#options;
    const { shard, position } = noted;
    this.#noted.delete(keyOf(shard, position));
    const result = journal.read(shard, position);
    if ('head' in result && result.head && result.head.type !== '') repaired(result.head.type, result.head.id);
    for (const { told } of noted.waiting.splice(0)) told(isReadable);
  }

  #notedOf(shard: ShardId, { from, to }: LogRun): readonly Noted[] {
    const found: Noted[] = [];
    for (let position = from; position <= to; position++) {
      const noted = this.#noted.get(keyOf(shard, position));
      if (noted) found.push(noted);
    }
    return found;
  }
}

function keyOf(shard: ShardId, position: Position): string {
  return `${shard}/${position}`;
}
