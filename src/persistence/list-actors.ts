/**
 * Listing the actors of a type over all shards, by the bytes of their ids: each shard's index rows are a sorted range,
 * so a page is a merge of as many ranges as there are shards, each read a few rows at a time, with what is in memory
 * laid over them.
 *
 * A page shows one moment: the ranges and the layers in memory are taken in the same turn.
 */
import type { ActorId, ActorTypeName } from '../core/ids.ts';
import { decodeActorRow, LeastIds, withSnapshotFrom } from './actor-index.ts';
import { compareIds } from './compare-ids.ts';
import { type ActorIndexEntry, JournalError, type ListedActor } from './journal.ts';
import { actorRange, idOfActorKey } from './keys.ts';
import type { Database } from './log-scan.ts';
import type { OpenShard } from './open-shard.ts';

/** Rows that are read from a shard's range at once: its share of the page, and a few more. */
const rowsAtOnceMin = 4;

interface Cursor {
  readonly shard: OpenShard;
  readonly iterator: ReturnType<Database['iterator']>;
  readonly layer: (id: string) => ActorIndexEntry | undefined;
  rows: [Buffer, Buffer][];
  next: number;
  id: ActorId | undefined;
}

/** @param after exclusive */
export async function listActors(
  database: Database,
  shards: readonly OpenShard[],
  type: ActorTypeName,
  after: string | undefined,
  limit: number,
): Promise<readonly ListedActor[]> {
  const inMemory = leastInMemory(shards, type, after, limit);
  const snapshot = database.snapshot();
  const cursors: Cursor[] = shards.map((shard) => {
    const { recent, frozen } = shard;
    return {
      shard,
      iterator: database.iterator({ ...actorRange(shard.shard, shard.gen, type, after), snapshot }),
      layer: (id) => recent.get(type, id) ?? frozen?.overlay.get(type, id),
      rows: [],
      next: 0,
      id: undefined,
    };
  });
  const rowsAtOnce = Math.max(rowsAtOnceMin, Math.ceil((2 * limit) / shards.length));
  try {
    await Promise.all(cursors.map((cursor) => advance(cursor, rowsAtOnce)));
    return await merge(cursors, inMemory, type, limit, rowsAtOnce);
  } finally {
    await Promise.all(cursors.map(({ iterator }) => iterator.close()));
    await snapshot.close();
  }
}

/** The least ids in memory that are not deleted: more of them cannot be on the page. */
function leastInMemory(
  shards: readonly OpenShard[],
  type: string,
  after: string | undefined,
  limit: number,
): readonly ListedActor[] {
  const least = new LeastIds<ListedActor>(limit);
  for (const { shard, recent, frozen } of shards) {
    for (const [id, entry] of recent.ofType(type))
      if (!entry.deleted && isAfter(id, after))
        least.offer({ ...withSnapshotOf(entry, frozen?.overlay.get(type, id)), id: id as ActorId, shard });
    for (const [id, entry] of frozen?.overlay.ofType(type) ?? [])
      if (!entry.deleted && isAfter(id, after) && !recent.get(type, id))
        least.offer({ ...entry, id: id as ActorId, shard });
  }
  return least.items;
}

function isAfter(id: string, after: string | undefined): boolean {
  return after === undefined || compareIds(id, after) > 0;
}

function withSnapshotOf(entry: ActorIndexEntry, below: ActorIndexEntry | undefined): ActorIndexEntry {
  return below ? withSnapshotFrom(entry, below) : entry;
}

async function advance(cursor: Cursor, rowsAtOnce: number): Promise<void> {
  if (cursor.next >= cursor.rows.length) {
    cursor.rows = (await cursor.iterator.nextv(rowsAtOnce)) as [Buffer, Buffer][];
    cursor.next = 0;
  }
  const row = cursor.rows[cursor.next];
  cursor.id = row && idOfActorKey(row[0]);
}

async function merge(
  cursors: readonly Cursor[],
  inMemory: readonly ListedActor[],
  type: ActorTypeName,
  limit: number,
  rowsAtOnce: number,
): Promise<ListedActor[]> {
  const page: ListedActor[] = [];
  let nextInMemory = 0;
  while (page.length < limit) {
    const cursor = leastCursor(cursors);
    const remembered = inMemory[nextInMemory];
    if (!cursor && !remembered) break;
    if (remembered && (!cursor || compareIds(remembered.id, cursor.id!) <= 0)) {
      nextInMemory += 1;
      const onDisk = cursor?.id === remembered.id ? rowOf(cursor, type) : undefined;
      page.push({ ...withSnapshotFrom(remembered, onDisk), id: remembered.id, shard: remembered.shard });
      if (cursor && onDisk) await pass(cursor, rowsAtOnce);
      continue;
    }
    // What was in memory and is not on the page by now is deleted; what came since is newer than its row.
    const id = cursor!.id!;
    const layered = cursor!.layer(id);
    const onDisk = rowOf(cursor!, type);
    const entry = layered ? withSnapshotFrom(layered, onDisk) : onDisk;
    if (!entry.deleted) page.push({ ...entry, id, shard: cursor!.shard.shard });
    await pass(cursor!, rowsAtOnce);
  }
  return page;
}

function leastCursor(cursors: readonly Cursor[]): Cursor | undefined {
  let least: Cursor | undefined;
  for (const cursor of cursors)
    if (cursor.id !== undefined && (!least || compareIds(cursor.id, least.id!) < 0)) least = cursor;
  return least;
}

function rowOf(cursor: Cursor, type: ActorTypeName): ActorIndexEntry {
  const entry = decodeActorRow(type, cursor.id!, cursor.rows[cursor.next]![1]);
  if (entry) return entry;
  throw new JournalError(
    'STORE_DAMAGED',
    `the index row of ${type} '${cursor.id}' is damaged; run 'greenroom journal verify'`,
  );
}

async function pass(cursor: Cursor, rowsAtOnce: number): Promise<void> {
  cursor.next += 1;
  await advance(cursor, rowsAtOnce);
}
