/**
 * Looking actors up in an open shard's layers (see open-shard.ts), and keeping the newest layer up with the log, when
 * it grows and when it is cut.
 */
import type { ActorId, ActorTypeName, Position } from '../core/ids.ts';
import { decodeActorRow, entryAfter, snapshotUnknown, withSnapshotFrom } from './actor-index.ts';
import type { HollowRecord } from './hollow.ts';
import { type ActorIndexEntry, JournalError } from './journal.ts';
import { actorKey } from './keys.ts';
import { headOf, type LogReader } from './log-reader.ts';
import type { Database } from './log-scan.ts';
import type { OpenShard } from './open-shard.ts';
import type { RecordHead } from './record.ts';

export class ActorLayers {
  readonly #database: Database;
  readonly #reader: LogReader;

  constructor(database: Database, reader: LogReader) {
    this.#database = database;
    this.#reader = reader;
  }

  /** @throws JournalError `STORE_DAMAGED` if the actor's index row does not verify */
  get(open: OpenShard, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    const entry = open.recent.get(type, id) ?? open.frozen?.overlay.get(type, id);
    if (entry && entry.snapshotPosition !== snapshotUnknown) return entry;
    const below = this.#onDisk(open, type, id);
    return entry ? withSnapshotFrom(entry, below) : below;
  }

  /** A record was appended. */
  appended(open: OpenShard, head: RecordHead): void {
    if (head.type === '') return;
    const type = head.type as ActorTypeName;
    const id = head.id as ActorId;
    let before = open.recent.get(type, id) ?? open.frozen?.overlay.get(type, id);
    if (!before && head.kind === 'snapshot') before = this.#onDisk(open, type, id);
    open.recent.set(type, id, entryAfter(before, head));
  }

  /** Records were cut off: each of their actors is where it was before the first of them. */
  cutOff(open: OpenShard, removed: readonly (RecordHead | HollowRecord)[]): void {
    const seen = new Set<string>();
    for (const head of removed) {
      if (!('kind' in head) || head.type === '') continue;
      const type = head.type as ActorTypeName;
      const id = head.id as ActorId;
      const name = `${type}/${id}`;
      if (seen.has(name)) continue;
      seen.add(name);
      const entry = this.#entryAt(open, type, id, head.previous[0] ?? 0);
      if (entry) open.recent.set(type, id, entry);
      else open.recent.delete(type, id);
    }
  }

  /** An actor's entry if its newest record is at `newest`; undefined if the layers below the newest know it. */
  #entryAt(open: OpenShard, type: ActorTypeName, id: ActorId, newest: Position): ActorIndexEntry | undefined {
    const covered = open.frozen?.tail.position ?? open.base.position;
    const heads: RecordHead[] = [];
    let hasSnapshot = false;
    let isDeletionKnown = false;
    for (let at = newest; at > covered; ) {
      const head = headOf(this.#reader.read(open, at));
      if (!head) break;
      heads.push(head);
      // Once both are known, nothing older changes the outcome.
      hasSnapshot ||= head.kind !== 'command';
      isDeletionKnown ||= head.kind !== 'snapshot';
      if (hasSnapshot && isDeletionKnown) break;
      at = head.previous[0] ?? 0;
    }
    if (heads.length === 0) return undefined;
    let entry = open.frozen?.overlay.get(type, id) ?? this.#onDisk(open, type, id);
    for (const head of heads.reverse()) entry = entryAfter(entry, head);
    return entry;
  }

  #onDisk(open: OpenShard, type: ActorTypeName, id: ActorId): ActorIndexEntry | undefined {
    const bytes = this.#database.getSync(actorKey(open.shard, open.gen, type, id));
    if (!bytes) return undefined;
    const entry = decodeActorRow(type, id, bytes);
    if (entry) return entry;
    throw new JournalError(
      'STORE_DAMAGED',
      `the index row of ${type} '${id}' is damaged; run 'greenroom journal verify'`,
    );
  }
}
