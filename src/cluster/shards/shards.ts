/**
 * All shards of one node: the copies it keeps for others, and those it owns. Follows the cluster map, hands messages to
 * whom they concern, and gathers what many shards do at once: one flush a turn, one activation for all that began together.
 */
import type { Confirmation, LogRefusal } from '../../actors/shard-log.ts';
import { assert, unreachable } from '../../core/assert.ts';
import type { Clock } from '../../core/clock.ts';
import type { Position, ShardId, StoreId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { Journal } from '../../persistence/journal.ts';
import type { LogRow } from '../../persistence/log-row.ts';
import type { ClusterMap, ShardPlacement } from '../membership/cluster-map.ts';
import { isRecovering, type SealSet, sealSet } from '../membership/loss.ts';
import type { Mistaken } from '../mistakes.ts';
import { type ShardLimits, shardLimits } from './follower.ts';
import { Forgetting } from './forgetting.ts';
import { type OwnedEpoch, OwnedShard, type OwnerHome } from './owned-shard.ts';
import { type CheckedShard, ReadChecks } from './read-checks.ts';
import { Repairs } from './repairs.ts';
import { Replicas } from './replicas.ts';
import { decodeShardMessage, type ShardEpoch } from './shard-messages.ts';

export interface ShardsOptions {
  readonly journal: Journal;
  readonly storeId: StoreId;
  readonly boot: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly mistaken: Mistaken;
  readonly limits?: ShardLimits | undefined;
  readonly send: (to: StoreId, message: Buffer) => boolean;
  readonly isUp: (peer: StoreId) => boolean;
  readonly refusal: () => LogRefusal | undefined;
  /** Proposes that the map activates these epochs. */
  readonly proposeActivation: (shards: readonly ShardEpoch[]) => void;
  /** These serve from now on. */
  readonly served: (shards: readonly OwnedShard[]) => void;
  /** Serves no more, from this moment on; what it has in flight is told next. */
  readonly fencing: (shard: OwnedShard) => void;
  /** These were served here and are no more. */
  readonly fenced: (shards: readonly OwnedShard[]) => void;
  /** A damaged record of this actor can be read again. */
  readonly repaired: (type: string, id: string) => void;
}

/** How often followers that got stuck, commits that nothing carried and unanswered questions are looked at. */
export const shardSweepMs = 100;
/** An activation that the map does not show is proposed again after this. */
const activateAgainMs = 1_000;

export class Shards implements OwnerHome {
  readonly journal: Journal;
  readonly storeId: StoreId;
  readonly mistaken: Mistaken;
  readonly limits: ShardLimits;
  readonly repairs: Repairs;
  readonly forgetting: Forgetting;
  readonly #options: ShardsOptions;
  readonly #replicas: Replicas;
  readonly #readChecks: ReadChecks;
  readonly #owned = new Map<ShardId, OwnedShard>();
  readonly #toFlush = new Set<OwnedShard>();
  readonly #activating = new Map<OwnedShard, number>();
  #activationIsPlanned = false;
  #fencedNow: OwnedShard[] = [];
  #map: ClusterMap | undefined;
  #cancelSweep: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.journal = options.journal;
    this.storeId = options.storeId;
    this.mistaken = options.mistaken;
    this.limits = options.limits ?? shardLimits;
    this.repairs = new Repairs({
      journal: options.journal,
      log: options.log,
      mistaken: options.mistaken,
      nowMs: () => options.clock.monotonicMs(),
      defer: (task) => options.clock.defer(task),
      send: options.send,
      isUp: options.isUp,
      copies: (shard) => this.#otherCopies(shard),
      repaired: options.repaired,
    });
    this.forgetting = new Forgetting({
      journal: options.journal,
      storeId: options.storeId,
      log: options.log,
      mistaken: options.mistaken,
      forgetAfterMs: this.limits.forgetAfterMs,
      isOwned: (shard) => this.#owned.has(shard),
    });
    this.#replicas = new Replicas({
      journal: options.journal,
      repairs: this.repairs,
      send: options.send,
      mistaken: options.mistaken,
      limits: this.limits,
      promised: (shard, epoch) => {
        const owned = this.#owned.get(shard);
        if (owned && owned.epoch < epoch) owned.becomeFenced();
      },
    });
    this.#readChecks = new ReadChecks({
      boot: options.boot,
      send: options.send,
      defer: (task) => options.clock.defer(task),
      nowMs: () => options.clock.monotonicMs(),
    });
  }

  start(): void {
    const { clock } = this.#options;
    this.#cancelSweep = clock.schedule(shardSweepMs, () => {
      this.#sweep();
      if (!this.#isClosed) this.start();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelSweep?.();
    for (const owned of this.#owned.values()) owned.becomeFenced();
    this.#tellFenced();
  }

  /** The shard's log if this node serves it. */
  served(shard: ShardId): OwnedShard | undefined {
    const owned = this.#owned.get(shard);
    return owned?.isServing ? owned : undefined;
  }

  owned(shard: ShardId): OwnedShard | undefined {
    return this.#owned.get(shard);
  }

  get allOwned(): Iterable<OwnedShard> {
    return this.#owned.values();
  }

  // ---- the map ----------------------------------------------------------------------------------------------

  applyMap(map: ClusterMap): void {
    const before = this.#map;
    this.#map = map;
    this.forgetting.see(map, this.#options.clock.monotonicMs());
    const began: OwnedShard[] = [];
    const serving: OwnedShard[] = [];
    let given = 0;
    const recovered: string[] = [];
    map.shards.forEach((placement, shard) => {
      const known = before?.shards[shard];
      if (placement === known) return;
      const { assigned, active, learners } = placement;
      if (known && placement.loss && placement.loss.epoch !== known.loss?.epoch) given++;
      let owned = this.#owned.get(shard);
      if (owned && owned.epoch < assigned.epoch) {
        owned.becomeFenced();
        owned = this.#owned.get(shard);
      }
      const isOfThisLife = assigned.boot === this.#options.boot || this.mistaken('resume the same epoch after restart');
      const isMine = assigned.owner === this.storeId && isOfThisLife;
      if (!owned && isMine && assigned.epoch > active.epoch) {
        const fresh = this.#begin({
          shard,
          epoch: assigned.epoch,
          replicas: assigned.replicas,
          seal: this.#sealSet(placement),
          learners,
        });
        if (fresh) began.push(fresh);
        return;
      }
      if (!owned || owned.epoch !== assigned.epoch) return;
      owned.setLearners(learners);
      if (active.epoch === owned.epoch && owned.phase === 'activating') {
        this.#activating.delete(owned);
        owned.becomeServing();
        serving.push(owned);
        if (known && isRecovering(known)) recovered.push(`${shard}:${owned.inheritedAt}`);
      }
    });
    const { log } = this.#options;
    if (given > 0) log.warn('an operator accepted a loss: shards go on with what is left of them', { shards: given });
    if (recovered.length > 0)
      log.warn('serves shards again after a loss; what was above these positions is gone', { recovered });
    if (serving.length > 0) {
      this.#tellFenced();
      this.#options.served(serving);
    }
    if (began.length > 0) log.debug('begins new epochs', { shards: began.length });
  }

  #sealSet(placement: ShardPlacement): SealSet {
    const seal = sealSet(placement);
    const isTooFew = isRecovering(placement) && this.mistaken('accepted loss begins with the first answer');
    return isTooFew ? { ...seal, needed: 1 } : seal;
  }

  /** O1: only with its own promise, which no earlier life of this store can have given for this epoch. */
  #begin(epoch: OwnedEpoch): OwnedShard | undefined {
    const owned = new OwnedShard(this, this.#map!.clusterId, epoch);
    const resumes = this.mistaken('resume the same epoch after restart');
    if (this.#replicas.promisedEpoch(epoch.shard) >= epoch.epoch && !resumes) return undefined;
    this.#owned.set(epoch.shard, owned);
    const isPromised = this.#replicas.promise(epoch.shard, epoch.epoch, this.storeId, () => owned.begin());
    assert(isPromised || resumes, 'an epoch above the promised one can be promised');
    return owned;
  }

  // ---- messages and links -----------------------------------------------------------------------------------

  /** @throws MalformedMessage */
  receive(from: StoreId, bytes: Buffer): void {
    const message = decodeShardMessage(bytes);
    if (message.type === 'readCheck') {
      this.#replicas.receiveReadCheck(from, message);
      return;
    }
    if (message.type === 'readChecked') {
      this.#readChecks.answered(from, message.round, message.refused, message.behind);
      return;
    }
    const { shard, epoch } = message;
    if (!this.#map || shard >= this.#map.shardCount) return;
    const owned = this.#owned.get(shard);
    const asOwner = owned?.epoch === epoch ? owned : undefined;
    switch (message.type) {
      case 'append':
        this.#replicas.receiveAppend(from, message);
        return;
      case 'promise':
        this.#replicas.receivePromise(from, message);
        return;
      case 'fetch':
        void this.#replicas.receiveFetch(from, message);
        return;
      case 'hollow':
        this.#replicas.receiveHollow(message);
        return;
      case 'rowsWanted':
        void this.repairs.receiveWanted(from, message);
        return;
      case 'rows':
        this.repairs.receiveRows(from, message);
        return;
      case 'unreadable':
        asOwner?.sourceUnreadable(from);
        return;
      case 'appended':
        asOwner?.appended(from, message.position);
        return;
      case 'mismatch':
        asOwner?.mismatched(from, message.at, message.tail, message.commit);
        return;
      case 'promised':
        asOwner?.promised(from, message.tail, message.commit);
        return;
      case 'fetched':
        asOwner?.fetched(from, message.previous, message.rows);
        return;
      case 'refused':
        if (message.promised > epoch) asOwner?.becomeFenced();
        return;
      default:
        unreachable(message);
    }
  }

  linkUp(peer: StoreId): void {
    for (const owned of this.#owned.values()) owned.linkUp(peer);
    this.#readChecks.sweep();
  }

  linkDown(peer: StoreId): void {
    for (const owned of this.#owned.values()) owned.linkDown(peer);
  }

  // ---- OwnerHome --------------------------------------------------------------------------------------------

  wallMs(): number {
    return this.#options.clock.wallMs();
  }

  isUp(peer: StoreId): boolean {
    return this.#options.isUp(peer);
  }

  send(to: StoreId, message: Buffer): boolean {
    return this.#options.send(to, message);
  }

  flushLater(shard: OwnedShard): void {
    if (this.#toFlush.size === 0)
      this.#options.clock.defer(() => {
        const shards = [...this.#toFlush];
        this.#toFlush.clear();
        for (const each of shards) each.flush();
      });
    this.#toFlush.add(shard);
  }

  activate(shard: OwnedShard): void {
    this.#activating.set(shard, Number.NEGATIVE_INFINITY);
    if (this.#activationIsPlanned) return;
    this.#activationIsPlanned = true;
    this.#options.clock.defer(() => {
      this.#activationIsPlanned = false;
      this.#proposeActivations();
    });
  }

  #proposeActivations(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const due: OwnedShard[] = [];
    for (const [owned, proposedMs] of this.#activating) {
      if (owned.phase === 'fenced') this.#activating.delete(owned);
      else if (nowMs - proposedMs >= activateAgainMs) due.push(owned);
    }
    if (due.length === 0) return;
    for (const owned of due) this.#activating.set(owned, nowMs);
    this.#options.proposeActivation(due.map(({ shard, epoch }) => ({ shard, epoch })));
  }

  confirm(shard: CheckedShard, confirmation: Confirmation): void {
    this.#readChecks.add(shard, confirmation);
  }

  copy(from: StoreId, shard: ShardId, rows: readonly LogRow[]): void {
    this.#replicas.copy(from, shard, rows);
  }

  isDoubtful(shard: ShardId): boolean {
    return this.repairs.isDoubtful(shard);
  }

  awaitRepair(shard: ShardId, position: Position, told: (isRepaired: boolean) => void): void {
    this.repairs.awaitRepair(shard, position, told);
  }

  /** Whoever else the map says holds the shard, or is to hold it. */
  #otherCopies(shard: ShardId): readonly StoreId[] {
    const placement = this.#map?.shards[shard];
    if (!placement) return [];
    const { active, assigned, learners } = placement;
    const all = new Set([...active.replicas, ...assigned.replicas, ...learners]);
    all.delete(this.storeId);
    return [...all];
  }

  fencing(shard: OwnedShard): void {
    this.#options.fencing(shard);
  }

  fenced(shard: OwnedShard): void {
    if (this.#owned.get(shard.shard) === shard) this.#owned.delete(shard.shard);
    this.#activating.delete(shard);
    this.#readChecks.drop(shard);
    if (this.#fencedNow.length === 0 && !this.#isClosed) this.#options.clock.defer(() => this.#tellFenced());
    this.#fencedNow.push(shard);
  }

  #tellFenced(): void {
    const shards = this.#fencedNow;
    this.#fencedNow = [];
    if (shards.length > 0) this.#options.fenced(shards);
  }

  alarm({ shard, epoch }: OwnedShard, what: string): void {
    this.#options.log.error('a shard stops: acknowledged records would be lost', { shard, epoch, what });
  }

  refusal(): LogRefusal | undefined {
    return this.#options.refusal();
  }

  #sweep(): void {
    for (const owned of this.#owned.values()) if (owned.wantsSweep) owned.sweep();
    this.#readChecks.sweep();
    this.repairs.sweep();
    this.forgetting.sweep(this.#options.clock.monotonicMs());
    this.#proposeActivations();
  }
}
