/**
 * What one node thinks of each peer. It is only a hint: a wrong guess costs an epoch of some shards, never data. Only
 * the control leader acts on it, and only together with what others say (`suspicions.ts`).
 *
 * Four kinds of signs, from the strongest to the weakest:
 *
 * - **A frame** came: the peer's main loop works, and so does the path to here.
 * - **A pulse** came: its process lives. It says how far its main loop lags. While a loop stands still no frames can
 *   come, so that time is no silence: a pause of the garbage collector is no reason to suspect. One of more than
 *   `busyLagMs` makes the peer busy.
 * - **The link was lost and the port refuses**: the operating system is there and the process is not. No time-out.
 * - **Silence** is suspicious once it is unusual (`silence.ts`). If pulses came from this life and ceased as well, it
 *   is dead. If none ever came (UDP may be blocked), frames alone bear witness, and must be silent for twice as long.
 *
 * ## Invariants
 *
 * - Asking changes nothing: what is answered depends on the inputs only.
 * - A peer whose frames are never further apart than `silenceMinMs` is alive, whatever their jitter.
 * - Silence is not called death while pulses come.
 * - A sign of an older life changes nothing.
 *
 * Times are monotonic milliseconds of this node. Sources: φ accrual and Lifeguard (see `silence.ts`, `own-health.ts`).
 */
import type { StoreId } from '../../core/ids.ts';
import type { LinkLoss } from '../../transport/transport.ts';
import { type FlapOptions, FlapRecord } from './flap-damping.ts';
import { OwnHealth, type OwnHealthOptions } from './own-health.ts';
import { isSuspicious, phi, SilenceHistory, type SilenceOptions } from './silence.ts';

export interface FailureDetectorOptions extends SilenceOptions, OwnHealthOptions, FlapOptions {
  /** A main loop that lags by more is busy: its shards should move. Higher means more patience with long turns. */
  readonly busyLagMs: number;
  /**
   * A peer whose pulses come and whose frames do not: after so long the way of its frames is taken for cut. Higher means more
   * patience with a way that only seems cut.
   */
  readonly cutAfterMs: number;
  /** A pulse that arrives this soon after its link was lost was under way before. Higher means a surer fast path. */
  readonly pulseTravelMs: number;
}

/** What is meant by "it depends": every number, and nothing else in this folder has one. */
export const failureDetectorDefaults: FailureDetectorOptions = {
  heartbeatMs: 500,
  phiMin: 8,
  silenceMinMs: 1_500,
  silenceMaxMs: 10_000,
  deviationMinMs: 100,
  samplesMax: 100,
  ownLagMinMs: 250,
  lagPerPointMs: 500,
  stretchMax: 8,
  healMs: 1_000,
  flapWindowMs: 5 * 60_000,
  fallsFree: 2,
  trustMinMs: 5_000,
  trustMaxMs: 60_000,
  busyLagMs: 5_000,
  cutAfterMs: 3_000,
  pulseTravelMs: 250,
};

export type Standing =
  | { readonly type: 'alive' }
  /** Its process lives and its main loop does not turn. */
  | { readonly type: 'busy'; readonly lagMs: number }
  /**
   * No frame came since `sinceMs` (later by as much as its main loop, or this node's, stood still), which is unusual.
   * Its process may live.
   */
  | { readonly type: 'suspect'; readonly phi: number; readonly sinceMs: number }
  /** `isBack`: all signs say that it lives, but it fell so often of late that it is not believed yet. */
  | { readonly type: 'dead'; readonly why: DeathCause; readonly isBack?: true };

export type DeathCause = 'silent' | 'process died';

/** What an observer holds against one life of a peer. */
export interface Accusation {
  readonly peer: StoreId;
  readonly boot: number;
  readonly what: 'busy' | 'suspect' | DeathCause;
}

/** What a node tells the control leader with each heartbeat. */
export interface ObserverReport {
  readonly accusations: readonly Accusation[];
  /** Peers to which it has a link. */
  readonly reachable: readonly StoreId[];
}

const alive: Standing = { type: 'alive' };

interface Pulse {
  readonly atMs: number;
  readonly lagMs: number;
}

interface Peer {
  /** Its newest life that was heard of; 0: not known. */
  boot: number;
  /** The last frame; before the first, when it was first mentioned. */
  heardMs: number;
  /** Silence counts from here at the earliest: moves on by the time in which its main loop stood still. */
  excusedMs: number;
  /** When it was last found to live after all. Of the silence before nothing is learnt: it was death, not habit. */
  returnedMs: number;
  /** The newest of this life. */
  pulse: Pulse | undefined;
  isLinked: boolean;
  /** The peer broke the link, and gave no sign of life since. */
  lostMs: number | undefined;
  /** The port refused after that. */
  hasDied: boolean;
  /** Why it was dead the last time. */
  diedOf: DeathCause;
  readonly frameSilences: SilenceHistory;
  readonly pulseSilences: SilenceHistory;
  readonly flaps: FlapRecord;
}

export class FailureDetector {
  readonly #options: FailureDetectorOptions;
  readonly #health: OwnHealth;
  readonly #peers = new Map<StoreId, Peer>();
  #tickedMs: number | undefined;

  constructor(options: Partial<FailureDetectorOptions> = {}) {
    this.#options = { ...failureDetectorDefaults, ...options };
    this.#health = new OwnHealth(this.#options);
  }

  /** A frame of any kind came from the life of the peer that is connected. */
  heard(storeId: StoreId, nowMs: number): void {
    const peer = this.#peer(storeId, nowMs);
    this.#noticeReturn(peer, nowMs);
    peer.frameSilences.ended(Math.max(0, nowMs - this.#silentSince(peer)));
    peer.heardMs = Math.max(peer.heardMs, nowMs);
    peer.lostMs = undefined;
    peer.hasDied = false;
  }

  /** The process of this life of the peer lives; its main loop is `lagMs` late. */
  pulse(storeId: StoreId, boot: number, lagMs: number, nowMs: number): void {
    const known = this.#peers.get(storeId);
    if (known && boot < known.boot) return;
    if (!known || boot > known.boot) this.newLife(storeId, boot, nowMs);
    const peer = this.#peer(storeId, nowMs);
    if (peer.lostMs !== undefined && nowMs <= peer.lostMs + this.#options.pulseTravelMs) return;
    this.#noticeReturn(peer, nowMs);
    if (peer.pulse) peer.pulseSilences.ended(Math.max(0, nowMs - this.#pulseSilentSince(peer, peer.pulse)));
    // Of the lag, what lies before the pulse before was excused by that one.
    const sinceMs = this.#silentSince(peer);
    const stoodStillFromMs = Math.max(nowMs - lagMs, sinceMs, peer.pulse?.atMs ?? sinceMs);
    peer.excusedMs = Math.max(peer.excusedMs, sinceMs + Math.max(0, nowMs - stoodStillFromMs));
    peer.pulse = { atMs: nowMs, lagMs };
    // A process that pulses has not died, whatever its port says: a later refusal proves nothing either.
    peer.lostMs = undefined;
    peer.hasDied = false;
  }

  linkUp(storeId: StoreId, nowMs: number): void {
    this.heard(storeId, nowMs);
    this.#peer(storeId, nowMs).isLinked = true;
  }

  linkDown(storeId: StoreId, why: LinkLoss, nowMs: number): void {
    const peer = this.#peer(storeId, nowMs);
    peer.isLinked = false;
    // Only what the other side did tells something about the other side.
    if (why === 'reset' || why === 'closed by peer') peer.lostMs = nowMs;
  }

  /** The peer's host says that nobody listens on its port. */
  dialRefused(storeId: StoreId, nowMs: number): void {
    const peer = this.#peer(storeId, nowMs);
    if (peer.lostMs !== undefined) peer.hasDied = true;
  }

  /** The peer started anew (also: it is named for the first time). What was held against its older life is void. */
  newLife(storeId: StoreId, boot: number, nowMs: number): void {
    const peer = this.#peer(storeId, nowMs);
    if (boot <= peer.boot) return;
    const isFirst = peer.boot === 0;
    peer.boot = boot;
    if (isFirst) return;
    this.#noticeReturn(peer, nowMs);
    peer.pulse = undefined;
    peer.lostMs = undefined;
    peer.hasDied = false;
    peer.excusedMs = nowMs;
  }

  /** It is no member any more. */
  forget(storeId: StoreId): void {
    this.#peers.delete(storeId);
  }

  /** This node's own main loop was late by `lagMs`, until now. */
  ownLag(lagMs: number, nowMs: number): void {
    this.#health.lagged(lagMs, nowMs);
  }

  /**
   * Called every `heartbeatMs`, before anybody is judged. If it comes late, this node was not listening: that is found
   * here, because the timer that asks may fire before the frames that wait in the sockets are read.
   */
  tick(nowMs: number): void {
    if (this.#tickedMs !== undefined) this.ownLag(nowMs - this.#tickedMs - this.#options.heartbeatMs, nowMs);
    this.#tickedMs = nowMs;
  }

  /** The newest life of the peer that was heard of; 0: none. */
  boot(storeId: StoreId): number {
    return this.#peers.get(storeId)?.boot ?? 0;
  }

  /** A peer that was never mentioned is alive: it had no time yet to speak. */
  standing(storeId: StoreId, nowMs: number): Standing {
    const peer = this.#peers.get(storeId);
    if (!peer) return alive;
    const verdict = this.#verdict(peer, nowMs);
    if (verdict.type === 'dead' || peer.flaps.isTrusted(nowMs)) return verdict;
    return verdict.type === 'alive'
      ? { type: 'dead', why: peer.diedOf, isBack: true }
      : { type: 'dead', why: peer.diedOf };
  }

  /**
   * No frame came from it for so long that what leads from it, or to it, is taken for cut. Of a node that was not believed before
   * it is only asked what comes now.
   */
  isOutOfHearing(storeId: StoreId, nowMs: number): boolean {
    const peer = this.#peers.get(storeId);
    if (!peer) return false;
    const verdict = this.#verdict(peer, nowMs);
    if (verdict.type === 'dead') return verdict.why === 'silent';
    return verdict.type === 'suspect' && nowMs - verdict.sinceMs >= this.#options.cutAfterMs;
  }

  report(nowMs: number): ObserverReport {
    const accusations: Accusation[] = [];
    const reachable: StoreId[] = [];
    for (const [storeId, peer] of this.#peers) {
      if (peer.isLinked) reachable.push(storeId);
      const standing = this.standing(storeId, nowMs);
      if (standing.type === 'alive') continue;
      const what = standing.type === 'dead' ? standing.why : standing.type;
      accusations.push({ peer: storeId, boot: peer.boot, what });
    }
    return { accusations, reachable };
  }

  /** What the signs say, before it is asked whether the peer is to be believed. */
  #verdict(peer: Peer, nowMs: number): Standing {
    if (peer.hasDied) return { type: 'dead', why: 'process died' };
    const { pulse } = peer;
    const pulseIsFresh = pulse !== undefined && !this.#isPulseSilent(peer, pulse, nowMs);
    if (pulseIsFresh && pulse.lagMs > this.#options.busyLagMs && peer.heardMs <= pulse.atMs) {
      return { type: 'busy', lagMs: pulse.lagMs };
    }
    const sinceMs = this.#silentSince(peer);
    const silenceMs = (nowMs - sinceMs) / this.#health.stretch(nowMs);
    if (!isSuspicious(silenceMs, peer.frameSilences, this.#options)) return alive;
    const witnessesAreSilent = pulse ? !pulseIsFresh : isSuspicious(silenceMs / 2, peer.frameSilences, this.#options);
    if (witnessesAreSilent) return { type: 'dead', why: 'silent' };
    const { meanMs, deviationMs } = peer.frameSilences;
    return { type: 'suspect', phi: phi(silenceMs, meanMs, deviationMs), sinceMs };
  }

  #isPulseSilent(peer: Peer, pulse: Pulse, nowMs: number): boolean {
    const silenceMs = nowMs - this.#pulseSilentSince(peer, pulse);
    return isSuspicious(silenceMs / this.#health.stretch(nowMs), peer.pulseSilences, this.#options);
  }

  /** From when on there is no frame and no excuse for it. */
  #silentSince(peer: Peer): number {
    return Math.max(peer.heardMs, peer.excusedMs, peer.returnedMs, this.#health.listeningSinceMs);
  }

  #pulseSilentSince(peer: Peer, pulse: Pulse): number {
    return Math.max(pulse.atMs, peer.returnedMs, this.#health.listeningSinceMs);
  }

  /** At a sign of life: if it was dead until now, that was a fall. */
  #noticeReturn(peer: Peer, nowMs: number): void {
    const verdict = this.#verdict(peer, nowMs);
    if (verdict.type !== 'dead') return;
    peer.diedOf = verdict.why;
    peer.returnedMs = nowMs;
    peer.flaps.returned(nowMs);
  }

  #peer(storeId: StoreId, nowMs: number): Peer {
    const known = this.#peers.get(storeId);
    if (known) return known;
    const peer: Peer = {
      boot: 0,
      heardMs: nowMs,
      excusedMs: nowMs,
      returnedMs: nowMs,
      pulse: undefined,
      isLinked: false,
      lostMs: undefined,
      hasDied: false,
      diedOf: 'silent',
      frameSilences: new SilenceHistory(this.#options),
      pulseSilences: new SilenceHistory(this.#options),
      flaps: new FlapRecord(this.#options),
    };
    this.#peers.set(storeId, peer);
    return peer;
  }
}
