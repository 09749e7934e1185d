/**
 * I11: what a snapshot says is what the events before it add up to. Follows the committed part of a journal's logs, folds
 * each actor's events with its own class's handlers, and compares wherever a snapshot comes by.
 */
import type { ActorDefinition } from '../../actors/definition.ts';
import { decodeCommandBody, decodeSnapshotBody } from '../../persistence/codec.ts';
import type { Journal } from '../../persistence/journal.ts';
import type { SnapshotFold } from './inspection.ts';

interface Fold {
  state: unknown;
  /** Some of its events are gone (hollow, deleted): nothing can be said about it. */
  isKnown: boolean;
  /** Of the record before. */
  ordinal: number;
}

export class SnapshotFolds {
  readonly #journal: Journal;
  readonly #definitions: ReadonlyMap<string, ActorDefinition>;
  readonly #walked = new Map<number, number>();
  /** By shard and actor. */
  readonly #folds = new Map<number, Map<string, Fold>>();

  constructor(journal: Journal, definitions: readonly ActorDefinition[]) {
    this.#journal = journal;
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]));
  }

  /** Snapshots that were committed since the last call. */
  take(): readonly SnapshotFold[] {
    const folds: SnapshotFold[] = [];
    for (let shard = 0; shard < this.#journal.identity.shardCount; shard++) {
      const committed = this.#journal.committed(shard);
      // The copy was forgotten: what fills it again is folded from its beginning.
      if (committed < (this.#walked.get(shard) ?? 0)) {
        this.#walked.delete(shard);
        this.#folds.delete(shard);
      }
      for (let position = (this.#walked.get(shard) ?? 0) + 1; position <= committed; position++) {
        const fold = this.#walk(shard, position);
        if (fold) folds.push(fold);
      }
      this.#walked.set(shard, committed);
    }
    return folds;
  }

  #walk(shard: number, position: number): SnapshotFold | undefined {
    const read = this.#journal.read(shard, position);
    if (read.type !== 'record' || read.head.type === '') return undefined;
    const { head, body } = read;
    const memory = this.#definitions.get(head.type)?.memory;
    if (!memory) return undefined;
    const actor = `${head.type}/${head.id}`;
    const folds = this.#folds.get(shard) ?? new Map<string, Fold>();
    this.#folds.set(shard, folds);
    let fold = folds.get(actor);
    if (!fold) {
      fold = { state: memory.initialState(head.id), isKnown: true, ordinal: 0 };
      folds.set(actor, fold);
    }
    // A hollow record names no actor, but leaves a gap.
    if (head.ordinal !== fold.ordinal + 1) fold.isKnown = false;
    fold.ordinal = head.ordinal;
    if (head.kind === 'command') {
      for (const { type, data } of decodeCommandBody(body).events) {
        const event = memory.events.get(type);
        if (event) fold.state = event.apply(fold.state, data);
        else fold.isKnown = false;
      }
      return undefined;
    }
    if (head.kind !== 'snapshot') {
      fold.isKnown = false;
      return undefined;
    }
    const { state, sequenceNumber } = decodeSnapshotBody(body);
    const snapshot = JSON.stringify(state);
    return fold.isKnown ? { actor, sequenceNumber, snapshot, fold: JSON.stringify(fold.state) } : undefined;
  }
}
