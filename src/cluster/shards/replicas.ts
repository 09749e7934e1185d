/**
 * This store's copies of shards' logs: what it promises, appends and answers as a replica (DESIGN §6, R1–R3). All its
 * state is the journal's: hard state, log and commit of each shard; so one object serves them all.
 *
 * Invariants
 * - A promised epoch never falls, and is durable before anybody hears of it (I5, I8).
 * - No record of an epoch below the promised one is taken; same position and epoch mean the same chain (I6).
 * - Nothing at or below a known commit is ever removed (I7).
 */
import { assert } from '../../core/assert.ts';
import type { Epoch, Position, ShardId, StoreId } from '../../core/ids.ts';
import { type Completion, type Journal, unheard } from '../../persistence/journal.ts';
import { damagedRun, type LogRun } from '../../persistence/log-repair.ts';
import { type LogRow, wholeRow } from '../../persistence/log-row.ts';
import { type Mistaken, noMistakes } from '../mistakes.ts';
import { type ShardLimits, shardLimits } from './follower.ts';
import type { Repairs } from './repairs.ts';
import { encodeShardMessage, type LogPlace, rowLength, rowPlace, type ShardMessage } from './shard-messages.ts';

export interface ReplicasOptions {
  readonly journal: Journal;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  /** An epoch was promised to `owner`: whoever serves a lower one on this node is fenced. Not durable yet. */
  readonly promised: (shard: ShardId, epoch: Epoch, owner: StoreId) => void;
  /** Damaged records of this store's copies. */
  readonly repairs: Pick<Repairs, 'isDoubtful' | 'repair'>;
  readonly mistaken?: Mistaken;
  readonly limits?: ShardLimits;
}

type Message<Type extends ShardMessage['type']> = ShardMessage & { readonly type: Type };

const start: LogPlace = { position: 0, epoch: 0, chain: 0 };

export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #journal: Journal;
  readonly #mistaken: Mistaken;
  readonly #limits: ShardLimits;

  constructor(options: ReplicasOptions) {
    this.#options = options;
    this.#journal = options.journal;
    this.#mistaken = options.mistaken ?? noMistakes;
    this.#limits = options.limits ?? shardLimits;
  }

  promisedEpoch(shard: ShardId): Epoch {
    return this.#journal.hardState(shard)?.promisedEpoch ?? 0;
  }

  /**
   * R1, for this store: refused (false) if a higher epoch, or the same one, was promised to another. `durable` is called
   * once it is on disk, with everything that was appended before.
   */
  promise(shard: ShardId, epoch: Epoch, owner: StoreId, durable: () => void): boolean {
    const known = this.#journal.hardState(shard);
    const isTaken =
      known !== undefined &&
      (epoch < known.promisedEpoch || (epoch === known.promisedEpoch && owner !== known.promisedTo));
    if (
      isTaken &&
      !this.#mistaken(epoch < known.promisedEpoch ? 'no fence on promise' : 'promise same epoch to two owners')
    )
      return false;
    this.#journal.setHardState(
      shard,
      { promisedEpoch: epoch, promisedTo: owner },
      this.#mistaken('promise answered before fsync') ? unheard : { durable, failed() {} },
    );
    this.#options.promised(shard, epoch, owner);
    if (this.#mistaken('promise answered before fsync')) durable();
    return true;
  }

  receivePromise(from: StoreId, { shard, epoch }: Message<'promise'>): void {
    const isPromised = this.promise(shard, epoch, from, () => {
      // What it cannot read it does not offer: asked again, it answers once it is repaired.
      if (this.promisedEpoch(shard) !== epoch || this.#options.repairs.isDoubtful(shard)) return;
      const { position, epoch: tailEpoch, chain } = this.#journal.tail(shard);
      const tail = { position, epoch: tailEpoch, chain };
      this.#send(from, { type: 'promised', shard, epoch, tail, commit: this.#journal.committed(shard) });
    });
    if (!isPromised) this.#send(from, { type: 'refused', shard, epoch, promised: this.promisedEpoch(shard) });
  }

  /** R2 */
  receiveAppend(from: StoreId, message: Message<'append'>): void {
    const { shard, epoch, previous, rows, commit } = message;
    const promised = this.#journal.hardState(shard);
    if (promised && epoch < promised.promisedEpoch && !this.#mistaken('no fence on append')) {
      this.#send(from, { type: 'refused', shard, epoch, promised: promised.promisedEpoch });
      return;
    }
    if (!promised || epoch > promised.promisedEpoch) {
      if (!this.#mistaken('append does not raise promised'))
        this.#journal.setHardState(shard, { promisedEpoch: epoch, promisedTo: from }, unheard);
      this.#options.promised(shard, epoch, from);
    } else if (epoch === promised.promisedEpoch) {
      assert(
        promised.promisedTo === from,
        () => `epoch ${epoch} of shard ${shard} has one owner, ${promised.promisedTo}, got an append of ${from}`,
      );
    }
    const at = this.#placeAt(shard, previous.position);
    if (
      !at ||
      ((at.chain !== previous.chain || at.epoch !== previous.epoch) && !this.#mistaken('previous not checked'))
    ) {
      this.#disagree(from, shard, epoch, at ?? this.#unreadableAt(shard, previous.position));
      return;
    }
    if (!this.#take(from, shard, epoch, previous.position + rows.length, rows)) {
      this.#disagree(from, shard, epoch, start);
      return;
    }
    const covered = this.#mistaken('commit taken beyond what matches')
      ? this.#journal.tail(shard).position
      : previous.position + rows.length;
    this.#journal.commit(shard, Math.min(commit, covered));
  }

  #disagree(from: StoreId, shard: ShardId, epoch: Epoch, at: LogPlace): void {
    const { position: tail } = this.#journal.tail(shard);
    this.#send(from, { type: 'mismatch', shard, epoch, at, tail, commit: this.#journal.committed(shard) });
  }

  /** A damaged record that may not be committed is no common ground: the owner looks further back. */
  #unreadableAt(shard: ShardId, position: Position): LogPlace {
    const isThere = position > this.#journal.committed(shard) && position <= this.#journal.tail(shard).position;
    return isThere ? { position, epoch: 0, chain: 0 } : start;
  }

  /**
   * Appends what is not there yet, and answers once everything up to `covered` is durable. @returns false if that cannot be
   * said, because a record that may be another one is damaged
   */
  #take(from: StoreId, shard: ShardId, epoch: Epoch, covered: Position, rows: readonly LogRow[]): boolean {
    const answer = {
      durable: () => {
        if (this.promisedEpoch(shard) <= epoch) this.#send(from, { type: 'appended', shard, epoch, position: covered });
      },
      failed() {},
    };
    const fresh = this.#firstMissing(from, shard, rows);
    if (fresh === undefined) return false;
    if (fresh === rows.length || this.#mistaken('append acknowledged before fsync')) {
      // All of it is there, but perhaps not on disk yet.
      if (this.#mistaken('append acknowledged before fsync')) answer.durable();
      else {
        void this.#journal.flush().then(answer.durable, answer.failed);
        return true;
      }
    }
    this.#append(shard, rows, fresh, answer);
    return true;
  }

  #append(shard: ShardId, rows: readonly LogRow[], from: number, completion: Completion): void {
    for (let index = from; index < rows.length; index++) {
      const row = rows[index]!;
      const heard = index === rows.length - 1 ? completion : unheard;
      if ('bytes' in row) this.#journal.append(shard, row, heard);
      else this.#journal.appendHollow(shard, row, heard);
    }
  }

  /** Takes over rows of the log that a seal found to be the best. */
  copy(from: StoreId, shard: ShardId, rows: readonly LogRow[]): void {
    const fresh = this.#firstMissing(from, shard, rows);
    if (fresh !== undefined) this.#append(shard, rows, fresh, unheard);
  }

  /**
   * The index of the first row that is not in the log; what conflicts with it is cut off. undefined: that cannot be said.
   */
  #firstMissing(from: StoreId, shard: ShardId, rows: readonly LogRow[]): number | undefined {
    for (let index = 0; index < rows.length; index++) {
      const place = rowPlace(rows[index]!);
      const { position: tail } = this.#journal.tail(shard);
      if (place.position > tail) return index;
      const known = this.#placeAt(shard, place.position);
      if (!known) {
        const run = this.#repairRun(from, shard, rows, index);
        if (run === 'unknown') return undefined;
        if (run === 'other') {
          this.#journal.truncate(shard, place.position - 1, unheard);
          return index;
        }
        index = run.to - rowPlace(rows[0]!).position;
        continue;
      }
      if (known.epoch === place.epoch && known.chain === place.chain) {
        if (index === rows.length - 1 && tail > place.position && this.#mistaken('stale append truncates'))
          this.#journal.truncate(shard, Math.max(place.position, this.#journal.committed(shard)), unheard);
        continue;
      }
      assert(
        known.epoch !== place.epoch,
        () => `position ${place.position} of shard ${shard} is one record in epoch ${place.epoch}, got another chain`,
      );
      this.#journal.truncate(shard, place.position - 1, unheard);
      return index;
    }
    return rows.length;
  }

  /** Rows for a place whose record cannot be read: they are what lay there, or are other ones, or they do not reach far enough to say. */
  #repairRun(from: StoreId, shard: ShardId, rows: readonly LogRow[], index: number): LogRun | 'other' | 'unknown' {
    const first = rowPlace(rows[0]!).position;
    const run = damagedRun(this.#journal, shard, first + index)!;
    const own = rows.slice(run.from - first, run.to - first + 1);
    if (run.to <= this.#journal.committed(shard)) {
      // What is committed is the same wherever it is.
      if (run.to < first + rows.length) this.#options.repairs.repair(shard, own, from);
      return { from: run.from, to: Math.min(run.to, first + rows.length - 1) };
    }
    if (run.from !== first + index || run.to >= first + rows.length) return 'unknown';
    if (this.#options.repairs.repair(shard, own, from)) return run;
    return run.from > this.#journal.committed(shard) ? 'other' : 'unknown';
  }

  /** R3 */
  receiveReadCheck(from: StoreId, { round, shards }: Message<'readCheck'>): void {
    const refused: ShardId[] = [];
    const behind: ShardId[] = [];
    if (!this.#mistaken('read check always fine')) {
      for (const { shard, epoch } of shards) {
        const promised = this.promisedEpoch(shard);
        if (promised > epoch) refused.push(shard);
        else if (promised < epoch) behind.push(shard);
      }
    }
    this.#send(from, { type: 'readChecked', round, refused, behind });
  }

  /** O3: only for the owner that this store has promised the epoch to, so that the log stands still. */
  async receiveFetch(from: StoreId, { shard, epoch, from: first }: Message<'fetch'>): Promise<void> {
    const isStill = () => this.promisedEpoch(shard) === epoch && this.#journal.hardState(shard)?.promisedTo === from;
    if (!isStill()) {
      this.#send(from, { type: 'refused', shard, epoch, promised: this.promisedEpoch(shard) });
      return;
    }
    const { position: tail } = this.#journal.tail(shard);
    const previous = this.#placeAt(shard, first - 1);
    const rows = previous ? await readRows(this.#journal, shard, first, this.#limits.fetchBytesMax) : undefined;
    if (!isStill()) return;
    if (!rows || !previous) {
      if (first - 1 <= tail) this.#send(from, { type: 'unreadable', shard, epoch });
      return;
    }
    this.#send(from, { type: 'fetched', shard, epoch, previous, tail, rows });
  }

  receiveHollow({ shard, epoch, positions }: Message<'hollow'>): void {
    if (this.promisedEpoch(shard) !== epoch) return;
    const committed = this.#journal.committed(shard);
    const known = positions.filter((position) => position <= committed);
    if (known.length > 0) this.#journal.hollow(shard, known, unheard);
  }

  /** What lies at a position; undefined if nothing does, or it is damaged. */
  #placeAt(shard: ShardId, position: Position): LogPlace | undefined {
    return placeAt(this.#journal, shard, position);
  }

  #send(to: StoreId, message: ShardMessage): void {
    this.#options.send(to, encodeShardMessage(message));
  }
}

/** What lies at a position of this store's copy; undefined if nothing does, or it cannot be read. */
export function placeAt(journal: Journal, shard: ShardId, position: Position): LogPlace | undefined {
  if (position === 0) return start;
  const tail = journal.tail(shard);
  if (position === tail.position) return { position, epoch: tail.epoch, chain: tail.chain };
  if (position > tail.position) return undefined;
  const result = journal.read(shard, position);
  if (result.type === 'hollow') return { position, epoch: result.epoch, chain: result.chain };
  const head = 'head' in result ? result.head : undefined;
  return head && { position, epoch: head.epoch, chain: head.chain };
}

/**
 * Rows from a position on, to be sent: at most `bytesMax` but at least one, none if the log ends before.
 * undefined if one of them is damaged: then this copy cannot fill another one past it.
 */
export async function readRows(
  journal: Journal,
  shard: ShardId,
  from: Position,
  bytesMax: number,
): Promise<readonly LogRow[] | undefined> {
  const rows: LogRow[] = [];
  let bytes = 0;
  for (const result of await journal.readRange(shard, from, bytesMax)) {
    if (result.type === 'record') rows.push(wholeRow(result));
    else if (result.type === 'hollow') {
      const { position, epoch, actorHash, bodyCrc, chain } = result;
      rows.push({ position, epoch, actorHash, bodyCrc, chain });
    } else return rows.length > 0 ? rows : undefined;
    bytes += rowLength(rows.at(-1)!);
    if (bytes >= bytesMax) break;
  }
  return rows;
}
