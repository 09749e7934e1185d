/**
 * Members that a node sends through where its own way to another is cut and theirs may not be. Nobody knows who reaches
 * whom: those in reach are tried in turn, and one that has no direct way itself says so. So nothing passes more than one.
 */
import type { StoreId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { ClusterMap } from '../membership/cluster-map.ts';

export interface RelaysOptions {
  readonly self: StoreId;
  readonly log: Log;
  readonly map: () => ClusterMap | undefined;
  /** Both directions work. */
  readonly isUp: (peer: StoreId) => boolean;
}

export class Relays {
  readonly #options: RelaysOptions;
  /** Members that are spoken to through another, and through which. */
  readonly #used = new Map<StoreId, StoreId>();
  #tried = 0;

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  /** Whom to try next; undefined if nobody else is in reach, or the member is not there for anybody. */
  next(to: StoreId): StoreId | undefined {
    const { self, isUp } = this.#options;
    const members = this.#options.map()?.members;
    const isThere = (status: string | undefined) => status === 'up' || status === 'leaving';
    if (!members || !isThere(members.get(to)?.status)) return undefined;
    const known = this.#used.get(to);
    if (known !== undefined && isUp(known)) return known;
    const others = [...members.values()].filter(
      ({ storeId, status }) => storeId !== self && storeId !== to && isThere(status) && isUp(storeId),
    );
    return others[this.#tried++ % others.length]?.storeId;
  }

  /** It has a way to the other, and is tried first from now on. */
  works(to: StoreId, through: StoreId): void {
    if (this.#used.get(to) === through) return;
    this.#used.set(to, through);
    const { log } = this.#options;
    log.warn('no way leads to a member: what is for it goes through another', { member: to, through });
  }

  /** It has none, or none any more. */
  fails(to: StoreId, through: StoreId): void {
    if (this.#used.get(to) === through) this.#used.delete(to);
  }

  /** The member itself is in reach. */
  linkUp(to: StoreId): void {
    if (this.#used.delete(to)) this.#options.log.info('a member is in reach again', { member: to });
  }
}
