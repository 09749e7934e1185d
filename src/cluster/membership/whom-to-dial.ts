/** Whom a node keeps links to. */
import type { StoreId } from '../../core/ids.ts';
import type { PeerAddress } from '../../transport/transport.ts';
import type { ClusterMap } from './cluster-map.ts';

export interface Acquaintances {
  readonly self: StoreId;
  readonly map: ClusterMap | undefined;
  /** Those it asks to let it join, and those that ask it, by store: their addresses. */
  readonly guests: ReadonlyMap<StoreId, string>;
  /** Members of a newer map than this one, from before a restart. */
  readonly known: readonly PeerAddress[];
  /** A member that was removed, and is still to hear so. */
  readonly isSayingGoodbyeTo: (peer: StoreId) => boolean;
}

/** Members, and guests. */
export function whomToDial({ self, map, guests, known, isSayingGoodbyeTo }: Acquaintances): readonly PeerAddress[] {
  const addresses = new Map(guests);
  for (const { storeId, address } of known) addresses.set(storeId, address);
  for (const { storeId, address, status } of map?.members.values() ?? []) {
    if (status !== 'removed' || isSayingGoodbyeTo(storeId)) addresses.set(storeId, address);
    else addresses.delete(storeId);
  }
  addresses.delete(self);
  return [...addresses].map(([storeId, address]) => ({ storeId, address }));
}
