/**
 * Commands for actors that are not on this node now: another node owns their shard, or it is moving. Whoever stands behind
 * this interface brings the command to the owner, wherever that is in the end, and tells its caller the outcome once.
 */

import type { Reroute } from '../core/errors.ts';
import type { CommandId, Position, ShardId } from '../core/ids.ts';
import type { Caller, DeliveryMark, EnvelopeKind } from './envelope.ts';

export interface RoutedCommand {
  readonly type: string;
  readonly id: string;
  readonly shard: ShardId;
  readonly kind: EnvelopeKind;
  readonly command: string;
  readonly input: unknown;
  readonly caller: Caller;
  /** On this node's monotonic clock. */
  readonly deadlineMs: number;
  /** Empty: none yet. */
  readonly commandId: CommandId | '';
  /** See `Envelope.since`. */
  readonly since: Position;
  readonly delivery: DeliveryMark | undefined;
  readonly chain: readonly string[] | undefined;
  /** When it was sent, among all commands of this node: rerouted ones keep their place. */
  readonly order: number;
  /** Set if it was sent to an owner before. */
  readonly reroute: Reroute | undefined;
  /** It came from a node that cannot reach the owner, and goes straight there or back. */
  readonly isRelayed?: boolean;
}

export interface Elsewhere {
  /** Whether commands for this shard go straight into this node's mailboxes now. */
  isHere(shard: ShardId): boolean;
  send(command: RoutedCommand): void;
}
