/**
 * Where the members were when this node last saw the map, kept on its own disk. A node that starts knows no map, or an old
 * one from a snapshot, until the control log has committed something again; if its vote is needed for that, it has to be
 * able to speak before. So a map that is older than the book neither changes it nor takes its place. (Found in simulation:
 * two voters that had restarted knew each other's former disks only, and the third disk was gone.)
 */
import type { StoreId } from '../../core/ids.ts';
import { type Journal, unheard } from '../../persistence/journal.ts';
import type { PeerAddress } from '../../transport/transport.ts';
import { type ClusterMap, membersOf } from './cluster-map.ts';

/** Of the control rows. */
export const addressesRow = 'addresses';
const row = addressesRow;

export class AddressBook {
  readonly #journal: Journal;
  #version = 0;
  #members: readonly [StoreId, string][] = [];

  constructor(journal: Journal) {
    this.#journal = journal;
    const written = journal.control(row);
    if (written) [this.#version, this.#members] = readAddresses(written);
  }

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  /** What it knows beyond the map; nothing if the map is as new. */
  beyond(map: ClusterMap | undefined): readonly PeerAddress[] {
    if (map && map.version >= this.#version) return [];
    return this.#members.map(([storeId, address]) => ({ storeId, address }));
  }

  /** Nothing waits for it: an older book is as good as a map that was missed. */
  note(map: ClusterMap): void {
    if (map.version < this.#version || this.#journal.status !== 'open') return;
    this.#version = map.version;
    const members = membersOf(map);
    this.#members = members.map(({ storeId, address }) => [storeId, address]);
    const text = JSON.stringify([this.#version, this.#members]);
    this.#journal.setControl(row, Buffer.from(text), unheard);
  }
}

/**
 * Whether a disk says where its cluster is. One that does not has to join, or to go on joining: a node may have died between
 * its first word of the control log and its first map.
 */
export function knowsMembers(journal: Journal): boolean {
  return !new AddressBook(journal).isEmpty;
}

/** What the row holds: the version of the map that it was taken from, and its members. */
export function readAddresses(bytes: Buffer): [version: number, members: readonly [StoreId, string][]] {
  return JSON.parse(bytes.toString());
}
