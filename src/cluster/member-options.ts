/** What a node hands to its part in a cluster. */
import type { ActorDefinition } from '../actors/definition.ts';
import type { RoutedCommand } from '../actors/elsewhere.ts';
import type { LogRefusal } from '../actors/shard-log.ts';
import type { Clock } from '../core/clock.ts';
import type { ShardId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { Journal } from '../persistence/journal.ts';
import type { PeerAddress, Transport } from '../transport/transport.ts';
import type { MemberFacts } from './membership/member-messages.ts';
import type { Mistaken } from './mistakes.ts';
import type { QueryHandler } from './routing/queries.ts';
import type { OwnedShard } from './shards/owned-shard.ts';
import type { ShardsOptions } from './shards/shards.ts';

export interface MemberOptions {
  readonly journal: Journal;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly mistaken: Mistaken;
  readonly definitions: readonly ActorDefinition[];
  /** What is told to the others; asked once the transport has an address. */
  readonly facts: () => Omit<MemberFacts, 'boot' | 'protocol'>;
  /** A cluster of this node alone, if its disk knows none. */
  readonly founds: boolean;
  /** Members of the cluster that it is to join, or has lost sight of. */
  readonly seeds: readonly PeerAddress[];
  /** Into this node's mailboxes. */
  readonly receive: (command: RoutedCommand) => void;
  readonly nextCommandId: () => string;
  readonly dropShards: (shards: ReadonlySet<ShardId>) => void;
  readonly isQuietIn: (shards: ReadonlySet<ShardId>) => boolean;
  /** These shards are served here from now on. */
  readonly served: (shards: readonly OwnedShard[]) => void;
  readonly ofShards: Pick<ShardsOptions, 'limits' | 'repaired'>;
  readonly answerQuery: QueryHandler;
  readonly refusal: () => LogRefusal | undefined;
  /** Nothing can be recorded here, now or soon: somebody else should own what this node owns. */
  readonly cannotRecord: () => boolean;
  /** This node may not go on: it was removed, or its cluster refused it. */
  readonly expelled: (reason: string) => void;
}
