/**
 * Who has to be woken, and when: one for all shards of a node. It reads the shards' wake indexes in the order of time,
 * and hands each actor whose time has come to the host; the host wakes it and lets it do what is due (tick.ts).
 *
 * Only the next time of each shard and a place in its index are in memory, whatever is registered. A place moves on when
 * an actor was handed over, and back when
 *
 * - a record names a time before it (the index then has the actor there again),
 * - an actor could not be woken, or left memory without having done what was due.
 *
 * So every wake is handed over at least once, on whichever node owns the shard, and one too many does no harm: a woken
 * actor looks at its own memory for what is due. Time is the wall clock's; it is looked at every second at least, so
 * that a clock that is set forward is noticed.
 */
import type { Clock } from '../core/clock.ts';
import type { GreenroomError, Rejection } from '../core/errors.ts';
import type { ShardId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { ListedWake, WakeMark } from '../persistence/journal.ts';
import { unsentWakeAt } from '../persistence/record.ts';
import { firstWake } from '../persistence/wake-order.ts';
import type { Activation } from './activation.ts';
import type { Caller } from './envelope.ts';
import {
  wakeLookEveryMs,
  wakePauseMaxMs,
  wakePauseMinMs,
  wakeReadsMax,
  wakesInFlightMax,
  wakesPerPage,
} from './limits.ts';
import type { ActorMistaken } from './mistakes.ts';
import type { ShardLog } from './shard-log.ts';

export interface WakerDriver {
  readonly shardCount: number;
  readonly clock: Clock;
  readonly diagnostics: Log;
  readonly mistaken?: ActorMistaken;
  /** The log of a shard this node owns. */
  shardLog(shard: ShardId): ShardLog | undefined;
  isActive(wake: ListedWake): boolean;
  /** Wakes the actor and lets it do what is due; tells the caller when that is done. */
  wake(wake: ListedWake, caller: Caller): void;
}

interface ShardWakes {
  readonly log: ShardLog;
  /** Everything up to here was handed over. */
  place: WakeMark;
  /** The first time after the place at which somebody has to be woken, as far as that is known. */
  nextAt: number;
  isReading: boolean;
  /** The earliest time that a record named while the index was being read. */
  notedAt: number;
  /** When (on the monotonic clock) the place moves back, and to which time. */
  retryAtMs: number;
  retryFrom: number;
}

const never = Number.POSITIVE_INFINITY;

export class Waker {
  readonly #driver: WakerDriver;
  readonly #shards: (ShardWakes | undefined)[] = [];
  /** Actors handed over whose wake is not done; whether they came up again meanwhile. */
  readonly #inFlight = new Map<string, boolean>();
  #readings = 0;
  #cancelLook: (() => void) | undefined;
  /** When the next look is planned, on the wall clock. */
  #lookAt = never;
  #isLooking = false;
  #isStopped = true;

  constructor(driver: WakerDriver) {
    this.#driver = driver;
  }

  /** Something is being read or woken. */
  get isBusy(): boolean {
    return !this.#isStopped && (this.#readings > 0 || this.#inFlight.size > 0);
  }

  start(): void {
    this.#isStopped = false;
    this.look();
  }

  /** Nobody is woken any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  /** The newest record of an actor in memory says when it has to be woken. */
  recorded(activation: Activation): void {
    const { recordedWakeAt, log, memory } = activation;
    activation.cancelWatch?.();
    activation.cancelWatch = undefined;
    if (recordedWakeAt > unsentWakeAt) this.#noted(log!.shard, recordedWakeAt);
    else if (recordedWakeAt === unsentWakeAt && memory.reminders.size > 0 && !this.#isStopped) this.#watch(activation);
  }

  #noted(shard: ShardId, wakeAt: number): void {
    const wakes = this.#shards[shard];
    if (!wakes || this.#isStopped) return;
    if (wakes.isReading) wakes.notedAt = Math.min(wakes.notedAt, wakeAt);
    else if (wakeAt <= wakes.place.wakeAt) this.#moveBack(wakes, wakeAt);
    else if (wakeAt < wakes.nextAt) wakes.nextAt = wakeAt;
    if (wakeAt < this.#lookAt) this.#plan(wakeAt);
  }

  /** An actor left memory. */
  left({ log, recordedWakeAt: wakeAt }: Activation): void {
    const wakes = log && this.#shards[log.shard];
    if (wakes && wakeAt > 0 && wakeAt <= wakes.place.wakeAt) this.#retry(wakes, wakeAt, wakePauseMinMs);
  }

  /** Hands over what is due, and plans the next look. */
  look(): void {
    if (this.#isStopped || this.#isLooking) return;
    this.#isLooking = true;
    const { shardCount, clock } = this.#driver;
    const nowMs = clock.wallMs();
    let nextAt = never;
    for (let shard = 0; shard < shardCount; shard++) {
      const wakes = this.#owned(shard);
      if (!wakes || wakes.isReading) continue;
      if (wakes.retryAtMs <= clock.monotonicMs()) this.#moveBack(wakes, wakes.retryFrom);
      if (wakes.nextAt > nowMs) nextAt = Math.min(nextAt, wakes.nextAt);
      else if (this.#readings < wakeReadsMax && this.#inFlight.size < wakesInFlightMax) this.#read(wakes);
    }
    this.#isLooking = false;
    this.#plan(nextAt);
  }

  #owned(shard: ShardId): ShardWakes | undefined {
    const log = this.#driver.shardLog(shard);
    const known = this.#shards[shard];
    if (known?.log === log) return known;
    const { clock, mistaken } = this.#driver;
    const forgets = mistaken?.('wakes of before not read by a new owner');
    const wakes = log && {
      log,
      place: forgets ? { ...firstWake, wakeAt: clock.wallMs() } : firstWake,
      nextAt: 0,
      isReading: false,
      notedAt: never,
      retryAtMs: never,
      retryFrom: never,
    };
    this.#shards[shard] = wakes;
    return wakes;
  }

  #plan(atMs: number): void {
    if (this.#isStopped || this.#isLooking) return;
    this.#cancelLook?.();
    const { clock } = this.#driver;
    const delayMs = Math.min(wakeLookEveryMs, Math.max(0, atMs - clock.wallMs()));
    this.#lookAt = clock.wallMs() + delayMs;
    this.#cancelLook = clock.schedule(delayMs, () => {
      this.#lookAt = never;
      this.look();
    });
  }

  #moveBack(wakes: ShardWakes, wakeAt: number): void {
    if (wakes.place.wakeAt >= wakeAt) wakes.place = { wakeAt, type: '', id: '' };
    wakes.nextAt = Math.min(wakes.nextAt, wakeAt);
    if (wakes.retryFrom >= wakeAt) {
      wakes.retryAtMs = never;
      wakes.retryFrom = never;
    }
  }

  #retry(wakes: ShardWakes, wakeAt: number, pauseMs: number): void {
    wakes.retryAtMs = Math.min(wakes.retryAtMs, this.#driver.clock.monotonicMs() + pauseMs);
    wakes.retryFrom = Math.min(wakes.retryFrom, wakeAt);
  }

  #read(wakes: ShardWakes): void {
    wakes.isReading = true;
    wakes.notedAt = never;
    this.#readings += 1;
    const limit = Math.min(wakesPerPage, wakesInFlightMax - this.#inFlight.size);
    wakes.log.wakes(wakes.place, limit).then(
      (page) => {
        this.#readings -= 1;
        wakes.isReading = false;
        if (this.#shards[wakes.log.shard] !== wakes || this.#isStopped) return;
        this.#handOver(wakes, page, page.length === limit);
        if (wakes.notedAt <= wakes.place.wakeAt) this.#moveBack(wakes, wakes.notedAt);
        else wakes.nextAt = Math.min(wakes.nextAt, wakes.notedAt);
        this.look();
      },
      (error) => {
        this.#readings -= 1;
        wakes.isReading = false;
        this.#driver.diagnostics.error('the wake index of a shard cannot be read', { shard: wakes.log.shard, error });
        wakes.nextAt = never;
        this.#retry(wakes, wakes.place.wakeAt, wakePauseMaxMs);
      },
    );
  }

  #handOver(wakes: ShardWakes, page: readonly ListedWake[], mayHaveMore: boolean): void {
    const nowMs = this.#driver.clock.wallMs();
    for (const wake of page) {
      if (wake.wakeAt > nowMs) {
        wakes.nextAt = wake.wakeAt;
        return;
      }
      wakes.place = wake;
      this.#wake(wakes, wake);
    }
    wakes.nextAt = mayHaveMore ? 0 : never;
  }

  #wake(wakes: ShardWakes, wake: ListedWake): void {
    // In memory it sends its tells by itself.
    if (wake.wakeAt === unsentWakeAt && this.#driver.isActive(wake)) return;
    const key = `${wake.type}/${wake.id}`;
    if (this.#inFlight.has(key)) {
      this.#inFlight.set(key, true);
      return;
    }
    this.#inFlight.set(key, false);
    const { shard } = wakes.log;
    this.#driver.wake(wake, {
      replied: () => this.#done(shard, wake, key),
      failed: (error) => this.#failed(shard, wake, key, error),
    });
  }

  /** By then the shard may be owned anew, where the actor came up again while this wake of before was in flight. */
  #done(shard: ShardId, wake: ListedWake, key: string): void {
    const wakes = this.#shards[shard];
    if (wakes && this.#inFlight.get(key) === true) this.#moveBack(wakes, wake.wakeAt);
    this.#inFlight.delete(key);
    // Looking once for many that are done together is enough.
    if (this.#lookAt > this.#driver.clock.wallMs()) this.#plan(0);
  }

  #failed(shard: ShardId, wake: ListedWake, key: string, error: GreenroomError | Rejection): void {
    const wakes = this.#shards[shard];
    this.#inFlight.delete(key);
    const asked = 'retryAfterMs' in error ? (error.retryAfterMs ?? wakePauseMinMs) : wakePauseMaxMs;
    const isForLater = 'retryable' in error && error.retryable;
    const pauseMs = isForLater ? Math.min(wakePauseMaxMs, Math.max(wakePauseMinMs, asked)) : wakePauseMaxMs;
    if (wakes) this.#retry(wakes, wake.wakeAt, pauseMs);
    if (!isForLater)
      this.#driver.diagnostics.warn('an actor cannot be woken', {
        type: wake.type,
        id: wake.id,
        reason: error.message,
      });
  }

  /** For an actor whose record says only that it has unsent tells, while it has reminders as well. */
  #watch(activation: Activation): void {
    const { clock } = this.#driver;
    const delayMs = Math.min(wakeLookEveryMs * 10, Math.max(0, activation.memory.reminders.nextAt - clock.wallMs()));
    activation.cancelWatch = clock.schedule(delayMs, () => {
      activation.cancelWatch = undefined;
      if (this.#isStopped || activation.phase === 'gone' || activation.recordedWakeAt !== unsentWakeAt) return;
      if (activation.memory.reminders.nextAt > clock.wallMs()) {
        this.#watch(activation);
        return;
      }
      const again = () => {
        if (activation.cancelWatch === undefined && activation.recordedWakeAt === unsentWakeAt) this.#watch(activation);
      };
      const { definition, id } = activation;
      const wake = { wakeAt: unsentWakeAt, type: definition.name, id };
      this.#driver.wake(wake, {
        replied: again,
        failed: () => {
          activation.cancelWatch ??= clock.schedule(wakePauseMinMs, () => {
            activation.cancelWatch = undefined;
            again();
          });
        },
      });
    });
  }
}
