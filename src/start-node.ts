/**
 * Starting a node in a program: the same thing the command line starts. Opens the journal, takes ownership of its
 * shards, then serves HTTP; stops in the reverse order.
 */
import { join } from 'node:path';
import v8 from 'node:v8';
import type { Actor, ActorClass, ActorRef, ActorType, Client, Tell } from './actors/actor.ts';
import { defineActor, passivateAfterDefaultMs } from './actors/definition.ts';
import { type ClusterAddress, holdClusterAddress } from './cluster/cluster-address.ts';
import { checkCredentials } from './cluster/credentials.ts';
import type { Gateway } from './cluster/gateway.ts';
import { ClusterNode } from './cluster/node.ts';
import type { NodeOptions } from './cluster/node-options.ts';
import { systemClock, systemRandom } from './cluster/system-clock.ts';
import { type Duration, durationMs } from './core/duration.ts';
import { GreenroomError } from './core/errors.ts';
import { type NodeName, parseNodeName, shardCountMax } from './core/ids.ts';
import { silentLog } from './core/log.ts';
import { randomName } from './core/random.ts';
import { type HttpEdge, startHttp } from './http/edge.ts';
import { LevelJournal } from './persistence/level-journal.ts';
import { readStoreIdentity } from './persistence/open-store.ts';
import { startScrub } from './persistence/scrub.ts';

/** A running node, and a client of its own actors. */
export interface GreenroomNode extends Client {
  readonly name: NodeName;
  /** `host:port` of the cluster socket. */
  readonly clusterAddress: string;
  /** Where HTTP is served; undefined if it is not. */
  readonly httpUrl: string | undefined;
  /** What the HTTP edge talks to: inspection, history, metrics. */
  readonly gateway: Gateway;
  /** Resolves with the reason if the node can keep nothing any more (its disk failed): close it and exit. */
  readonly failed: Promise<Error>;
  /** `node.tell(ref).command(input)`: sends without waiting, in order, at most once. */
  tell<R extends object>(ref: R): Tell<R>;
  /** Finishes what runs, makes it durable and stops. Idempotent. */
  close(): Promise<void>;
}

const defaults = {
  host: '127.0.0.1',
  port: 7_400,
  httpPort: 8_400,
  shards: 256,
  replicas: 3,
  maxActive: 100_000,
  shutdownGraceMs: 10_000,
};

/** How fast stored records are read again in the background, once per start. */
const scrubBytesPerSecond = 8 * 1024 * 1024;

/**
 * Starts a node. Resolves when it serves.
 *
 * @throws GreenroomError `BAD_REQUEST` for a wrong option or actor class
 * @throws JournalError if the data directory cannot be opened (locked, damaged, foreign, …)
 * @throws Error with `code` `EADDRINUSE` and alike if an address cannot be had
 */
export async function startNode(options: NodeOptions): Promise<GreenroomNode> {
  const { log = silentLog, host = defaults.host } = options;
  refuseOtherNodes(options);
  checkCredentials(options);
  const definitions = options.actors.map((type: ActorClass) =>
    defineActor(type, {
      passivateAfterMs: optionMs('passivateAfter', options.passivateAfter, passivateAfterDefaultMs),
    }),
  );
  const graceMs = optionMs('shutdownGrace', options.shutdownGrace, defaults.shutdownGraceMs);
  const maxActive = wholeNumber('maxActive', options.maxActive, defaults.maxActive, Number.MAX_SAFE_INTEGER);
  const started: { close(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const part of started.reverse()) await part.close();
  };
  try {
    const address = await holdClusterAddress(host, options.port ?? defaults.port);
    started.push(address);
    const { journal, name } = await openJournal(options, address);
    const failed = new Promise<Error>((resolve) => journal.onFailure(resolve));
    started.push(journal);
    const stopScrub = startScrub(journal, {
      clock: systemClock,
      bytesPerSecond: scrubBytesPerSecond,
      onDamage: (damage) => log.error('a record does not verify; its actor will be quarantined', { ...damage }),
      onDone: (recordsRead) => log.debug('every record was read and verified', { recordsRead }),
    });
    started.push({ close: async () => stopScrub() });
    const node = await ClusterNode.start({
      name,
      definitions,
      journal,
      clock: systemClock,
      random: systemRandom,
      log,
      maxActive,
      freeze: options.freeze ?? false,
      heapUsed,
      clusterAddress: address.address,
    });
    started.push({ close: () => node.close(graceMs) });
    const edge = await serveHttp(options, node);
    if (edge) {
      node.httpAddress = options.httpAdvertise ?? edge.url;
      started.push({ close: () => edge.close(graceMs) });
    }
    let closing: Promise<void> | undefined;
    return {
      name,
      clusterAddress: address.address,
      httpUrl: edge?.url,
      gateway: node,
      failed,
      actor: ((type: ActorType<Actor> | string, id: string) => node.host.refFor(node.host, type, id)) as <
        A extends Actor,
      >(
        type: ActorType<A> | string,
        id: string,
      ) => ActorRef<A>,
      tell: <R extends object>(ref: R) => node.host.tell(ref) as Tell<R>,
      close: () => {
        closing ??= stop();
        return closing;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Known, so that nobody believes they took effect. */
function refuseOtherNodes(options: NodeOptions): void {
  const asked = (['join', 'found', 'advertise', 'zone'] as const).find((name) => {
    const value = options[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
  });
  if (asked === undefined) return;
  throw new GreenroomError(
    'BAD_REQUEST',
    `${asked}: not yet; this version runs single nodes, and clusters of several come with a later one`,
  );
}

async function openJournal(
  options: NodeOptions,
  address: ClusterAddress,
): Promise<{ journal: LevelJournal; name: NodeName }> {
  const wanted = options.node === undefined ? undefined : parseNodeName(options.node);
  const directory = options.data ?? join('.greenroom', wanted ?? `node-${address.port}`);
  const known = await readStoreIdentity(directory);
  const name = wanted ?? (known?.node as NodeName | undefined) ?? parseNodeName(`node-${address.port}`);
  const shardCount = wholeNumber('shards', options.shards, defaults.shards, shardCountMax);
  const replicas = wholeNumber('replicas', options.replicas, defaults.replicas, 7);
  const journal = new LevelJournal({
    directory,
    format: {
      clusterId: randomName(systemRandom, 12),
      node: name,
      storeId: randomName(systemRandom, 12),
      shardCount,
      replicas,
    },
    expected: {
      ...(wanted === undefined ? {} : { node: wanted }),
      ...(options.shards === undefined ? {} : { shardCount }),
      ...(options.replicas === undefined ? {} : { replicas }),
    },
  });
  await journal.open();
  return { journal, name };
}

async function serveHttp(options: NodeOptions, node: ClusterNode): Promise<HttpEdge | undefined> {
  if (options.httpPort === false) return undefined;
  const host = options.httpHost ?? options.host ?? defaults.host;
  return startHttp({
    gateway: node,
    host,
    port: options.httpPort ?? defaults.httpPort,
    tokens: options.tokens,
    corsOrigins: options.corsOrigins,
    tls: options.tls,
    allowedHosts: options.httpHost === undefined ? undefined : [options.httpHost],
    log: options.log ?? silentLog,
    clock: systemClock,
  });
}

function heapUsed(): number {
  const { used_heap_size: used, heap_size_limit: limit } = v8.getHeapStatistics();
  return used / limit;
}

function optionMs(name: string, value: Duration | undefined, otherwiseMs: number): number {
  if (value === undefined) return otherwiseMs;
  const ms = durationMs(value);
  if (ms === undefined)
    throw new GreenroomError(
      'BAD_REQUEST',
      `${name} is ${JSON.stringify(value)}; it is milliseconds or a text like '30s'`,
    );
  return ms;
}

function wholeNumber(name: string, value: number | undefined, otherwise: number, max: number): number {
  if (value === undefined) return otherwise;
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new GreenroomError('BAD_REQUEST', `${name} is ${value}; it is a whole number from 1 to ${max}`);
}
