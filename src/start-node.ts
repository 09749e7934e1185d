/**
 * Starting a node in a program: the same thing the command line starts. Opens the journal, joins or founds a
 * cluster, serves HTTP; stops in the reverse order.
 */
import v8 from 'node:v8';
import type { Actor, ActorClass, ActorRef, ActorType, Client, Tell } from './actors/actor.ts';
import { defineActor, passivateAfterDefaultMs } from './actors/definition.ts';
import { type ClusterAddress, holdClusterAddress } from './cluster/cluster-address.ts';
import { checkCredentials } from './cluster/credentials.ts';
import type { Gateway } from './cluster/gateway.ts';
import { type ClusterMember, protocolVersions } from './cluster/member.ts';
import { ClusterNode } from './cluster/node.ts';
import type { NodeOptions } from './cluster/node-options.ts';
import { type PulseThread, startPulseThread } from './cluster/pulse-thread.ts';
import { shardLimits } from './cluster/shards/follower.ts';
import { systemClock, systemRandom } from './cluster/system-clock.ts';
import { type Duration, durationMs } from './core/duration.ts';
import { GreenroomError } from './core/errors.ts';
import type { NodeName, StoreId } from './core/ids.ts';
import { silentLog } from './core/log.ts';
import { type HttpEdge, startHttp } from './http/edge.ts';
import { credentials, type MemberStore, openMemberStore, wholeNumber } from './member-store.ts';
import { startScrub } from './persistence/scrub.ts';
import { adviceFor } from './transport/turned-away.ts';
import { WebSocketTransport } from './transport/websocket-transport.ts';

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
  checkCredentials(options);
  const definitions = options.actors.map((type: ActorClass) =>
    defineActor(type, {
      passivateAfterMs: optionMs('passivateAfter', options.passivateAfter, passivateAfterDefaultMs),
    }),
  );
  const graceMs = optionMs('shutdownGrace', options.shutdownGrace, defaults.shutdownGraceMs);
  const forgetAfterMs = optionMs('forgetAfter', options.forgetAfter, shardLimits.forgetAfterMs);
  const maxActive = wholeNumber('maxActive', options.maxActive, defaults.maxActive, Number.MAX_SAFE_INTEGER);
  const started: { close(): Promise<unknown> }[] = [];
  const stop = async () => {
    for (const part of started.reverse()) await part.close();
  };
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  try {
    const address = await holdClusterAddress(host, options.port ?? defaults.port);
    started.push(address);
    const store = await openMemberStore(options, address.address, address.port);
    const { journal } = store;
    journal.onFailure(fail);
    started.push(journal);
    const stopScrub = startScrub(journal, {
      clock: systemClock,
      bytesPerSecond: scrubBytesPerSecond,
      onDamage: (damage) => log.error('the scrub met a record that does not verify', { ...damage }),
      onDone: (recordsRead) => log.debug('every record was read and verified', { recordsRead }),
    });
    started.push({ close: async () => stopScrub() });
    await address.close();
    const transport = clusterTransport(options, store, address, () => node.member);
    const node: ClusterNode = new ClusterNode({
      name: store.name,
      definitions,
      journal,
      clock: systemClock,
      random: systemRandom,
      log,
      maxActive,
      freeze: options.freeze ?? false,
      heapUsed,
      clusterAddress: address.address,
      transport,
      seeds: store.seeds,
      founds: store.founds,
      zone: options.zone ?? '',
      shardLimits: { ...shardLimits, forgetAfterMs },
      expelled: (reason) => fail(new GreenroomError('FORBIDDEN', reason)),
    });
    const edge = await serveHttp(options, node);
    if (edge) node.httpAddress = options.httpAdvertise ?? edge.url;
    started.push({ close: () => node.close(graceMs) });
    if (edge) started.push({ close: () => edge.close(graceMs) });
    await node.begin();
    started.push(await startPulses(options, node, address.port));
    await Promise.race([node.whenReady(), failed.then((error) => Promise.reject(error))]);
    let closing: Promise<void> | undefined;
    return {
      name: store.name,
      clusterAddress: transport.address,
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
        // Callers are served while the shards move; then the edge stops, and the node.
        closing ??= node.handOff(graceMs).then(stop);
        return closing;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function clusterTransport(
  options: NodeOptions,
  { journal, name }: MemberStore,
  { port }: ClusterAddress,
  member: () => ClusterMember,
): WebSocketTransport {
  const { clusterId, shardCount, replicas } = journal.identity;
  const storeId = journal.identity.storeId as StoreId;
  const { log = silentLog } = options;
  const transport: WebSocketTransport = new WebSocketTransport({
    clusterId,
    identity: { storeId, node: name, boot: journal.boot },
    protocol: protocolVersions,
    host: options.host ?? defaults.host,
    port,
    random: systemRandom,
    mayTalk: (hello) => member().mayTalk(hello),
    turnedAway: ({ host, why, detail }, times) => {
      const advice = adviceFor(why);
      // The rest passes by itself, as when a node of an older life is just ending.
      if (advice)
        log.warn('a connection to the cluster socket was turned away', { from: host, why, detail, times, advice });
    },
    describe: () => ({ clusterId, shardCount, replicas, node: name, storeId, addresses: [transport.address] }),
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
    ...credentials(options),
  });
  return transport;
}

/** The thread that tells a busy process from a dead one. */
async function startPulses(options: NodeOptions, { member }: ClusterNode, port: number): Promise<PulseThread> {
  const { secret } = credentials(options);
  const pulses = await startPulseThread({
    host: options.host ?? defaults.host,
    port,
    clusterId: member.map?.clusterId ?? '',
    storeId: member.storeId,
    boot: member.boot,
    ...(secret === undefined ? {} : { secret }),
    ...(options.log ? { log: options.log } : {}),
    onPulse: (peer, boot, lagMs) => member.pulse(peer, boot, lagMs),
    onOwnLag: (lagMs) => member.ownLag(lagMs),
  });
  member.onMap(() => pulses.setPeers(member.peers));
  pulses.setPeers(member.peers);
  return pulses;
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
