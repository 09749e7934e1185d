/**
 * A shard's log on its owner, with one replica: this disk. A record is committed when its batch is fsynced.
 *
 * The owner serves an epoch of its own: it promises it, writes an epoch start, and only then takes records (DESIGN
 * §6, O1–O5). With one replica the promise is its own and the quorum is itself.
 */
import type { AppendedAt, AppendOutcome, Confirmation, ShardLog } from '../actors/shard-log.ts';
import type { ActorId, ActorTypeName, Epoch, Position, ShardId } from '../core/ids.ts';
import {
  type ActorIndexEntry,
  type Completion,
  type Journal,
  type ListedWake,
  type ReadResult,
  unheard,
  type WakeMark,
} from '../persistence/journal.ts';
import { encodeRecord, type RecordDraft } from '../persistence/record.ts';
import { epochStart } from './epoch-start.ts';

/** Appended bytes not yet durable on one node. Beyond: commands that record something are `OVERLOADED`. */
export const pendingBytesMax = 64 * 1024 * 1024;

/** Why the node as a whole cannot record just now; undefined if it can. */
export type NodeRefusal = () => string | undefined;

export class OwnedShardLog implements ShardLog, Completion {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  readonly epochBeganAt: number;
  readonly confirmsAtOnce = true;
  readonly #journal: Journal;
  readonly #nodeRefusal: NodeRefusal;
  #position: Position;
  #chain: number;
  #time: number;
  #committed: Position;
  /** In the order of appending, which is the order of completion. */
  #outcomes: AppendOutcome[] = [];
  #firstOutcome = 0;

  /** Begins the next epoch; `whenServing` is called once its start is durable. */
  constructor(journal: Journal, shard: ShardId, timeMs: number, nodeRefusal: NodeRefusal, whenServing: Completion) {
    this.shard = shard;
    this.#journal = journal;
    this.#nodeRefusal = nodeRefusal;
    const tail = journal.tail(shard);
    const promised = journal.hardState(shard)?.promisedEpoch ?? 0;
    this.epoch = Math.max(promised, tail.epoch) + 1;
    this.#position = tail.position;
    this.#chain = tail.chain;
    this.#time = tail.time;
    this.#committed = tail.position;
    const { identity } = journal;
    journal.setHardState(shard, { promisedEpoch: this.epoch, promisedTo: identity.storeId }, unheard);
    const start = epochStart(identity.clusterId, identity.storeId, [identity.storeId]);
    const began = { committed: () => whenServing.durable(), lost: (error: Error) => whenServing.failed(error) };
    this.epochBeganAt = this.append(start, timeMs, began).time;
  }

  confirm(confirmation: Confirmation): void {
    confirmation.confirmed();
  }

  get committed(): Position {
    return this.#committed;
  }

  get newestTime(): number {
    return this.#time;
  }

  refusal(): { readonly code: 'OVERLOADED' | 'UNAVAILABLE'; readonly message: string } | undefined {
    const reason = this.#nodeRefusal();
    if (reason !== undefined) return { code: 'UNAVAILABLE', message: reason };
    if (this.#journal.status !== 'open') return { code: 'UNAVAILABLE', message: 'this node can keep nothing any more' };
    if (this.#journal.pendingBytes <= pendingBytesMax) return undefined;
    return { code: 'OVERLOADED', message: `the disk is behind by ${pendingBytesMax} bytes` };
  }

  append(draft: RecordDraft, timeMs: number, outcome: AppendOutcome): AppendedAt {
    const time = Math.max(this.#time, timeMs);
    const position = this.#position + 1;
    const record = encodeRecord(draft, { position, epoch: this.epoch, time, previousChain: this.#chain });
    this.#position = position;
    this.#chain = record.head.chain;
    this.#time = time;
    this.#outcomes.push(outcome);
    this.#journal.append(this.shard, record, this);
    return { position, time, bytes: record.bytes.length };
  }

  /** The oldest append that was not durable yet now is (the journal completes in order). */
  durable(): void {
    const outcome = this.#takeOutcome();
    this.#committed += 1;
    this.#journal.commit(this.shard, this.#committed);
    outcome.committed();
  }

  failed(error: Error): void {
    this.#takeOutcome().lost(error);
  }

  read(position: Position): ReadResult {
    return this.#journal.read(this.shard, position);
  }

  awaitRepair(_position: Position, told: (isRepaired: boolean) => void): void {
    told(false);
  }

  actor(type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    return this.#journal.actor(this.shard, type, id);
  }

  wakes(after: WakeMark, limit: number): Promise<readonly ListedWake[]> {
    return this.#journal.wakes(this.shard, after, limit);
  }

  hollow(positions: readonly Position[], completion: Completion): void {
    this.#journal.hollow(this.shard, positions, completion);
  }

  #takeOutcome(): AppendOutcome {
    const outcome = this.#outcomes[this.#firstOutcome]!;
    this.#firstOutcome += 1;
    if (this.#firstOutcome === this.#outcomes.length) {
      this.#outcomes = [];
      this.#firstOutcome = 0;
    }
    return outcome;
  }
}
