/**
 * Listing the actors of a shard that have to be woken, soonest first: the wake rows on disk are a sorted range, and
 * what is in memory lies over them. A row of an actor that is in memory says what was; its entry says what is.
 *
 * A page shows one moment: the range and the layers in memory are taken in the same turn.
 */
import type { ListedWake, WakeMark } from './journal.ts';
import { parseWakeKey, wakeRange } from './keys.ts';
import type { Database } from './log-scan.ts';
import type { OpenShard } from './open-shard.ts';
import { compareWakes } from './wake-order.ts';

/** Rows that are read at once. */
const rowsAtOnceMax = 512;

/** @param after exclusive */
export async function listWakes(
  database: Database,
  open: OpenShard,
  after: WakeMark,
  limit: number,
): Promise<readonly ListedWake[]> {
  const { recent, frozen } = open;
  const inMemory = wakesInMemory(open, after, limit);
  // Appends go on while rows are read: an actor that was not in memory now, but is then, is newer than this page.
  const isInMemory = ({ type, id }: ListedWake) =>
    recent.get(type, id) !== undefined || frozen?.overlay.get(type, id) !== undefined;
  const onDisk: ListedWake[] = [];
  const iterator = database.keys(wakeRange(open.shard, open.gen, after));
  try {
    while (onDisk.length < limit) {
      const keys = await iterator.nextv(Math.min(rowsAtOnceMax, limit));
      if (keys.length === 0) break;
      for (const key of keys) {
        const found = parseWakeKey(key);
        if (found && !isInMemory(found)) onDisk.push({ wakeAt: found.wakeAt, type: found.type, id: found.id });
      }
    }
  } finally {
    await iterator.close();
  }
  return onDisk.concat(inMemory).sort(compareWakes).slice(0, limit);
}

function wakesInMemory({ recent, frozen }: OpenShard, after: WakeMark, limit: number): ListedWake[] {
  const found = [...recent.wakes(after, limit)];
  if (!frozen) return found;
  // An actor of the frozen layer may have moved on in the recent one: what is passed over makes room for others.
  let from = after;
  let missing = limit;
  for (;;) {
    const page = frozen.overlay.wakes(from, missing);
    const valid = page.filter(({ type, id }) => recent.get(type, id) === undefined);
    found.push(...valid);
    if (page.length < missing || valid.length === page.length) return found;
    from = page.at(-1)!;
    missing -= valid.length;
  }
}
