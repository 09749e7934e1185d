/**
 * Replays stored histories against classes, before those classes serve them: what a deployment would break is found
 * while the old code still runs.
 *
 * An event-sourced actor is replayed from its first event, not from its snapshot, as a snapshot hides an event that
 * the class has forgotten until the day the snapshot is of no use. Where old events were deleted on purpose, the
 * newest usable snapshot is the beginning. The replay must also lead to the state that the snapshot and the events
 * after it lead to (invariant I11): if it does not, a handler was changed and old actors would go on with the
 * old one's result.
 *
 * Reads only, and slices nothing: it is for a process that does nothing else.
 */
import { textHash } from '../core/hash.ts';
import type { ActorId, ActorTypeName, Position, SequenceNumber, ShardId } from '../core/ids.ts';
import { canonicalJson } from '../core/plain-data.ts';
import type { ActorIndexEntry, Journal, ListedActor, ListedWake, ReadResult } from '../persistence/journal.ts';
import type { ActorDefinition, MemoryDefinition } from './definition.ts';
import { HistoryError } from './history.ts';
import { Recovery } from './recovery.ts';
import type { AppendedAt, Confirmation, ShardLog } from './shard-log.ts';

/** Failures that are kept word by word; more are only counted. */
export const failuresKeptMax = 1_000;
const actorsPerPage = 1_000;
/** Rows of a log read at once, when looking for types. */
const scanBytesMax = 4 * 1024 * 1024;
/** No snapshot has this version, so that replay starts at the first event. */
const versionOfNoSnapshot = -1;

/** A history that does not fit its class. */
export interface HistoryFailure {
  readonly type: ActorTypeName;
  readonly id: ActorId;
  /** In the log of the actor's shard; undefined if it is not one record that fails. */
  readonly position: Position | undefined;
  readonly sequenceNumber: SequenceNumber | undefined;
  readonly event: string | undefined;
  readonly problem: string;
}

export interface CheckedType {
  readonly type: ActorTypeName;
  /** Actors of the type in the store. */
  actors: number;
  /** Those that were replayed. */
  checked: number;
  events: number;
  failed: number;
}

export interface HistoryReport {
  readonly types: readonly CheckedType[];
  /** At most {@link failuresKeptMax}. */
  readonly failures: readonly HistoryFailure[];
  /** Types in the store that no class serves, with the number of their records. Only looked for without `sample`. */
  readonly unserved: ReadonlyMap<string, number>;
}

export interface CheckHistoriesOptions {
  /** Open. */
  readonly journal: Journal;
  readonly definitions: readonly ActorDefinition[];
  /** Actors of each type at most: chosen by a hash of their ids, the same ones each time. */
  readonly sample?: number | undefined;
  readonly onProgress?: (type: string, checked: number) => void;
}

/** Replays the histories of every persistent class. */
export async function checkHistories(options: CheckHistoriesOptions): Promise<HistoryReport> {
  const { journal, sample, onProgress } = options;
  const failures: HistoryFailure[] = [];
  const types: CheckedType[] = [];
  for (const { name, kind, memory } of options.definitions) {
    if (memory === undefined) continue;
    const checked: CheckedType = { type: name, actors: 0, checked: 0, events: 0, failed: 0 };
    types.push(checked);
    for await (const actor of chosenActors(journal, name, sample, checked)) {
      const result = checkActor(journal, name, kind, memory, actor);
      checked.checked += 1;
      checked.events += result.events;
      if (result.failure !== undefined) {
        checked.failed += 1;
        if (failures.length < failuresKeptMax) failures.push(result.failure);
      }
      onProgress?.(name, checked.checked);
    }
  }
  const served = new Set<string>(options.definitions.map(({ name }) => name));
  const unserved = sample === undefined ? await unservedTypes(journal, served) : new Map<string, number>();
  return { types, failures, unserved };
}

async function* chosenActors(
  journal: Journal,
  type: ActorTypeName,
  sample: number | undefined,
  counted: CheckedType,
): AsyncGenerator<ListedActor> {
  let chosen: ListedActor[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await journal.listActors(type, after, actorsPerPage);
    counted.actors += page.length;
    if (sample === undefined) yield* page;
    else chosen = leastHashes([...chosen, ...page], sample);
    if (page.length < actorsPerPage) break;
    after = page.at(-1)!.id;
  }
  yield* chosen;
}

function leastHashes(actors: readonly ListedActor[], count: number): ListedActor[] {
  const hashed = actors.map((actor) => ({ actor, hash: textHash(actor.id) }));
  hashed.sort((a, b) => a.hash - b.hash);
  return hashed.slice(0, count).map(({ actor }) => actor);
}

function checkActor(
  journal: Journal,
  type: ActorTypeName,
  kind: ActorDefinition['kind'],
  memory: MemoryDefinition,
  { id, shard, newestPosition }: ListedActor,
): { readonly events: number; readonly failure: HistoryFailure | undefined } {
  const log = new StoredShardLog(journal, shard);
  const replay = (version: number) => {
    const recovery = new Recovery({
      memory: { ...memory, snapshotVersion: version },
      id,
      log,
      newest: newestPosition,
      freeze: true,
    });
    while (!recovery.step(() => false));
    return recovery.result;
  };
  const failure = (error: unknown) => ({ events: 0, failure: describeFailure(type, id, error) });
  let whole: ReturnType<typeof replay> | undefined;
  if (kind === 'eventSourced' && memory.retentionMs === undefined) {
    try {
      whole = replay(versionOfNoSnapshot);
    } catch (error) {
      // What the class does to an event has a cause; a place in the history that is gone has none, and a snapshot may cover it.
      if (!(error instanceof HistoryError) || error.cause !== undefined) return failure(error);
    }
  }
  try {
    const recovered = replay(memory.snapshotVersion);
    if (whole === undefined) return { events: recovered.eventsReplayed, failure: undefined };
    if (canonicalJson(whole.state) === canonicalJson(recovered.state)) {
      return { events: whole.eventsReplayed, failure: undefined };
    }
    const problem =
      'its events lead to another state than its snapshot: the handlers were changed; raise snapshotVersion if that is meant, so that old snapshots are passed over';
    const position = recovered.snapshotPosition;
    const differs = { type, id, position, sequenceNumber: undefined, event: undefined, problem };
    return { events: whole.eventsReplayed, failure: differs };
  } catch (error) {
    return failure(error);
  }
}

/** What {@link Recovery} says of an event: `position 9: event 3 ('Added'): …`. */
const eventFailure = /^position \d+: event (\d+) \('(.*?)'\): (.*)$/s;

function describeFailure(type: ActorTypeName, id: ActorId, error: unknown): HistoryFailure {
  const message = error instanceof Error ? error.message : String(error);
  const position = error instanceof HistoryError ? error.position : undefined;
  const match = eventFailure.exec(message);
  if (!match) {
    const problem = message.replace(/^position \d+: /, '');
    return { type, id, position, sequenceNumber: undefined, event: undefined, problem };
  }
  return { type, id, position, sequenceNumber: Number(match[1]), event: match[2], problem: match[3]! };
}

/** Types that have records and no class: renamed ones, most likely. */
async function unservedTypes(journal: Journal, served: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (let shard = 0; shard < journal.identity.shardCount; shard++) {
    const tail = journal.tail(shard).position;
    for (let from = 1; from <= tail; ) {
      const rows = await journal.readRange(shard, from, scanBytesMax);
      if (rows.length === 0) break;
      from += rows.length;
      for (const row of rows) {
        if (row.type !== 'record' || row.head.kind !== 'command' || served.has(row.head.type)) continue;
        found.set(row.head.type, (found.get(row.head.type) ?? 0) + 1);
      }
    }
  }
  return found;
}

/** A shard's log as it lies on the disk, for reading alone. */
class StoredShardLog implements ShardLog {
  readonly shard: ShardId;
  readonly epochBeganAt = 0;
  readonly newestTime = 0;
  readonly confirmsAtOnce = true;
  readonly #journal: Journal;

  constructor(journal: Journal, shard: ShardId) {
    this.shard = shard;
    this.#journal = journal;
  }

  get committed(): Position {
    return this.#journal.tail(this.shard).position;
  }

  confirm(confirmation: Confirmation): void {
    confirmation.confirmed();
  }

  refusal(): { readonly code: 'UNAVAILABLE'; readonly message: string } {
    return { code: 'UNAVAILABLE', message: 'histories are only read here' };
  }

  append(): AppendedAt {
    throw new Error('histories are only read here');
  }

  read(position: Position): ReadResult {
    return this.#journal.read(this.shard, position);
  }

  actor(type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    return this.#journal.actor(this.shard, type, id);
  }

  awaitRepair(_position: Position, told: (isRepaired: boolean) => void): void {
    told(false);
  }

  wakes(): Promise<readonly ListedWake[]> {
    return Promise.resolve([]);
  }

  hollow(): void {
    throw new Error('histories are only read here');
  }
}
