/**
 * Joining, seen from a member: whoever asks to be let in is dialled, checked, and proposed to the control log. A node that
 * wants to join asks every member it knows, again and again, until the map names it. So does a new life of a member, as
 * long as the cluster may look for it where its last one was.
 */
import type { StoreId } from '../../core/ids.ts';
import type { PeerAddress, PeerIdentity } from '../../transport/transport.ts';
import type { ClusterMap, MapChange } from './cluster-map.ts';
import { type MemberFacts, type MemberMessage, memberStarted } from './member-messages.ts';

export interface JoiningOptions {
  readonly self: StoreId;
  /** Members that this node itself is to join. */
  readonly seeds: readonly PeerAddress[];
  readonly map: () => ClusterMap | undefined;
  readonly isJoined: () => boolean;
  readonly hasArrived: (peer: StoreId) => boolean;
  readonly dialPeers: () => void;
  readonly propose: (change: MapChange) => void;
  readonly tell: (to: StoreId, message: MemberMessage) => void;
}

/** Strangers that are dialled at the same time at most. */
const guestsMax = 64;

export class Joining {
  readonly #options: JoiningOptions;
  /** Peers that are dialled though the map does not know them: who wants to join, and whom this node joins. */
  readonly guests = new Map<StoreId, string>();

  constructor(options: JoiningOptions) {
    this.#options = options;
    for (const { storeId, address } of options.seeds) this.guests.set(storeId, address);
  }

  /** The map knows them now. */
  forget(members: Iterable<StoreId>): void {
    for (const storeId of members) this.guests.delete(storeId);
  }

  receive(from: PeerIdentity, facts: MemberFacts): void {
    const map = this.#options.map();
    if (!map || !this.#options.isJoined()) return;
    if (!map.members.has(from.storeId) && this.guests.size < guestsMax) this.guests.set(from.storeId, facts.address);
    this.#options.dialPeers();
    const known = map.members.get(from.storeId);
    const refuse = (reason: string) => this.#options.tell(from.storeId, { type: 'joinRefused', reason });
    if (known) {
      if (known.status === 'removed')
        refuse('this store was removed from the cluster; start the node on an empty data directory to join anew');
      else if (known.boot < facts.boot) this.#options.propose(memberStarted(from.storeId, facts));
      return;
    }
    const { min, max } = facts.protocol;
    if (map.protocol < min || map.protocol > max) {
      refuse(
        `the cluster speaks protocol version ${map.protocol}, this node ${min} to ${max}: start a matching version`,
      );
      return;
    }
    const namesake = [...map.members.values()].find(
      ({ node, status }) => node === facts.node && status !== 'removed' && status !== 'down',
    );
    if (namesake && (namesake.storeId === this.#options.self || this.#options.hasArrived(namesake.storeId))) {
      refuse(`a node named '${facts.node}' is running in the cluster already: give this one another --node`);
      return;
    }
    this.#options.propose({ type: 'memberJoined', storeId: from.storeId, ...facts });
  }
}
