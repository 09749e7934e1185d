/**
 * What a node starts from: its data directory, and its place in a cluster. A used directory says both. An empty one joins the
 * cluster that answers at one of the given addresses, and takes its settings from there; or it founds a new one, on loopback
 * by itself, beyond loopback only when that is asked for.
 */
import { join } from 'node:path';
import { knowsMembers } from './cluster/membership/address-book.ts';
import type { NodeOptions } from './cluster/node-options.ts';
import { systemRandom } from './cluster/system-clock.ts';
import { GreenroomError } from './core/errors.ts';
import { type NodeName, parseNodeName, shardCountMax } from './core/ids.ts';
import { type Log, silentLog } from './core/log.ts';
import { randomName } from './core/random.ts';
import { JournalError } from './persistence/journal.ts';
import { LevelJournal, type LevelJournalOptions } from './persistence/level-journal.ts';
import { readStoreIdentity } from './persistence/open-store.ts';
import { finishSalvage } from './persistence/salvage-store.ts';
import { joiningRow, salvage } from './salvage.ts';
import { ProbeError, probeCluster } from './transport/probe-cluster.ts';
import type { ClusterDescription, PeerAddress } from './transport/transport.ts';
import type { TransportTls } from './transport/transport-tls.ts';

export interface MemberStore {
  readonly journal: LevelJournal;
  readonly name: NodeName;
  readonly seeds: readonly PeerAddress[];
  /** Begin a cluster of this node alone if the store knows none. */
  readonly founds: boolean;
}

const defaults = { shards: 256, replicas: 3 };
const probeTimeoutMs = 2_000;
const probeAgainMs = 500;
/** How long a node with an empty disk looks for the cluster that it is to join. */
const joinWithinMs = 30_000;

/**
 * @param address `host:port` of this node's own cluster socket: it is not asked
 * @throws GreenroomError, JournalError
 */
export async function openMemberStore(options: NodeOptions, address: string, port: number): Promise<MemberStore> {
  const wanted = options.node === undefined ? undefined : parseNodeName(options.node);
  const directory = options.data ?? join('.greenroom', wanted ?? `node-${port}`);
  await finishSalvage(directory);
  const known = await readStoreIdentity(directory);
  const name = wanted ?? (known?.node as NodeName | undefined) ?? parseNodeName(`node-${port}`);
  const shards = wholeNumber('shards', options.shards, defaults.shards, shardCountMax);
  const replicas = wholeNumber('replicas', options.replicas, defaults.replicas, 7);
  const others = (options.join ?? []).filter((each) => each !== address && each !== options.advertise);
  const cluster = known ? undefined : await findCluster(options, others);
  if (cluster) checkSettings(options, cluster);
  const journal = await openJournal(options, {
    directory,
    format: {
      clusterId: cluster?.clusterId ?? randomName(systemRandom, 12),
      node: name,
      storeId: randomName(systemRandom, 12),
      shardCount: cluster?.shardCount ?? shards,
      replicas: cluster?.replicas ?? replicas,
    },
    expected: {
      ...(wanted === undefined ? {} : { node: wanted }),
      ...(options.shards === undefined ? {} : { shardCount: shards }),
      ...(options.replicas === undefined ? {} : { replicas }),
    },
  });
  try {
    const seeds = await seedsOf(journal, cluster);
    return { journal, name, seeds, founds: seeds.length === 0 };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function openJournal(options: NodeOptions, settings: LevelJournalOptions): Promise<LevelJournal> {
  const journal = new LevelJournal(settings);
  try {
    await journal.open();
    return journal;
  } catch (error) {
    if (!(error instanceof JournalError) || error.code !== 'STORE_DAMAGED') throw error;
    await salvage(options, settings.directory, error);
  }
  const salvaged = new LevelJournal(settings);
  await salvaged.open();
  return salvaged;
}

/** Whom to ask to be let in: kept on the disk until the cluster has done so. */
async function seedsOf(journal: LevelJournal, cluster: ClusterDescription | undefined): Promise<PeerAddress[]> {
  if (cluster) {
    const seeds = [{ storeId: cluster.storeId, address: cluster.addresses[0]! }];
    await new Promise<void>((durable, failed) => {
      journal.setControl(joiningRow, Buffer.from(JSON.stringify(seeds)), { durable, failed });
    });
    return seeds;
  }
  const row = journal.control(joiningRow);
  return row && !knowsMembers(journal) ? (JSON.parse(row.toString()) as PeerAddress[]) : [];
}

async function findCluster(options: NodeOptions, others: readonly string[]): Promise<ClusterDescription | undefined> {
  const { found = false, log = silentLog, join: asked = [] } = options;
  if (asked.length === 0) {
    if (!found && !isLoopback(options.host ?? '127.0.0.1'))
      throw new GreenroomError(
        'BAD_REQUEST',
        `the data directory is empty and there is nobody to join: give --join with the address of a member, or --found to begin a new cluster on ${options.host}`,
      );
    return undefined;
  }
  const endMs = performance.now() + (found ? probeTimeoutMs : joinWithinMs);
  for (let isFirst = true; ; isFirst = false) {
    const problems: string[] = [];
    for (const each of others) {
      const answer = await ask(each, options, problems);
      if (answer) return { ...answer, addresses: [each] };
    }
    if (found) return undefined;
    if (others.length === 0 || performance.now() >= endMs)
      throw others.length === 0
        ? new GreenroomError(
            'BAD_REQUEST',
            '--join names only this node itself, and its data directory is empty: name another member, or begin a new cluster with --found',
          )
        : new GreenroomError(
            'UNAVAILABLE',
            `no member of a cluster answered for ${joinWithinMs / 1_000} s. ${problems.join(' ')} Start one of them first, or give --join another address`,
          );
    if (isFirst) tellWaiting(log, others, problems);
    await new Promise((resolve) => setTimeout(resolve, probeAgainMs));
  }
}

function tellWaiting(log: Log, others: readonly string[], problems: readonly string[]): void {
  log.warn('waits for a member to join', { members: others, problems, forMs: joinWithinMs });
}

async function ask(address: string, options: NodeOptions, problems: string[]): Promise<ClusterDescription | undefined> {
  try {
    return await probeCluster(address, credentials(options), probeTimeoutMs);
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    if (!error.retryable) throw new GreenroomError('BAD_REQUEST', error.message, { cause: error });
    problems.push(error.message);
    return undefined;
  }
}

/** A joiner that was told other settings than its cluster has is a mistake, and not a member. */
function checkSettings(options: NodeOptions, cluster: ClusterDescription): void {
  for (const [name, given, has] of [
    ['shards', options.shards, cluster.shardCount],
    ['replicas', options.replicas, cluster.replicas],
  ] as const) {
    if (given === undefined || given === has) continue;
    throw new GreenroomError(
      'BAD_REQUEST',
      `${name} is ${given} here, but the cluster was founded with ${has}, for good: leave --${name} out, or give ${has}`,
    );
  }
}

/** What this node proves itself with to other nodes. */
export function credentials(options: NodeOptions): {
  readonly secret?: string;
  readonly tls?: TransportTls;
} {
  const { secret, tls } = options;
  return {
    ...(secret === undefined ? {} : { secret: secret.toString() }),
    ...(tls?.ca === undefined ? {} : { tls: { cert: tls.cert, key: tls.key, ca: tls.ca } }),
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\./.test(host);
}

export function wholeNumber(name: string, value: number | undefined, otherwise: number, max: number): number {
  if (value === undefined) return otherwise;
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new GreenroomError('BAD_REQUEST', `${name} is ${value}; it is a whole number from 1 to ${max}`);
}
