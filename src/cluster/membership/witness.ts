/**
 * What this node has seen of other stores: the newest synced batch that each has shown. A store that comes back with fewer
 * has forgotten what it said: an old copy of its disk was put in its place.
 *
 * Kept on this node's own disk, a little late, because it restarts, too. What it notes is itself a batch, of which others
 * take note: so only what is newer by two is worth writing, else nodes that do nothing would never come to rest.
 */
import type { StoreId } from '../../core/ids.ts';
import { type Journal, unheard } from '../../persistence/journal.ts';

const row = 'witnessed';
/** Stores that are remembered. Beyond, the one noted first is forgotten. */
const storesMax = 1_000;
const worthWriting = 2;

export class Witness {
  readonly #journal: Journal;
  readonly #seen: Map<StoreId, number>;
  readonly #written: Map<StoreId, number>;

  constructor(journal: Journal) {
    this.#journal = journal;
    const written = journal.control(row);
    const entries: readonly [StoreId, number][] = written ? JSON.parse(written.toString()) : [];
    this.#seen = new Map(entries);
    this.#written = new Map(entries);
  }

  /** The newest batch that the store has shown; 0 if none. */
  seen(storeId: StoreId): number {
    return this.#seen.get(storeId) ?? 0;
  }

  saw(storeId: StoreId, batch: number): void {
    if (batch <= this.seen(storeId)) return;
    this.#seen.set(storeId, batch);
    if (this.#seen.size > storesMax) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** Puts what is new on disk; nothing waits for it. */
  keep(): void {
    if (this.#journal.status !== 'open') return;
    const isNewer = ([storeId, batch]: [StoreId, number]) => batch >= (this.#written.get(storeId) ?? 0) + worthWriting;
    if (![...this.#seen].some(isNewer)) return;
    for (const [storeId, batch] of this.#seen) this.#written.set(storeId, batch);
    const text = JSON.stringify([...this.#seen]);
    this.#journal.setControl(row, Buffer.from(text), unheard);
  }
}
