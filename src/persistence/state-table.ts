/**
 * Hard states and control rows: all of them in memory, each on disk twice, far apart, and compared at opening. A tally
 * over them goes with every batch, so that a lost one is noticed.
 */
import type { ShardId } from '../core/ids.ts';
import type { BatchRows } from './group-commit.ts';
import type { HardState } from './journal.ts';
import { controlKey, hardStateKey } from './keys.ts';
import { encodeControl, encodeHardState } from './state-rows.ts';
import { stateRowHash, Tally, type TallyValue } from './tally.ts';

export class StateTable {
  readonly #hardStates = new Map<ShardId, HardState>();
  readonly #controls = new Map<string, Buffer>();
  readonly #hashes = new Map<string, number>();
  readonly #tally = new Tally();

  constructor(hardStates: ReadonlyMap<ShardId, HardState>, controls: ReadonlyMap<string, Buffer>) {
    for (const [shard, state] of hardStates) {
      this.#hardStates.set(shard, state);
      this.#count(hardStateKey(shard, 0), encodeHardState(shard, state));
    }
    for (const [name, value] of controls) {
      this.#controls.set(name, value);
      this.#count(controlKey(name, 0), encodeControl(value));
    }
  }

  /** Over the rows as they are now. */
  get tally(): TallyValue {
    return this.#tally;
  }

  hardState(shard: ShardId): HardState | undefined {
    return this.#hardStates.get(shard);
  }

  control(name: string): Buffer | undefined {
    return this.#controls.get(name);
  }

  setHardState(shard: ShardId, state: HardState, rows: BatchRows): void {
    this.#hardStates.set(shard, state);
    const value = encodeHardState(shard, state);
    rows.put(hardStateKey(shard, 0), value);
    rows.put(hardStateKey(shard, 1), value);
    this.#count(hardStateKey(shard, 0), value);
  }

  setControl(name: string, control: Uint8Array, rows: BatchRows): void {
    this.#controls.set(name, Buffer.from(control));
    const value = encodeControl(control);
    rows.put(controlKey(name, 0), value);
    rows.put(controlKey(name, 1), value);
    this.#count(controlKey(name, 0), value);
  }

  #count(key: Buffer, value: Buffer): void {
    const name = key.toString('latin1');
    const before = this.#hashes.get(name);
    if (before !== undefined) this.#tally.remove(before);
    const hash = stateRowHash(key, value);
    this.#hashes.set(name, hash);
    this.#tally.add(hash);
  }
}
