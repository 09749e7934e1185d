/**
 * Who was turned away at the cluster's port, and why, for people: a node that may not in shows what is wrong to whoever
 * started it, but whoever runs the cluster looks at its log. What strangers do must not fill that log: each host and
 * reason is told once in a while, with how often it was since, and only so many at a time.
 *
 * Pure: time is an argument.
 */
import { unreachable } from '../core/assert.ts';
import type { HelloRefusal } from './transport.ts';

/** `handshake cut off`: it hung up while TLS began. */
export type TurnedAwayReason = HelloRefusal | 'handshake cut off';

export interface TurnedAway {
  readonly host: string;
  readonly why: TurnedAwayReason;
  /** What TLS says about it, if it does. */
  readonly detail?: string;
}

/** The same again is told no sooner. */
export const turnedAwayEveryMs = 60_000;
/** Hosts and reasons that are kept apart within that time. Others are not told. */
export const turnedAwayMax = 32;

interface Seen {
  readonly toldMs: number;
  timesSince: number;
}

export class TurnedAwayBook {
  readonly #seen = new Map<string, Seen>();

  /** @returns how often it happened since it was last told, this time included; undefined if it is not to be told now */
  note({ host, why }: TurnedAway, nowMs: number): number | undefined {
    const key = `${why} ${host}`;
    const seen = this.#seen.get(key);
    if (seen && nowMs - seen.toldMs < turnedAwayEveryMs) {
      seen.timesSince += 1;
      return undefined;
    }
    this.#seen.delete(key);
    if (this.#seen.size >= turnedAwayMax) this.#forgetOld(nowMs);
    if (this.#seen.size >= turnedAwayMax) return undefined;
    this.#seen.set(key, { toldMs: nowMs, timesSince: 0 });
    return (seen?.timesSince ?? 0) + 1;
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { toldMs }] of this.#seen) if (nowMs - toldMs >= turnedAwayEveryMs) this.#seen.delete(key);
  }
}

/** What a person can do so that two nodes accept each other; undefined if it passes by itself, or is none of theirs. */
export function adviceFor(why: TurnedAwayReason): string | undefined {
  switch (why) {
    case 'wrong secret':
      return 'give every node of the cluster the same --secret-file';
    case 'wrong certificate':
    case 'handshake cut off':
      return 'every node needs a --tls-cert that the authority in the others’ --tls-ca signed, that is valid today and that names the host at which it is dialled';
    case 'TLS on one side':
      return 'give every node of the cluster --tls-cert, --tls-key and --tls-ca, or none of them --tls-ca';
    case 'wrong cluster':
      return 'it is a member of another cluster: check its --join, and whether its data directory is the right one';
    case 'no common protocol version':
      return 'the two run versions of Greenroom that lie too far apart: upgrade the older one';
    case 'removed':
      return 'it was removed for good: start it on an empty data directory with --join';
    case 'wrong store':
    case 'self':
    case 'outdated':
    case 'malformed':
      return undefined;
    default:
      return unreachable(why);
  }
}
