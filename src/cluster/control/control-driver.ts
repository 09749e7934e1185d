/**
 * Runs a {@link ControlLog} on a journal, a clock and links. It owns the order of things: one input at a time, its
 * effects carried out before the next; one write at a time, the newest state in it; ticks.
 *
 * Any node may propose. A proposal goes to the leader, or, when it is not known or not reachable, to some other member
 * that passes it on, so that a leader cut off from some does no harm; it is repeated until seen committed.
 *
 * The journal's rows: `raft` (term, vote, entries after the snapshot) and `raft-snapshot`, added in one turn.
 */
import { assert } from '../../core/assert.ts';
import type { Clock } from '../../core/clock.ts';
import { GreenroomError } from '../../core/errors.ts';
import type { StoreId } from '../../core/ids.ts';
import type { Random } from '../../core/random.ts';
import { type Journal, unheard } from '../../persistence/journal.ts';
import type { ControlCodec } from './control-codec.ts';
import { ControlLog } from './control-log.ts';
import type { ControlOptions } from './control-options.ts';
import {
  type CommittedEntry,
  type ControlEffect,
  type ControlInput,
  type ControlSnapshot,
  type DropReason,
  type DurableControl,
  type DurableState,
  foundedState,
  type LogPoint,
} from './control-protocol.ts';
import { PendingProposals } from './pending-proposals.ts';

/** Longest pause between two ticks. */
const tickMs = 50;
/** A proposal that is not seen committed is made again after this. */
const retryMs = 300;
const proposalTimeoutMs = 10_000;
/** Nodes that may pass a proposal on. */
const hopsMax = 3;
/** How often another member is tried when one cannot be sent to. */
const forwardTriesMax = 4;

export interface ControlDriverHandlers<Change, Snapshot> {
  /** In the log's order, each once per life. */
  committed(entries: readonly CommittedEntry<Change>[]): void;
  /** Replaces the state; also at the start, if there is a snapshot. */
  restored(index: number, snapshot: Snapshot): void;
  /** The state that all changes told so far make. */
  takeSnapshot(): Snapshot;
  /** Who leads, and in which term; `isEstablished` when this node leads and knows all that was committed before. */
  leaderChanged?(leader: StoreId | undefined, term: number, isEstablished: boolean): void;
  votersCommitted?(voters: readonly StoreId[], index: number): void;
  /** Bytes that are not a control message; from a newer version, or a defect. */
  malformed?(from: StoreId, error: Error): void;
}

export interface ControlDriverSetup<Change, Snapshot> {
  readonly self: StoreId;
  /** Open, and nobody else sets its `raft` rows. */
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly codec: ControlCodec<Change, Snapshot>;
  readonly handlers: ControlDriverHandlers<Change, Snapshot>;
  /** Whether an empty journal founds a cluster, with this store as its voter. Otherwise it waits to be led. */
  readonly founds: boolean;
  /** @returns false if there is no link: then nothing was sent */
  send(to: StoreId, bytes: Uint8Array): boolean;
  readonly options?: Partial<ControlOptions>;
}

/** Whether a disk knows a control log. */
export function hasControlLog(journal: Journal): boolean {
  return journal.control('raft') !== undefined;
}

export class ControlDriver<Change, Snapshot> {
  readonly #setup: ControlDriverSetup<Change, Snapshot>;
  readonly #proposals = new PendingProposals<Change>();
  readonly #voterProposals = new Map<string, { resolve(index: number): void; reject(error: Error): void }>();
  readonly #inputs: ControlInput<Change, Snapshot>[] = [];
  #log: ControlLog<Change, Snapshot> | undefined;
  #members: readonly StoreId[] = [];
  #isStepping = false;
  #isClosed = false;
  #isWriting = false;
  #stateToWrite: { readonly token: number; readonly state: DurableState<Change> } | undefined;
  #snapshotToWrite: ControlSnapshot<Snapshot> | undefined;
  #cancelTick: (() => void) | undefined;
  /** A node alone has nobody to hear and nobody to be heard by: it needs no ticks. */
  #hasOthers = false;
  #ids = 0;

  constructor(setup: ControlDriverSetup<Change, Snapshot>) {
    this.#setup = setup;
  }

  /** Reads its rows and begins. @throws MalformedControlBytes if they are damaged */
  start(): void {
    if (this.#log || this.#isClosed) return;
    const { self, founds } = this.#setup;
    const { state, snapshot } = this.held();
    this.#begin({ state: state ?? (founds ? foundedState<Change>(self) : undefined), snapshot });
  }

  #begin(durable: DurableControl<Change, Snapshot>): void {
    const { self, random, codec, handlers, options } = this.#setup;
    const sizeOf = (change: Change) => codec.sizeOf(change);
    this.#log = new ControlLog({ self, durable, random, sizeOf, ...(options && { options }) });
    if (durable.snapshot) handlers.restored(durable.snapshot.index, durable.snapshot.data);
    this.#step({ type: 'learners', storeIds: this.#members });
    this.#tick();
  }

  /** What this node has of the log on its disk or on the way there, committed or not. @throws MalformedControlBytes */
  held(): DurableControl<Change, Snapshot> {
    const { journal, codec } = this.#setup;
    const [state, snapshot] = [journal.control('raft'), journal.control('raft-snapshot')];
    return { state: state && codec.decodeState(state), snapshot: snapshot && codec.decodeSnapshot(snapshot) };
  }

  /**
   * Begins anew, as the only voter of a log that consists of one snapshot. That breaks what a majority may have decided: it
   * is for an operator who says that there will be no majority again, and `at` is above whatever anybody left holds, so that
   * all of them take the snapshot in. Resolves once it is on disk; this node then leads as soon as it voted for itself.
   *
   * @throws Error if it leads, or if the disk fails
   */
  beginAnew(at: LogPoint, data: Snapshot): Promise<void> {
    if (this.#isClosed || this.isLeader) return Promise.reject(new Error('this node stops, or leads'));
    const { self, journal, codec } = this.#setup;
    const snapshot = { ...at, voters: [self], recent: [], data };
    const state: DurableState<Change> = { term: at.term, vote: undefined, snapshot: at, entries: [] };
    // Deaf until then: what the old log would still write or say is void.
    this.#log = undefined;
    this.#stateToWrite = undefined;
    this.#snapshotToWrite = undefined;
    journal.setControl('raft-snapshot', codec.encodeSnapshot(snapshot), unheard);
    return new Promise((resolve, reject) => {
      journal.setControl('raft', codec.encodeState(state), {
        durable: () => {
          if (!this.#isClosed) this.#begin({ state, snapshot });
          resolve();
        },
        failed: (error) => {
          this.close();
          reject(error);
        },
      });
    });
  }

  /** What is under way ends as unknown. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTick?.();
    this.#proposals.close();
    this.#abandonVoters('the node stops');
  }

  get leader(): StoreId | undefined {
    return this.#log?.leader;
  }

  get isLeader(): boolean {
    return this.#log?.role === 'leader';
  }

  get term(): number {
    return this.#log?.term ?? 0;
  }

  get isEstablished(): boolean {
    return this.#log?.isEstablished ?? false;
  }

  get commitIndex(): number {
    return this.#log?.commitIndex ?? 0;
  }

  /** The voters in force. */
  get voters(): readonly StoreId[] {
    return this.#log?.voters ?? [];
  }

  /** See {@link ControlLog.entriesAfter}. */
  entriesAfter(index: number): readonly CommittedEntry<Change>[] | undefined {
    return this.#log?.entriesAfter(index);
  }

  get snapshotAt(): { readonly index: number; readonly snapshot: Snapshot } | undefined {
    return this.#log?.snapshotAt;
  }

  /** Everybody who is to have the log, this store included or not. Voters need not be named. */
  setMembers(storeIds: readonly StoreId[]): void {
    this.#members = storeIds;
    this.#step({ type: 'learners', storeIds });
    this.#hasOthers = storeIds.some((each) => each !== this.#setup.self);
    this.#planTick();
  }

  linkUp(peer: StoreId): void {
    this.#hasOthers = true;
    this.#planTick();
    this.#step({ type: 'linkUp', peer });
  }

  linkDown(peer: StoreId): void {
    this.#step({ type: 'linkDown', peer });
  }

  /** The leader's process is known to be dead. */
  campaignNow(): void {
    this.#step({ type: 'campaignNow' });
  }

  transferLeadership(to?: StoreId): void {
    this.#step(to === undefined ? { type: 'transferLeadership' } : { type: 'transferLeadership', to });
  }

  /** Bytes that another node's driver sent. */
  receive(from: StoreId, bytes: Uint8Array): void {
    if (this.#isClosed || !this.#log) return;
    const wire = this.#decode(from, bytes);
    if (!wire) return;
    if (wire.type !== 'forward') this.#step({ type: 'message', from, message: wire });
    else if (this.#log.role === 'leader') this.#step({ type: 'propose', id: wire.id, change: wire.change });
    else if (wire.hopsLeft > 0) this.#forward(wire.id, wire.change, Math.min(wire.hopsLeft, hopsMax) - 1, from);
  }

  /**
   * Has a change committed, by whoever leads. Resolves after `committed` was told of it here.
   *
   * @param id to repeat an earlier try whose outcome is unknown; it is committed once
   * @returns its index. @throws GreenroomError `OUTCOME_UNKNOWN` when its time is up, `OVERLOADED`
   */
  propose(change: Change, { id = this.newId(), timeoutMs = proposalTimeoutMs } = {}): Promise<number> {
    if (this.#isClosed) return Promise.reject(new GreenroomError('UNAVAILABLE', 'the node stops'));
    const committed = this.#proposals.add(id, change, this.#nowMs(), timeoutMs);
    this.#proposeDue();
    this.#planTick();
    return committed;
  }

  /** Only where this node leads. @throws GreenroomError `UNAVAILABLE` with the reason, `OUTCOME_UNKNOWN` */
  proposeVoters(voters: readonly StoreId[]): Promise<number> {
    if (this.#isClosed) return Promise.reject(new GreenroomError('UNAVAILABLE', 'the node stops'));
    const id = this.newId();
    return new Promise((resolve, reject) => {
      this.#voterProposals.set(id, { resolve, reject });
      this.#step({ type: 'proposeVoters', id, voters });
    });
  }

  /** Changes that another member says are committed: for proposals of a node that the leader does not reach. */
  heardCommitted(entries: readonly CommittedEntry<Change>[]): void {
    for (const { id, index } of entries) this.#proposals.committed(id, index);
  }

  /** No other store, and no other life of this one, makes the same. */
  newId(): string {
    this.#ids += 1;
    return `${this.#setup.self}.${this.#setup.journal.boot}.${this.#ids.toString(36)}`;
  }

  // ── one input at a time ──

  #step(input: ControlInput<Change, Snapshot>): void {
    if (this.#isClosed || !this.#log) return;
    this.#inputs.push(input);
    // A handler may lead to the next input: it waits until the effects of this one are carried out.
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#inputs.shift(); next && !this.#isClosed; next = this.#inputs.shift()) {
        for (const effect of this.#log.step(next, this.#nowMs())) this.#carryOut(effect);
      }
    } finally {
      this.#isStepping = false;
    }
    this.#write();
  }

  #carryOut(effect: ControlEffect<Change, Snapshot>): void {
    const { handlers, codec } = this.#setup;
    switch (effect.type) {
      case 'send':
        this.#setup.send(effect.to, codec.encodeWire(effect.message));
        break;
      case 'persistSnapshot':
        this.#snapshotToWrite = effect.snapshot;
        break;
      case 'persist':
        this.#stateToWrite = effect;
        break;
      case 'committed':
        handlers.committed(effect.entries);
        for (const { id, index } of effect.entries) this.#proposals.committed(id, index);
        break;
      case 'restoreSnapshot':
        handlers.restored(effect.index, effect.snapshot);
        this.#proposals.settle((id) => this.#log!.committedIndexOf(id));
        break;
      case 'snapshotWanted':
        this.#inputs.push({ type: 'snapshotTaken', index: effect.index, snapshot: handlers.takeSnapshot() });
        break;
      case 'votersCommitted':
        handlers.votersCommitted?.(effect.voters, effect.index);
        this.#settleVoters();
        break;
      case 'becameLeader':
      case 'leaderEstablished':
      case 'becameFollower':
        this.#leaderChanged();
        break;
      case 'proposalAccepted':
        this.#proposals.settle((id) => (id === effect.id ? this.#log!.committedIndexOf(id) : undefined));
        break;
      case 'proposalDropped':
        this.#dropped(effect.id, effect.reason);
        break;
    }
  }

  #leaderChanged(): void {
    const { leader, term, isEstablished } = this.#log!;
    this.#setup.handlers.leaderChanged?.(leader, term, isEstablished);
    if (leader !== this.#setup.self) this.#abandonVoters('this node no longer leads');
    if (leader === undefined) return;
    this.#proposals.hurry();
    this.#proposeDue();
  }

  // ── time ──

  #tick(): void {
    this.#step({ type: 'tick' });
    this.#proposeDue();
    this.#planTick();
  }

  #planTick(): void {
    if (this.#isClosed || this.#cancelTick || !this.#log || (!this.#hasOthers && this.#proposals.isEmpty)) return;
    // Not on a beat: nodes that tick in step would stand for election in step, and split the votes.
    const delayMs = tickMs * (0.5 + 0.5 * this.#setup.random.next());
    this.#cancelTick = this.#setup.clock.schedule(delayMs, () => {
      this.#cancelTick = undefined;
      this.#tick();
    });
  }

  #nowMs(): number {
    return this.#setup.clock.monotonicMs();
  }

  // ── the disk ──

  /** One write at a time: what changes meanwhile goes in the next, and only the newest state of it. */
  #write(): void {
    const toWrite = this.#stateToWrite;
    if (this.#isWriting || !toWrite || this.#isClosed) return;
    const { journal, codec } = this.#setup;
    this.#isWriting = true;
    this.#stateToWrite = undefined;
    if (this.#snapshotToWrite) {
      const bytes = codec.encodeSnapshot(this.#snapshotToWrite);
      journal.setControl('raft-snapshot', bytes, unheard);
    }
    this.#snapshotToWrite = undefined;
    journal.setControl('raft', codec.encodeState(toWrite.state), {
      durable: () => {
        this.#isWriting = false;
        this.#step({ type: 'durable', token: toWrite.token });
      },
      // Nothing more will be durable, so nothing more will be said; the journal tells its owner, who stops the node.
      failed: () => this.close(),
    });
  }

  // ── proposals ──

  #proposeDue(): void {
    if (this.#isClosed || !this.#log) return;
    for (const { id, change } of this.#proposals.due(this.#nowMs(), retryMs)) {
      if (this.#log.role === 'leader' || this.#log.committedIndexOf(id) !== undefined)
        this.#step({ type: 'propose', id, change });
      else this.#forward(id, change, hopsMax, undefined);
    }
  }

  /** To the leader, or else to somebody who may reach it. Lost is lost: who proposed it does so again. */
  #forward(id: string, change: Change, hopsLeft: number, from: StoreId | undefined): void {
    const { self, codec, random } = this.#setup;
    const bytes = codec.encodeWire({ type: 'forward', id, change, hopsLeft });
    const leader = this.#log!.leader;
    if (leader !== undefined && leader !== self && leader !== from && this.#setup.send(leader, bytes)) return;
    const others = [...new Set([...this.voters, ...this.#members])].filter((other) => other !== self && other !== from);
    for (let tries = 0; tries < forwardTriesMax && others.length > 0; tries++) {
      const [other] = others.splice(Math.floor(random.next() * others.length), 1);
      assert(other !== undefined, 'one of the others was picked');
      if (this.#setup.send(other, bytes)) return;
    }
  }

  #settleVoters(): void {
    for (const [id, { resolve }] of this.#voterProposals) {
      const index = this.#log!.committedIndexOf(id);
      if (index === undefined) continue;
      this.#voterProposals.delete(id);
      resolve(index);
    }
  }

  #abandonVoters(why: string): void {
    for (const { reject } of this.#voterProposals.values())
      reject(new GreenroomError('OUTCOME_UNKNOWN', `it is not known whether the voters change: ${why}`));
    this.#voterProposals.clear();
  }

  /** A change is tried again; a change of voters was decided in a state that may be no more. */
  #dropped(id: string, reason: DropReason): void {
    this.#voterProposals.get(id)?.reject(new GreenroomError('UNAVAILABLE', `the voters stay: ${reason}`));
    this.#voterProposals.delete(id);
  }

  #decode(from: StoreId, bytes: Uint8Array) {
    try {
      return this.#setup.codec.decodeWire(bytes);
    } catch (error) {
      this.#setup.handlers.malformed?.(from, error as Error);
      return undefined;
    }
  }
}
