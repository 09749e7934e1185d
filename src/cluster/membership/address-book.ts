/**
 * Where the members were when this node last saw the map, kept on its own disk. A node that starts knows no map until the
 * control log has committed something again; if its vote is needed for that, it has to be able to speak before.
 */
import type { StoreId } from '../../core/ids.ts';
import type { Journal } from '../../persistence/journal.ts';
import type { PeerAddress } from '../../transport/transport.ts';
import type { ClusterMap } from './cluster-map.ts';

const row = 'addresses';

export class AddressBook {
  readonly #journal: Journal;
  #written: string;

  constructor(journal: Journal) {
    this.#journal = journal;
    this.#written = journal.control(row)?.toString() ?? '[]';
  }

  get peers(): readonly PeerAddress[] {
    return (JSON.parse(this.#written) as [StoreId, string][]).map(([storeId, address]) => ({ storeId, address }));
  }

  /** Nothing waits for it: an older book is as good as a map that was missed. */
  note(map: ClusterMap): void {
    const members = [...map.members.values()].filter(({ status }) => status !== 'removed');
    const text = JSON.stringify(members.map(({ storeId, address }) => [storeId, address]));
    if (text === this.#written || this.#journal.status !== 'open') return;
    this.#written = text;
    this.#journal.setControl(row, Buffer.from(text), { durable() {}, failed() {} });
  }
}

/**
 * Whether a disk says where its cluster is. One that does not has to join, or to go on joining: a node may have died between
 * its first word of the control log and its first map.
 */
export function knowsMembers(journal: Journal): boolean {
  return new AddressBook(journal).peers.length > 0;
}
