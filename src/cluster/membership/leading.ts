/**
 * Carries out what the coordinator says while this node leads the control log: proposes its changes, asks owners to drain,
 * changes the voters. One round at a time: what was proposed is in the map, or timed out, before the next is planned.
 */
import { unreachable } from '../../core/assert.ts';
import type { Clock } from '../../core/clock.ts';
import type { StoreId } from '../../core/ids.ts';
import type { ControlDriver } from '../control/control-driver.ts';
import type { Mistaken } from '../mistakes.ts';
import type { Adverts } from './adverts.ts';
import type { ClusterMap, MapChange } from './cluster-map.ts';
import { Coordinator } from './coordinator.ts';
import type { Drains } from './drains.ts';
import type { FailureDetector } from './failure-detector.ts';
import type { MemberMessage } from './member-messages.ts';
import type { Life } from './suspicions.ts';

export interface LeadingOptions {
  readonly self: Life;
  readonly clock: Clock;
  readonly mistaken: Mistaken;
  readonly control: ControlDriver<MapChange, ClusterMap>;
  readonly detector: FailureDetector;
  readonly adverts: Adverts;
  readonly drains: Drains;
  readonly map: () => ClusterMap | undefined;
  readonly isUp: (peer: StoreId) => boolean;
  readonly caughtUp: () => readonly (readonly [number, readonly StoreId[]])[];
  readonly cannotRecord: () => boolean;
  /** Resolves when the change is committed, or its time is over. */
  readonly propose: (change: MapChange) => Promise<void>;
  readonly tell: (to: StoreId, message: MemberMessage) => void;
}

export class Leading {
  readonly #options: LeadingOptions;
  #coordinator: Coordinator | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(options: LeadingOptions) {
    this.#options = options;
  }

  close(): void {
    this.#isClosed = true;
  }

  roleChanged(): void {
    const { control, self } = this.#options;
    if (!control.isLeader) this.#coordinator = undefined;
    else if (control.isEstablished) {
      this.#coordinator ??= new Coordinator(self.storeId);
      this.soon();
    }
  }

  /** A member's heartbeat. */
  report(from: Life, { report, caughtUp, cannotRecord = false }: MemberMessage & { type: 'heartbeat' }): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#coordinator?.report(from, { report, caughtUp, cannotRecord }, nowMs);
  }

  drained(shards: (MemberMessage & { type: 'drained' })['shards']): void {
    this.#coordinator?.drained(shards);
    this.soon();
  }

  /** Something happened that may call for a step. */
  soon(): void {
    if (this.#coordinator && !this.#isClosed) this.#options.clock.defer(() => this.look());
  }

  look(): void {
    const coordinator = this.#coordinator;
    const { self, clock, control, detector, adverts, isUp, caughtUp, cannotRecord } = this.#options;
    const map = this.#options.map();
    if (!coordinator || !map || this.#isBusy || this.#isClosed) return;
    const nowMs = clock.monotonicMs();
    const own = { report: detector.report(nowMs), caughtUp: caughtUp(), cannotRecord: cannotRecord() };
    coordinator.report(self, own, nowMs);
    const actions = coordinator.tick({
      map,
      nowMs,
      wallMs: clock.wallMs(),
      voters: control.voters,
      standing: (peer) => detector.standing(peer, nowMs),
      isUp,
      knowsAll: (peer) => adverts.knowsAll(peer),
    });
    const proposals: Promise<void>[] = [];
    for (const action of actions) {
      switch (action.type) {
        case 'propose':
          proposals.push(this.#options.propose(this.#perhapsMistaken(action.change)));
          break;
        case 'drain':
          this.#drain(action.owner, action.shards);
          break;
        case 'voters':
          void control.proposeVoters(action.voters).catch(() => {});
          break;
        case 'handOver':
          control.transferLeadership();
          break;
        default:
          unreachable(action);
      }
    }
    if (proposals.length === 0) return;
    this.#isBusy = true;
    void Promise.all(proposals).then(() => {
      this.#isBusy = false;
      this.soon();
    });
  }

  #drain(owner: StoreId, shards: (MemberMessage & { type: 'drain' })['shards']): void {
    const { self, drains, tell } = this.#options;
    if (owner === self.storeId) void drains.drain(shards).then((drained) => this.drained(drained));
    else tell(owner, { type: 'drain', shards });
  }

  #perhapsMistaken(change: MapChange): MapChange {
    if (change.type !== 'assign' || !this.#options.mistaken('assign without after')) return change;
    return { ...change, assignments: change.assignments.map((each) => ({ ...each, after: each.after - 1 })) };
  }
}
