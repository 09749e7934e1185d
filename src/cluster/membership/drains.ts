/**
 * Draining, on the owner: before its shards are assigned to others, it admits nothing more for them and finishes what runs,
 * so that hardly anything is in doubt when they move. Advisory: only a promise fences. Without an assignment within
 * `resumeAfterMs` the owner goes on in the same epoch.
 */
import type { Clock } from '../../core/clock.ts';
import type { ShardId } from '../../core/ids.ts';
import type { Router } from '../routing/router.ts';
import type { OwnedShard } from '../shards/owned-shard.ts';
import type { Shards } from '../shards/shards.ts';
import type { ShardOfEpoch } from './member-messages.ts';

export interface DrainsOptions {
  readonly clock: Clock;
  readonly shards: Shards;
  readonly router: Router;
  readonly isQuietIn: (shards: ReadonlySet<ShardId>) => boolean;
  readonly dropShards: (shards: ReadonlySet<ShardId>) => void;
}

/** A command that still runs after this is revoked; its caller's router sends it to the new owner. */
const finishMs = 1_000;
/** Without an assignment by then, the owner goes on. */
const resumeAfterMs = 5_000;
const lookEveryMs = 2;

export class Drains {
  readonly #options: DrainsOptions;

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  /** Resolves with those that are drained: nothing runs, waits or is on its way to the replicas. */
  async drain(wanted: readonly ShardOfEpoch[]): Promise<readonly ShardOfEpoch[]> {
    const { clock, router } = this.#options;
    const owned = wanted
      .map(({ shard, epoch }) => ({ log: this.#options.shards.served(shard), epoch }))
      .filter(({ log, epoch }) => log?.epoch === epoch)
      .map(({ log }) => log!);
    const numbers = new Set(owned.map(({ shard }) => shard));
    for (const { shard, committed } of owned) router.noLongerHere(shard, committed);
    const endMs = clock.monotonicMs() + finishMs;
    const isBusy = () => owned.some((log) => log.hasUncommitted) || !this.#options.isQuietIn(numbers);
    while (isBusy() && clock.monotonicMs() < endMs)
      await new Promise<void>((resolve) => clock.schedule(lookEveryMs, resolve));
    this.#options.dropShards(numbers);
    clock.schedule(resumeAfterMs, () => this.#resume(owned));
    return owned.filter(({ isServing }) => isServing).map(({ shard, epoch }) => ({ shard, epoch }));
  }

  /** No assignment came. What was appended has to be settled first: whoever wakes next must not show it before. */
  #resume(owned: readonly OwnedShard[]): void {
    const { clock, router, shards } = this.#options;
    const waiting: OwnedShard[] = [];
    for (const log of owned) {
      if (shards.served(log.shard) !== log || router.isHere(log.shard)) continue;
      if (log.hasUncommitted) waiting.push(log);
      else router.becomeHere(log.shard, log.epoch, log.committed);
    }
    if (waiting.length > 0) clock.schedule(lookEveryMs * 10, () => this.#resume(waiting));
  }
}
