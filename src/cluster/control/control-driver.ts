/**
 * Runs a control log: on the journal's control rows, a clock and links that it is handed. Brings proposals to whoever leads,
 * through any member, and again under the same id until they are committed or their time is over.
 *
 * Two rows: `raft`, the whole durable state, and `raft-snapshot`, which is always written before a state that builds on it.
 * The journal keeps the order of its rows, so the snapshot on disk is never older than the state.
 */
import type { Clock } from '../../core/clock.ts';
import type { StoreId } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import type { Journal } from '../../persistence/journal.ts';
import { ControlCodec, type ControlEncoding, type ControlWireMessage } from './control-codec.ts';
import { ControlLog, type ControlRole } from './control-log.ts';
import type { ControlOptions } from './control-options.ts';
import { type ControlEffect, type ControlInput, type DurableControl, foundedState } from './control-protocol.ts';

export interface ControlDriverOptions<Change, Snapshot> extends ControlEncoding<Change, Snapshot> {
  readonly self: StoreId;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly send: (to: StoreId, bytes: Buffer) => void;
  /** Where the disk holds no control log: begin one, as its only voter. */
  readonly found: boolean;
  readonly onCommitted: (index: number, change: Change) => void;
  readonly onRestored: (index: number, snapshot: Snapshot) => void;
  readonly onRoleChanged: () => void;
  /** The state after the newest committed change. */
  readonly snapshot: () => Snapshot;
  readonly options?: Partial<ControlOptions>;
}

interface Proposal<Change> {
  readonly change: Change;
  readonly resolve: (index: number) => void;
  readonly reject: (error: Error) => void;
  readonly endsAtMs: number;
}

const stateRow = 'raft';
const snapshotRow = 'raft-snapshot';
const tickEveryMs = 50;
const proposeAgainMs = 250;
/** Members that a proposal may pass on its way to the leader. */
const hopsMax = 2;
/** Proposals of this node that are not committed. Beyond: refused. */
const proposalsMax = 1_024;

/** Whether a disk knows a control log. */
export function hasControlLog(journal: Journal): boolean {
  return journal.control(stateRow) !== undefined;
}

export class ControlDriver<Change, Snapshot> {
  readonly #options: ControlDriverOptions<Change, Snapshot>;
  readonly #codec: ControlCodec<Change, Snapshot>;
  readonly #log: ControlLog<Change, Snapshot>;
  readonly #inputs: ControlInput<Change, Snapshot>[] = [];
  readonly #proposals = new Map<string, Proposal<Change>>();
  readonly #linked = new Set<StoreId>();
  readonly #idPrefix: string;
  readonly #found: boolean;
  #proposed = 0;
  #isRunning = false;
  #isClosed = false;
  #hasOthers = false;
  #cancelTick: (() => void) | undefined;
  #cancelProposeAgain: (() => void) | undefined;

  constructor(options: ControlDriverOptions<Change, Snapshot>) {
    this.#options = options;
    this.#codec = new ControlCodec(options);
    const { journal, self, random } = options;
    this.#idPrefix = `${self}.${journal.boot}.`;
    const state = journal.control(stateRow);
    const snapshot = journal.control(snapshotRow);
    this.#found = options.found && !state;
    const durable: DurableControl<Change, Snapshot> = {
      state: state ? this.#codec.decodeState(state) : options.found ? foundedState(self) : undefined,
      snapshot: snapshot && this.#codec.decodeSnapshot(snapshot),
    };
    const sizeOf = (change: Change) => this.#codec.sizeOf(change);
    this.#log = new ControlLog({ self, durable, random, sizeOf, ...(options.options && { options: options.options }) });
    if (this.#found) journal.setControl(stateRow, this.#codec.encodeState(foundedState(self)), unheard);
  }

  start(): void {
    const { snapshotAt } = this.#log;
    if (snapshotAt) this.#options.onRestored(snapshotAt.index, snapshotAt.snapshot);
    this.#step({ type: 'tick' });
    this.#planTick();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTick?.();
    this.#cancelProposeAgain?.();
    for (const { reject } of this.#proposals.values()) reject(new Error('this node stops'));
    this.#proposals.clear();
  }

  get leader(): StoreId | undefined {
    return this.#log.leader;
  }

  get role(): ControlRole {
    return this.#log.role;
  }

  get term(): number {
    return this.#log.term;
  }

  get isEstablished(): boolean {
    return this.#log.isEstablished;
  }

  get voters(): readonly StoreId[] {
    return this.#log.voters;
  }

  get commitIndex(): number {
    return this.#log.commitIndex;
  }

  /** @throws MalformedMessage */
  receive(from: StoreId, bytes: Buffer): void {
    const message = this.#codec.decodeMessage(bytes);
    if (message.type === 'forward') this.#receiveForward(from, message);
    else this.#step({ type: 'message', from, message });
  }

  /** Everyone who is to have the log. */
  setMembers(storeIds: readonly StoreId[]): void {
    this.#hasOthers = storeIds.some((storeId) => storeId !== this.#options.self);
    this.#step({ type: 'learners', storeIds });
    this.#planTick();
  }

  linkUp(peer: StoreId): void {
    this.#linked.add(peer);
    this.#hasOthers = true;
    this.#planTick();
    this.#step({ type: 'linkUp', peer });
    if (this.#proposals.size > 0) this.#proposeAll();
  }

  linkDown(peer: StoreId): void {
    this.#linked.delete(peer);
    this.#step({ type: 'linkDown', peer });
  }

  campaignNow(): void {
    this.#step({ type: 'campaignNow' });
  }

  transferLeadership(to?: StoreId): void {
    this.#step({ type: 'transferLeadership', ...(to === undefined ? {} : { to }) });
  }

  /** On the leader only; whether it was taken shows in `voters`. */
  proposeVoters(voters: readonly StoreId[]): void {
    this.#proposed += 1;
    this.#step({ type: 'proposeVoters', id: this.#idPrefix + this.#proposed.toString(36), voters });
  }

  /**
   * Resolves with the index at which the change is committed, once this node knows of it.
   *
   * @throws Error after `timeoutMs`: then it is not known whether it is, or will be, committed
   */
  propose(change: Change, timeoutMs: number): Promise<number> {
    if (this.#isClosed) return Promise.reject(new Error('this node stops'));
    if (this.#proposals.size >= proposalsMax)
      return Promise.reject(new Error(`${proposalsMax} changes wait for the control log already`));
    return new Promise((resolve, reject) => {
      this.#proposed += 1;
      const id = this.#idPrefix + this.#proposed.toString(36);
      const endsAtMs = this.#options.clock.monotonicMs() + timeoutMs;
      this.#proposals.set(id, { change, resolve, reject, endsAtMs });
      this.#bring(id, change, hopsMax, undefined);
      this.#planProposeAgain();
    });
  }

  #planProposeAgain(): void {
    if (this.#cancelProposeAgain || this.#proposals.size === 0 || this.#isClosed) return;
    this.#cancelProposeAgain = this.#options.clock.schedule(proposeAgainMs, () => {
      this.#cancelProposeAgain = undefined;
      const nowMs = this.#options.clock.monotonicMs();
      for (const [id, { endsAtMs, reject }] of this.#proposals) {
        if (nowMs < endsAtMs) continue;
        this.#proposals.delete(id);
        reject(new Error('the control log did not commit the change in time; whether it will is not known'));
      }
      this.#proposeAll();
      this.#planProposeAgain();
    });
  }

  #proposeAll(): void {
    for (const [id, { change }] of [...this.#proposals]) this.#bring(id, change, hopsMax, undefined);
  }

  /** To the log if this node leads; else towards the leader, by way of another member if need be. */
  #bring(id: string, change: Change, hops: number, from: StoreId | undefined): void {
    if (this.#log.role === 'leader') {
      this.#step({ type: 'propose', id, change });
      return;
    }
    if (hops === 0) return;
    const { leader } = this.#log;
    const message = this.#codec.encodeMessage({ type: 'forward', id, change, hops: hops - 1 });
    if (leader !== undefined && leader !== from && this.#linked.has(leader)) {
      this.#options.send(leader, message);
      return;
    }
    // Whoever leads is out of reach from here, but perhaps not from there.
    for (const peer of this.#linked) if (peer !== from && peer !== leader) this.#options.send(peer, message);
  }

  #receiveForward(
    from: StoreId,
    { id, change, hops }: ControlWireMessage<Change, Snapshot> & { type: 'forward' },
  ): void {
    this.#bring(id, change, hops, from);
  }

  // ---- running the machine ----------------------------------------------------------------------------------

  #planTick(): void {
    if (this.#cancelTick || this.#isClosed || !this.#hasOthers) return;
    this.#cancelTick = this.#options.clock.schedule(tickEveryMs, () => {
      this.#cancelTick = undefined;
      this.#step({ type: 'tick' });
      this.#planTick();
    });
  }

  /** Inputs that effects bring about are taken after all effects of the one before. */
  #step(input: ControlInput<Change, Snapshot>): void {
    if (this.#isClosed) return;
    this.#inputs.push(input);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        for (const effect of this.#log.step(next, this.#options.clock.monotonicMs())) this.#carryOut(effect);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #carryOut(effect: ControlEffect<Change, Snapshot>): void {
    const { journal, send } = this.#options;
    switch (effect.type) {
      case 'send':
        send(effect.to, this.#codec.encodeMessage(effect.message));
        return;
      case 'persistSnapshot':
        journal.setControl(snapshotRow, this.#codec.encodeSnapshot(effect.snapshot), unheard);
        return;
      case 'persist': {
        const durable = () => this.#step({ type: 'durable', token: effect.token });
        journal.setControl(stateRow, this.#codec.encodeState(effect.state), { durable, failed() {} });
        return;
      }
      case 'committed':
        for (const { index, id, change } of effect.entries) {
          this.#options.onCommitted(index, change);
          this.#settle(id, index);
        }
        return;
      case 'restoreSnapshot':
        this.#options.onRestored(effect.index, effect.snapshot);
        for (const id of [...this.#proposals.keys()]) {
          const index = this.#log.committedIndexOf(id);
          if (index !== undefined) this.#settle(id, index);
        }
        return;
      case 'snapshotWanted':
        this.#step({ type: 'snapshotTaken', index: effect.index, snapshot: this.#options.snapshot() });
        return;
      case 'proposalAccepted': {
        const index = this.#log.committedIndexOf(effect.id);
        if (index !== undefined) this.#settle(effect.id, index);
        return;
      }
      case 'becameLeader':
      case 'leaderEstablished':
      case 'becameFollower':
        this.#options.onRoleChanged();
        if (this.#proposals.size > 0) this.#options.clock.defer(() => this.#proposeAll());
        return;
      case 'proposalDropped':
      case 'votersCommitted':
        return;
    }
  }

  #settle(id: string, index: number): void {
    const proposal = this.#proposals.get(id);
    if (!proposal) return;
    this.#proposals.delete(id);
    proposal.resolve(index);
  }
}

const unheard = { durable() {}, failed() {} };
