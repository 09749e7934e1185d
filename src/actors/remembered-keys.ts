/**
 * The commands whose callers chose the id (an `Idempotency-Key`, or a parent's ask), so that a retry minutes later
 * gets the recorded reply. Ids that Greenroom assigns need no memory: a retry says what it knew before its first
 * attempt, and the log is searched from there (history.ts).
 *
 * Kept for at least 15 minutes, up to 10,000 per actor; oldest leave first. Nothing is allocated for an actor that
 * has none.
 */
import type { RememberedCommand } from '../persistence/codec.ts';
import { rememberedKeyMs, rememberedKeysMax } from './limits.ts';

export class RememberedKeys {
  /** In order of recording, which is also the order of time. */
  #entries: Map<string, RememberedCommand> | undefined;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  find(commandId: string): RememberedCommand | undefined {
    return this.#entries?.get(commandId);
  }

  add(entry: RememberedCommand): void {
    this.#entries ??= new Map();
    this.#entries.set(entry.commandId, entry);
    this.#evict(entry.time);
  }

  /** Those that are still remembered at `time`, oldest first. */
  remembered(time: number): readonly RememberedCommand[] {
    if (!this.#entries) return [];
    this.#evict(time);
    return [...this.#entries.values()];
  }

  #evict(time: number): void {
    for (const [commandId, entry] of this.#entries!) {
      if (this.#entries!.size <= rememberedKeysMax && entry.time >= time - rememberedKeyMs) return;
      this.#entries!.delete(commandId);
    }
  }
}
