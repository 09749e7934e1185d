/** How a node is started: the same settings in a program (`startNode`), on the command line and in the configuration file. */
import type { ActorClass } from '../actors/actor.ts';
import type { Duration } from '../core/duration.ts';
import type { Log } from '../core/log.ts';

/** What TLS is spoken with: PEM, as text or bytes. */
export interface TlsOptions {
  /** The node's certificate, and those it is signed with. */
  readonly cert: string | Buffer;
  /** Its private key, not encrypted. */
  readonly key: string | Buffer;
  /** Who signs the other nodes' certificates. Default: the system's certificate authorities. */
  readonly ca?: string | Buffer;
}

export interface NodeOptions {
  /** The actor classes this node serves. */
  readonly actors: readonly ActorClass[];
  /** The node's name. Default: the one kept in the data directory, else `node-<port>`. */
  readonly node?: string;
  /** Where the cluster socket listens. Default `127.0.0.1`. */
  readonly host?: string;
  /** The cluster socket's port; 0 picks a free one. Default 7400. */
  readonly port?: number;
  /** `host:port` of the cluster socket as told to other nodes. Default: from `host` and `port`. */
  readonly advertise?: string;
  /** `host:port` of members to join while the data directory is empty; may name this node itself. */
  readonly join?: readonly string[];
  /** Founds a new cluster beyond loopback, once, while the data directory is empty. */
  readonly found?: boolean;
  /** What fails together with this node: copies of a shard go to different zones. */
  readonly zone?: string;
  /** With it HTTP becomes HTTPS. */
  readonly tls?: TlsOptions;
  /** What the nodes of one cluster share, and nobody else knows; 16 bytes at least. */
  readonly secret?: string | Buffer;
  /** Where HTTP listens. Default `host`. */
  readonly httpHost?: string;
  /** HTTP's port; 0 picks a free one; false serves no HTTP. Default 8400. */
  readonly httpPort?: number | false;
  /** The HTTP address told to others. Default: derived from host and port. */
  readonly httpAdvertise?: string;
  /** The data directory. Default `.greenroom/<node>`. */
  readonly data?: string;
  /**
   * Goes on with what verifies of a damaged data directory, which is moved aside as it is, where this node holds the only
   * copies. Changes nothing for a sound one. Default false: a damaged directory is refused.
   */
  readonly acceptLoss?: boolean;
  /** Copies of each shard's log; fixed at founding. Default 3; a single node keeps one. */
  readonly replicas?: number;
  /** Number of shards, 1 to 4,096; fixed at founding. Default 256. */
  readonly shards?: number;
  /** For classes that do not say. Default 2 m. */
  readonly passivateAfter?: Duration;
  /** Actors in memory at most; beyond it the least recently used leave. Default 100,000. */
  readonly maxActive?: number;
  /** How long a stop waits for commands in progress. Default 10 s. */
  readonly shutdownGrace?: Duration;
  /** How long a copy of a shard that moved to other nodes is kept. Default 10 m. */
  readonly forgetAfter?: Duration;
  /** Bearer tokens that may call; undefined: everyone may. */
  readonly tokens?: readonly string[];
  /** Foreign origins that browsers may call from. */
  readonly corsOrigins?: readonly string[];
  /** Deep-freezes state and messages, so that code that changes them fails at once. For development. */
  readonly freeze?: boolean;
  /** Diagnostics. Default: silent in a program, standard error on the command line. */
  readonly log?: Log;
}
