/**
 * The index of actors: where each one's newest records are. It is derived from the log, record by record, by
 * {@link entryAfter}; what is not on disk yet lies in an {@link ActorOverlay}, and on disk there is one row an actor:
 *
 *     0  u32  crc-32 of the rest, xor the hash of (type, id): a row under another actor's key does not verify
 *     4  u8   format (1)
 *     5  u8   1 if deleted
 *     6  u48  sequence number
 *    12  u48  newest position
 *    18  u48  newest snapshot's position
 *    24  u48  when to wake it; absent if there is nothing to do. Then there is a wake row, too (keys.ts, `W`)
 *
 * An overlay entry may not know its actor's newest snapshot ({@link snapshotUnknown}): an actor that is not in the
 * overlay gets an entry without its row being read first, because an append must not cost a read. Whoever needs the
 * snapshot takes it from the layer below.
 */
import { actorHash } from '../core/hash.ts';
import type { Position } from '../core/ids.ts';
import { compareIds } from './compare-ids.ts';
import { crc32 } from './crc32.ts';
import type { ActorIndexEntry, ListedWake, WakeMark } from './journal.ts';
import { lastSequence, type RecordHead, readU48, recordFormat, writeU48 } from './record.ts';
import { WakeOrder } from './wake-order.ts';

/** In an overlay: the newest snapshot is the one the layer below knows. */
export const snapshotUnknown: Position = -1;

const rowBytes = 24;
const wakingRowBytes = 30;

/**
 * An actor's entry after one more record.
 *
 * @param before its entry before; undefined if it has none, or if it is not known and the record is a command (then
 *   the result's snapshot may be {@link snapshotUnknown})
 */
export function entryAfter(before: ActorIndexEntry | undefined, head: RecordHead): ActorIndexEntry {
  const sequenceNumber = lastSequence(head);
  const newestPosition = head.position;
  const { wakeAt } = head;
  switch (head.kind) {
    case 'snapshot':
      return {
        sequenceNumber,
        newestPosition,
        snapshotPosition: newestPosition,
        deleted: before?.deleted === true && isNextOf(before, head),
        wakeAt,
      };
    case 'deleted':
      return { sequenceNumber, newestPosition, snapshotPosition: newestPosition, deleted: true, wakeAt };
    default:
      return {
        sequenceNumber,
        newestPosition,
        snapshotPosition: before ? before.snapshotPosition : head.ordinal <= 1 ? 0 : snapshotUnknown,
        deleted: false,
        wakeAt,
      };
  }
}

/** Nothing of the actor lies between: what did may have become hollow, and then the index is told nothing of it. */
function isNextOf(before: ActorIndexEntry, head: RecordHead): boolean {
  return (head.previous[0] ?? before.newestPosition) === before.newestPosition;
}

/** The entry, with its snapshot taken from the layer below where it does not know it. */
export function withSnapshotFrom(entry: ActorIndexEntry, below: ActorIndexEntry | undefined): ActorIndexEntry {
  if (entry.snapshotPosition !== snapshotUnknown) return entry;
  return { ...entry, snapshotPosition: below ? below.snapshotPosition : 0 };
}

/** Entries by type and id. (Two maps instead of one with joined keys: no string is built per record.) */
export class ActorOverlay {
  readonly #types = new Map<string, Map<string, ActorIndexEntry>>();
  #wakes: WakeOrder | undefined;

  get isEmpty(): boolean {
    return this.#types.size === 0;
  }

  get(type: string, id: string): ActorIndexEntry | undefined {
    return this.#types.get(type)?.get(id);
  }

  set(type: string, id: string, entry: ActorIndexEntry): void {
    let ids = this.#types.get(type);
    if (!ids) {
      ids = new Map();
      this.#types.set(type, ids);
    }
    ids.set(id, entry);
    if (entry.wakeAt === 0) return;
    this.#wakes ??= new WakeOrder((type, id) => this.get(type, id)?.wakeAt ?? 0);
    this.#wakes.add(entry.wakeAt, type, id);
  }

  /** The next actors to wake after a mark, soonest first. */
  wakes(after: WakeMark, limit: number): readonly ListedWake[] {
    return this.#wakes?.next(after, limit) ?? [];
  }

  delete(type: string, id: string): void {
    const ids = this.#types.get(type);
    if (ids?.delete(id) && ids.size === 0) this.#types.delete(type);
  }

  /** The entries of one type. */
  ofType(type: string): Iterable<[id: string, entry: ActorIndexEntry]> {
    return this.#types.get(type) ?? [];
  }

  *entries(): Generator<{ readonly type: string; readonly id: string; readonly entry: ActorIndexEntry }> {
    for (const [type, ids] of this.#types) for (const [id, entry] of ids) yield { type, id, entry };
  }

  /** Puts everything of a newer overlay on top of this one. */
  cover(newer: ActorOverlay): void {
    for (const { type, id, entry } of newer.entries())
      this.set(type, id, withSnapshotIfKnown(entry, this.get(type, id)));
  }
}

function withSnapshotIfKnown(entry: ActorIndexEntry, below: ActorIndexEntry | undefined): ActorIndexEntry {
  return below ? withSnapshotFrom(entry, below) : entry;
}

export function encodeActorRow(type: string, id: string, entry: ActorIndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(entry.wakeAt > 0 ? wakingRowBytes : rowBytes);
  bytes[4] = recordFormat;
  bytes[5] = entry.deleted ? 1 : 0;
  writeU48(bytes, entry.sequenceNumber, 6);
  writeU48(bytes, entry.newestPosition, 12);
  writeU48(bytes, entry.snapshotPosition, 18);
  if (entry.wakeAt > 0) writeU48(bytes, entry.wakeAt, rowBytes);
  bytes.writeUInt32BE((crc32(bytes, 4) ^ actorHash(type, id)) >>> 0, 0);
  return bytes;
}

/** @returns undefined if the row is damaged or another actor's */
export function decodeActorRow(type: string, id: string, bytes: Buffer): ActorIndexEntry | undefined {
  if ((bytes.length !== rowBytes && bytes.length !== wakingRowBytes) || bytes[4] !== recordFormat) return undefined;
  if (bytes.readUInt32BE(0) !== (crc32(bytes, 4) ^ actorHash(type, id)) >>> 0) return undefined;
  return {
    sequenceNumber: readU48(bytes, 6),
    newestPosition: readU48(bytes, 12),
    snapshotPosition: readU48(bytes, 18),
    deleted: bytes[5] === 1,
    wakeAt: bytes.length === wakingRowBytes ? readU48(bytes, rowBytes) : 0,
  };
}

/** Keeps the `limit` least ids of all that are offered. */
export class LeastIds<T extends { readonly id: string }> {
  readonly #limit: number;
  readonly #sorted: T[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  offer(item: T): void {
    const sorted = this.#sorted;
    if (sorted.length === this.#limit && compareIds(item.id, sorted[sorted.length - 1]!.id) >= 0) return;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIds(sorted[middle]!.id, item.id) < 0) low = middle + 1;
      else high = middle;
    }
    sorted.splice(low, 0, item);
    if (sorted.length > this.#limit) sorted.pop();
  }

  /** Ascending. */
  get items(): readonly T[] {
    return this.#sorted;
  }
}
