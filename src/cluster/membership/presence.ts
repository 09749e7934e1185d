/**
 * This node's own standing in its cluster: has the map know this life of its store and where it is; tells members that were
 * removed; and ends the node, once, when it may not go on itself.
 */
import type { Clock } from '../../core/clock.ts';
import type { StoreId } from '../../core/ids.ts';
import type { ClusterMap, MapChange } from './cluster-map.ts';
import { mapToPlain } from './map-changes.ts';
import { type MemberFacts, type MemberMessage, memberStarted } from './member-messages.ts';

export interface PresenceOptions {
  readonly self: StoreId;
  readonly clock: Clock;
  readonly facts: () => MemberFacts;
  readonly map: () => ClusterMap | undefined;
  readonly isClosed: () => boolean;
  readonly dialPeers: () => void;
  /** Resolves when the change is committed, or its time is over. */
  readonly propose: (change: MapChange) => Promise<void>;
  readonly tell: (to: StoreId, message: MemberMessage) => void;
  /** Cuts what the peer dialled. */
  readonly dismiss: (peer: StoreId) => void;
  readonly expelled: (reason: string) => void;
}

/** How long the link to a removed member is kept, so that it learns of it. */
const goodbyeMs = 1_000;
const reportAgainMs = 200;

export class Presence {
  readonly #options: PresenceOptions;
  /** Removed a moment ago: they are told before their links end. */
  readonly #goodbyes = new Set<StoreId>();
  #isReporting = false;
  #isExpelled = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Whether a removed member is still to be reached. */
  isSayingGoodbyeTo(peer: StoreId): boolean {
    return this.#goodbyes.has(peer);
  }

  /**
   * A member that was removed gets the map that says so. One that does not hear it (it is paused, and its own links last) is
   * cut off: when it dials again, it is told.
   */
  sayGoodbye(peer: StoreId, map: ClusterMap): void {
    const { clock, tell, isClosed, dialPeers, dismiss } = this.#options;
    this.#goodbyes.add(peer);
    tell(peer, { type: 'map', map: mapToPlain(map) });
    clock.schedule(goodbyeMs, () => {
      this.#goodbyes.delete(peer);
      if (isClosed()) return;
      dialPeers();
      dismiss(peer);
    });
  }

  expel(reason: string): void {
    if (this.#isExpelled || this.#options.isClosed()) return;
    this.#isExpelled = true;
    this.#options.expelled(reason);
  }

  /** Has the map know this life of this store, until it does. */
  report(): void {
    const { self, clock, propose, isClosed } = this.#options;
    const known = this.#options.map()?.members.get(self);
    const facts = this.#options.facts();
    if (!known || known.status === 'removed' || known.boot >= facts.boot || this.#isReporting) return;
    this.#isReporting = true;
    void propose(memberStarted(self, facts)).finally(() => {
      this.#isReporting = false;
      if (!isClosed()) clock.schedule(reportAgainMs, () => this.report());
    });
  }
}
