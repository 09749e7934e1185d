/** Writes records into a journal under test as an actor's owner would: sequence numbers, ordinals and distances fit. */
import { actorHash } from '../core/hash.ts';
import type { ActorId, ActorTypeName, Position, ShardId } from '../core/ids.ts';
import type { Completion, Journal, LogTail } from '../persistence/journal.ts';
import { type EncodedRecord, encodeRecord, lastSequence, type RecordKind } from '../persistence/record.ts';

export const suiteShardCount = 4;

export const counter = 'Counter' as ActorTypeName;

export const ignore: Completion = { durable() {}, failed() {} };

/** An id that begins with `name` and belongs to the shard. */
export function idIn(shard: ShardId, name: string, type: string = counter, shardCount = suiteShardCount): ActorId {
  for (let i = 0; ; i++) {
    const id = `${name}.${i}`;
    if (actorHash(type, id) % shardCount === shard) return id as ActorId;
  }
}

export interface WriteOptions {
  readonly kind?: RecordKind;
  readonly events?: number;
  readonly epoch?: number;
  readonly body?: Buffer;
  readonly wakeAt?: number;
}

/** Appends records as an actor's owner would: sequence numbers, ordinals and distances fit. */
export class Writer {
  readonly #journal: Journal;
  readonly #actors: Map<string, { ordinal: number; sequence: number; positions: Position[] }>;

  constructor(journal: Journal, before?: Writer) {
    this.#journal = journal;
    this.#actors = before ? before.#actors : new Map();
  }

  /** What was appended to the shard may have been cut off: starts its actors from what the journal knows. */
  forget(shard: ShardId): void {
    for (const key of this.#actors.keys()) if (key.startsWith(`${shard}/`)) this.#actors.delete(key);
  }

  append(shard: ShardId, name: string, options: WriteOptions = {}, completion: Completion = ignore): EncodedRecord {
    return this.#append(shard, counter, idIn(shard, name), options, completion);
  }

  appendFor(type: ActorTypeName, id: ActorId, options: WriteOptions = {}): EncodedRecord {
    return this.#append(actorHash(type, id) % suiteShardCount, type, id, options, ignore);
  }

  /** A record of no actor. */
  appendEpochStart(shard: ShardId, epoch: number, completion: Completion = ignore): EncodedRecord {
    const record = draft(shard, { ...this.#journal.tail(shard) }, '', { kind: 'epochStart', epoch, events: 0 });
    this.#journal.append(shard, record, completion);
    return record;
  }

  #append(
    shard: ShardId,
    type: ActorTypeName,
    id: ActorId,
    options: WriteOptions,
    completion: Completion,
  ): EncodedRecord {
    const key = `${shard}/${type}/${id}`;
    const tail = this.#journal.tail(shard);
    let actor = this.#actors.get(key);
    if (!actor) {
      const entry = this.#journal.actor(shard, type, id);
      const newest = entry && this.#journal.read(shard, entry.newestPosition);
      actor = {
        ordinal: newest?.type === 'record' ? newest.head.ordinal : 0,
        sequence: entry?.sequenceNumber ?? 0,
        positions: entry ? [entry.newestPosition] : [],
      };
      this.#actors.set(key, actor);
    }
    const events = options.events ?? 1;
    const record = encodeRecord(
      {
        kind: options.kind ?? 'command',
        type,
        id,
        actorHash: actorHash(type, id),
        firstSequence: events === 0 ? actor.sequence : actor.sequence + 1,
        eventCount: events,
        ordinal: actor.ordinal + 1,
        previous: actor.positions.slice(-1),
        body: options.body ?? Buffer.from(`${type} ${id} ${actor.ordinal + 1}`),
        wakeAt: options.wakeAt ?? 0,
      },
      stampAfter(tail, options.epoch),
    );
    this.#journal.append(shard, record, completion);
    actor.ordinal += 1;
    actor.sequence = lastSequence(record.head);
    actor.positions = [record.head.position];
    return record;
  }
}

function stampAfter(
  tail: LogTail,
  epoch = Math.max(1, tail.epoch),
): {
  position: Position;
  epoch: number;
  time: number;
  previousChain: number;
} {
  return { position: tail.position + 1, epoch, time: tail.time + 1, previousChain: tail.chain };
}

export function draft(shard: ShardId, tail: LogTail, name: string, options: WriteOptions = {}): EncodedRecord {
  const id = name === '' ? ('' as const) : idIn(shard, name);
  const type = name === '' ? ('' as const) : counter;
  return encodeRecord(
    {
      kind: options.kind ?? 'command',
      type,
      id,
      actorHash: name === '' ? 0 : actorHash(type, id),
      firstSequence: name === '' ? 0 : 1,
      eventCount: options.events ?? 1,
      ordinal: 1,
      previous: [],
      body: Buffer.from('x'),
    },
    stampAfter(tail, options.epoch),
  );
}
