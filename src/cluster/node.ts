/**
 * A node: one journal, its part in a cluster, the actors in memory, and the gateway through which the edge talks to
 * them. This is where machines and drivers are put together; it has no protocol of its own.
 *
 * A node alone is a cluster of one: it leads, it votes, it owns every shard with one replica. Nothing else is different.
 */
import { ActorHost } from '../actors/actor-host.ts';
import { assignedIdPrefix } from '../actors/command-ids.ts';
import type { ActorDefinition } from '../actors/definition.ts';
import type { RoutedCommand } from '../actors/elsewhere.ts';
import type { AnswerFacts, Caller } from '../actors/envelope.ts';
import { lastSnapshots } from '../actors/last-snapshots.ts';
import type { LogRefusal } from '../actors/shard-log.ts';
import type { Clock } from '../core/clock.ts';
import { actorHash } from '../core/hash.ts';
import { type ActorId, type CommandId, type NodeName, parseCommandId, type SequenceNumber } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import { encodeBackup } from '../persistence/backup/encode-backup.ts';
import type { Journal } from '../persistence/journal.ts';
import { loneTransport } from '../transport/lone-transport.ts';
import type { PeerAddress, Transport } from '../transport/transport.ts';
import { ClusterReads } from './cluster-reads.ts';
import { hasControlLog } from './control/control-driver.ts';
import { dropDeadLetter, listDeadLetters, resendDeadLetter } from './dead-letter-desk.ts';
import type {
  ActorSummary,
  ActorTypeInfo,
  ClusterInfo,
  CommandAnswer,
  CommandRequest,
  DeadLetter,
  Gateway,
  Inspection,
  LossAccepted,
  LossRequest,
  MetricHistogram,
  MetricSample,
  Page,
  PublicEvent,
  Readiness,
  RecoveryInfo,
  ShardInfo,
} from './gateway.ts';
import { unknownActor } from './history-pages.ts';
import { LocalReads } from './local-reads.ts';
import { ClusterMember } from './member.ts';
import { clusterInfo, shardInfos } from './membership/cluster-info.ts';
import { drainMember, removeMember } from './membership/member-requests.ts';
import { Recovery } from './membership/recovery.ts';
import { type Mistaken, noMistakes } from './mistakes.ts';
import { nodeMetrics } from './node-metrics.ts';
import { LateAttempts } from './routing/late-attempts.ts';
import type { ShardLimits } from './shards/follower.ts';
import { WitnessedTransport } from './witnessed-transport.ts';

export interface NodeSettings {
  readonly name: NodeName;
  readonly definitions: readonly ActorDefinition[];
  /** Open. */
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly maxActive: number;
  readonly attemptsMax?: number | undefined;
  readonly freeze: boolean;
  readonly heapUsed?: () => number;
  /** `host:port` of the cluster socket; what a transport says takes its place. */
  readonly clusterAddress: string;
  /** Without one the node reaches nobody. */
  readonly transport?: Transport;
  /** Members of the cluster that an empty store is to join; without any it founds one. */
  readonly seeds?: readonly PeerAddress[];
  /** Whether an empty store begins a cluster. Default: if there are no seeds. */
  readonly founds?: boolean;
  readonly zone?: string;
  readonly mistaken?: Mistaken;
  /** Default: `shardLimits`. */
  readonly shardLimits?: ShardLimits;
  /** This node may not go on as a member: it was removed, or refused. */
  readonly expelled?: (reason: string) => void;
}

/** Free bytes below which nothing is recorded any more: what is promised still has to fit. */
export const freeBytesMin = 64 * 1024 * 1024;
/** From here on it is enough again; more than what was too little, so that a disk on the edge is one or the other. */
const freeBytesAgain = freeBytesMin * 1.25;
/** Appended bytes not yet durable on one node. Beyond: commands that record something are `OVERLOADED`. */
export const pendingBytesMax = 64 * 1024 * 1024;
const freeBytesCheckEveryMs = 1_000;
const quietCheckEveryMs = 5;

export class ClusterNode implements Gateway {
  readonly name: NodeName;
  readonly host: ActorHost;
  readonly member: ClusterMember;
  /** Set by the edge before the node starts to talk, or once it listens. */
  httpAddress = '';
  readonly #settings: NodeSettings;
  readonly #reads: ClusterReads;
  readonly #recovery: Recovery;
  readonly #stopping = new AbortController();
  readonly #lateAttempts: LateAttempts;
  #failure: Error | undefined;
  #lowDisk: string | undefined;
  /** Others are to take its shards, and what runs may still be recorded. */
  #standsAside = false;
  #hasStopped = false;
  #cancelDiskCheck: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(settings: NodeSettings) {
    this.#settings = settings;
    this.name = settings.name;
    const { journal, clock, random, log, definitions, mistaken = noMistakes } = settings;
    this.#lateAttempts = new LateAttempts(() => clock.monotonicMs(), mistaken);
    const transport = settings.transport
      ? new WitnessedTransport({
          journal,
          transport: settings.transport,
          clock,
          log,
          mistaken,
          outdated: ({ message }) => this.#end(message),
        })
      : loneTransport(settings.clusterAddress);
    const seeds = settings.seeds ?? [];
    this.host = new ActorHost({
      definitions,
      shardCount: journal.identity.shardCount,
      // Nobody wakes on a shard that is being drained: what its last records say may not be committed yet.
      shardLog: (shard) => (this.member.router.isHere(shard) ? this.member.shards.served(shard) : undefined),
      elsewhere: {
        isHere: (shard) => this.member.router.isHere(shard),
        send: (command) => this.member.router.send(command),
      },
      isServedElsewhere: (type, name) => this.member.adverts.isServedSomewhere(type, name),
      clock,
      random,
      log,
      maxActive: settings.maxActive,
      attemptsMax: settings.attemptsMax,
      freeze: settings.freeze,
      mistaken,
      ...(settings.heapUsed ? { heapUsed: settings.heapUsed } : {}),
    });
    this.member = new ClusterMember({
      journal,
      transport,
      clock,
      random,
      log,
      definitions,
      mistaken,
      facts: () => ({
        node: this.name,
        address: settings.transport ? transport.address : settings.clusterAddress,
        httpAddress: this.httpAddress,
        zone: settings.zone ?? '',
      }),
      founds: (settings.founds ?? seeds.length === 0) && !hasControlLog(journal),
      seeds,
      receive: (command) => this.host.receive(this.#searched(command)),
      nextCommandId: () => this.host.nextCommandId(),
      dropShards: (shards) => this.host.dropShards(shards),
      isQuietIn: (shards) => this.host.isQuietIn(shards),
      served: () => this.host.waker.look(),
      ofShards: {
        limits: settings.shardLimits,
        // What kept it from recovering is gone.
        repaired: (type, id) => this.host.supervision.clear(type, id),
      },
      answerQuery: (name, input) => this.#recovery.answer(name, input) ?? this.#reads.answer(name, input),
      refusal: () => this.#refusal,
      cannotRecord: () => this.#lowDisk !== undefined || this.#refusal?.code === 'UNAVAILABLE',
      expelled: (reason) => this.#end(reason),
    });
    const local = new LocalReads({ host: this.host, journal, served: (shard) => this.member.shards.served(shard) });
    const nowMs = () => clock.monotonicMs();
    const schedule = (delayMs: number, task: () => void) => void clock.schedule(delayMs, task);
    this.#recovery = new Recovery({ member: this.member, wallMs: () => clock.wallMs(), nowMs, schedule });
    this.#reads = new ClusterReads({
      member: this.member,
      local,
      shardOf: (type, id) => this.#shardOf(type, id),
      nowMs,
      schedule,
    });
    journal.onFailure((error) => {
      this.#failure = error;
      this.host.stopAdmitting(`this node's disk failed: ${error.message}`);
      void this.member.close(`this node's disk failed: ${error.message}`);
    });
  }

  /** It may not go on. */
  #end(reason: string): void {
    this.#settings.log.error('this node cannot go on', { reason });
    this.#settings.expelled?.(reason);
  }

  /** Starts a node; resolves once it is a member and serves what it owns. */
  static async start(settings: NodeSettings): Promise<ClusterNode> {
    const node = new ClusterNode(settings);
    await node.begin();
    await node.whenReady();
    return node;
  }

  /** Begins to talk; {@link whenReady} says when it serves. */
  async begin(): Promise<void> {
    await this.member.start();
    this.host.start();
    await this.#checkDisk();
  }

  /** Resolves once this node is a member and serves what it owns. */
  whenReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#failure) reject(this.#failure);
        else if (!this.member.isReady) return;
        else resolve();
        stop();
      };
      const stop = this.member.onMap(look);
      look();
    });
  }

  get #refusal(): LogRefusal | undefined {
    const { journal } = this.#settings;
    const lowDisk = this.#standsAside ? undefined : this.#lowDisk;
    const reason = this.#hasStopped ? 'this node has stopped' : lowDisk;
    if (reason !== undefined) return { code: 'UNAVAILABLE', message: reason };
    if (journal.status !== 'open') return { code: 'UNAVAILABLE', message: 'this node can keep nothing any more' };
    if (journal.pendingBytes <= pendingBytesMax) return undefined;
    return { code: 'OVERLOADED', message: `the disk is behind by ${pendingBytesMax} bytes` };
  }

  async #checkDisk(): Promise<void> {
    const free = await this.#settings.journal.freeBytes();
    const isLow = free !== undefined && free < (this.#lowDisk === undefined ? freeBytesMin : freeBytesAgain);
    if (isLow !== (this.#lowDisk !== undefined)) {
      if (isLow) this.#becomeShortOfDisk(free);
      else {
        this.#lowDisk = undefined;
        this.#settings.log.info('enough disk again', { freeBytes: free });
      }
    }
    if (this.#closed) return;
    this.#cancelDiskCheck = this.#settings.clock.schedule(freeBytesCheckEveryMs, () => void this.#checkDisk());
  }

  #becomeShortOfDisk(free: number): void {
    const { log } = this.#settings;
    this.#lowDisk = `the disk is nearly full (${Math.floor(free / 1_048_576)} MiB free): nothing can be recorded; free some space`;
    log.error('low disk: commands that record something are refused', { freeBytes: free });
    if (!this.member.hasOthers) return;
    this.#standsAside = true;
    void this.member.standAside().finally(() => {
      this.#standsAside = false;
    });
  }

  /** Gives what it owns to others, if there are any; goes on routing for its own callers. */
  handOff(graceMs: number): Promise<void> {
    return this.member.handOff(graceMs);
  }

  /** Finishes what runs (at most `graceMs`), then closes the journal. Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    const { clock, journal, log } = this.#settings;
    const endMs = clock.monotonicMs() + graceMs;
    if (!this.#failure && graceMs > 0 && this.member.hasOthers) await this.member.handOff(graceMs);
    this.#cancelDiskCheck?.();
    this.host.stopAdmitting('this node is stopping');
    this.#stopping.abort();
    while (!this.host.isQuiet && clock.monotonicMs() < endMs && !this.#failure) {
      await new Promise<void>((resolve) => clock.schedule(quietCheckEveryMs, resolve));
    }
    if (this.host.isQuiet && !this.#failure) {
      const snapshots = lastSnapshots(this.host);
      while (!snapshots.next().done && clock.monotonicMs() < endMs && !this.#failure)
        await new Promise<void>((resolve) => clock.defer(resolve));
      await journal.flush().catch(() => {});
    }
    if (!this.host.isQuiet) log.warn('stopped with commands still running; their callers may retry with the same key');
    this.host.close();
    this.#hasStopped = true;
    await this.member.close('this node has stopped');
    await journal.close();
  }

  #shardOf(type: string, id: string): number {
    return this.host.shardOf(actorHash(type, id));
  }

  // ---- gateway ----------------------------------------------------------------------------------------------

  command(request: CommandRequest): Promise<CommandAnswer> {
    const { type, id, command, input, timeoutMs } = request;
    const shard = this.#shardOf(type, id);
    const { commandId, since } = this.#identify(request, this.#knownPosition(shard));
    this.#lateAttempts.sinceOf(commandId, since);
    return new Promise((resolve, reject) => {
      const caller: Caller = {
        replied: (reply: unknown, { replayed, woke }: AnswerFacts) =>
          resolve({ reply, idempotencyKey: commandId, replayed, position: this.#knownPosition(shard), woke }),
        failed: (error) => {
          error.idempotencyKey = commandId;
          reject(error);
        },
      };
      this.host.send({ type, id, command, input, caller, timeoutMs, commandId, since });
    });
  }

  /** A first attempt that a later one has overtaken is searched like that one. */
  #searched(command: RoutedCommand): RoutedCommand {
    const since = this.#lateAttempts.sinceOf(command.commandId, command.since);
    return since === command.since ? command : { ...command, since };
  }

  /** A committed position of the shard that this node knows. */
  #knownPosition(shard: number): number {
    return this.member.shards.served(shard)?.committed ?? this.member.router.knownPosition(shard);
  }

  /** An assigned key carries the position known when it was made, so that whoever sends it again need not. */
  #identify(request: CommandRequest, position: number): { commandId: CommandId; since: number } {
    const { key } = request;
    if (key === undefined)
      return { commandId: parseCommandId(`${this.host.nextCommandId()}.${position.toString(36)}`), since: -1 };
    if (request.since !== undefined) return { commandId: key, since: request.since };
    if (!key.startsWith(assignedIdPrefix)) return { commandId: key, since: -1 };
    const known = /^~[A-Za-z0-9]+\.[0-9a-z]+\.([0-9a-z]+)$/.exec(key);
    return { commandId: key, since: known ? Number.parseInt(known[1]!, 36) : -1 };
  }

  types(): readonly ActorTypeInfo[] {
    return this.host.definitions.map(({ name, kind, commands }) => ({
      name,
      kind,
      commands: [...commands.values()].map((command) => ({
        name: command.name,
        ...(command.schema ? { schema: command.schema['~standard'].vendor } : {}),
      })),
    }));
  }

  async actors(type: string, page: Page): Promise<readonly ActorSummary[]> {
    this.host.home(type);
    return this.#reads.list(type, page);
  }

  async inspect(type: string, id: ActorId, at?: SequenceNumber): Promise<Inspection> {
    return this.#reads.inspect(type, id, at);
  }

  async events(type: string, id: ActorId, after: SequenceNumber, limit: number): Promise<readonly PublicEvent[]> {
    return this.#reads.events(type, id, after, limit);
  }

  follow(type: string, id: ActorId, after: SequenceNumber, signal: AbortSignal): AsyncIterable<PublicEvent> {
    this.host.home(type);
    return this.#reads.follow(type, id, after, AbortSignal.any([signal, this.#stopping.signal]));
  }

  passivate(type: string, id: ActorId): Promise<void> {
    return this.#reads.passivate(type, id);
  }

  resume(type: string, id: ActorId): Promise<void> {
    return this.#reads.resume(type, id);
  }

  delete(type: string, id: ActorId): Promise<void> {
    const { definition } = this.host.home(type);
    if (!definition.memory) return Promise.reject(unknownActor(type, id));
    return new Promise((resolve, reject) => {
      this.host.sendDeletion(type, id, { replied: () => resolve(), failed: reject }, 30_000);
    });
  }

  deadLetters(page: Page): Promise<readonly DeadLetter[]> {
    return listDeadLetters(this, page);
  }

  resendDeadLetter(id: ActorId): Promise<void> {
    return resendDeadLetter(this, id);
  }

  dropDeadLetter(id: ActorId): Promise<void> {
    return dropDeadLetter(this, id);
  }

  cluster(): ClusterInfo {
    return clusterInfo(this.member, this.name);
  }

  shards(): readonly ShardInfo[] {
    return shardInfos(this.member, this.#failure !== undefined);
  }

  drain(node: string): Promise<void> {
    return drainMember(this.member, node);
  }

  remove(node: string): Promise<void> {
    return removeMember(this.member, node, this.#settings.clock.wallMs());
  }

  recovery(): RecoveryInfo {
    return this.#recovery.info();
  }

  acceptLoss(request: LossRequest): Promise<LossAccepted> {
    return this.#recovery.accept(request);
  }

  async backup(): Promise<AsyncIterable<Uint8Array>> {
    const { journal, clock } = this.#settings;
    return encodeBackup(await journal.view(), journal.identity, clock.wallMs());
  }

  async readiness(): Promise<Readiness> {
    if (this.#failure) return { ready: false, reason: `the disk failed: ${this.#failure.message}` };
    if (this.#closed) return { ready: false, reason: 'the node is stopping' };
    if (this.#lowDisk !== undefined) return { ready: false, reason: this.#lowDisk };
    if (!this.member.isJoined) return { ready: false, reason: 'the node is not a member of its cluster' };
    if (!this.member.isReady) return { ready: false, reason: 'shards of this node are not served yet' };
    return (await this.#answersCanary())
      ? { ready: true }
      : { ready: false, reason: 'the replicas of its shards do not answer, so it cannot answer either' };
  }

  /** Whether a question to one of its shards can be answered now. */
  async #answersCanary(): Promise<boolean> {
    const { clock } = this.#settings;
    await new Promise<void>((resolve) => clock.defer(resolve));
    const [canary] = this.member.shards.allOwned;
    if (!canary) return true;
    return new Promise((resolve) => {
      const cancel = clock.schedule(2_000, () => resolve(false));
      const answered = (isConfirmed: boolean) => {
        cancel();
        resolve(isConfirmed);
      };
      canary.confirm({ confirmed: () => answered(true), lost: () => answered(false) });
    });
  }

  metrics(): readonly (MetricSample | MetricHistogram)[] {
    return nodeMetrics(this.host, this.member, this.#settings.journal.pendingBytes);
  }
}
