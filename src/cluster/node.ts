/**
 * A node: one journal, the shards it owns, the actors in memory, and the gateway through which the edge talks to
 * them. This is where machines and drivers are put together; it has no protocol of its own.
 *
 * A node alone owns every shard. It begins a new epoch of each at every start, so that nothing of an earlier process
 * can be taken for its own.
 */
import { ActorHost } from '../actors/actor-host.ts';
import { assignedIdPrefix } from '../actors/command-ids.ts';
import type { ActorDefinition } from '../actors/definition.ts';
import type { Caller, Envelope } from '../actors/envelope.ts';
import { Recovery } from '../actors/recovery.ts';
import { reminderInfo } from '../actors/reminders.ts';
import type { Clock } from '../core/clock.ts';
import { GreenroomError } from '../core/errors.ts';
import { actorHash } from '../core/hash.ts';
import { type ActorId, type CommandId, type NodeName, parseCommandId, type SequenceNumber } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import type { Journal } from '../persistence/journal.ts';
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
  MetricHistogram,
  MetricSample,
  Page,
  PublicEvent,
  Readiness,
  ShardInfo,
} from './gateway.ts';
import { committedEnd, followEvents, readCommittedEvents, unknownActor } from './history-pages.ts';
import { nodeMetrics } from './node-metrics.ts';
import { OwnedShardLog } from './owned-shard-log.ts';

export interface NodeSettings {
  readonly name: NodeName;
  readonly definitions: readonly ActorDefinition[];
  /** Open. */
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly maxActive: number;
  readonly freeze: boolean;
  readonly heapUsed?: () => number;
  /** `host:port` of the cluster socket. */
  readonly clusterAddress: string;
}

/** Free bytes below which nothing is recorded any more: what is promised still has to fit. */
export const freeBytesMin = 64 * 1024 * 1024;
const freeBytesCheckEveryMs = 1_000;
const quietCheckEveryMs = 5;

export class ClusterNode implements Gateway {
  readonly name: NodeName;
  readonly host: ActorHost;
  /** Set by the edge once it listens. */
  httpAddress = '';
  readonly #settings: NodeSettings;
  readonly #logs: OwnedShardLog[] = [];
  readonly #stopping = new AbortController();
  #failure: Error | undefined;
  #lowDisk: string | undefined;
  #hasStopped = false;
  #cancelDiskCheck: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  private constructor(settings: NodeSettings) {
    this.#settings = settings;
    this.name = settings.name;
    this.host = new ActorHost({
      definitions: settings.definitions,
      shardCount: settings.journal.identity.shardCount,
      shardLog: (shard) => this.#logs[shard],
      clock: settings.clock,
      random: settings.random,
      log: settings.log,
      maxActive: settings.maxActive,
      freeze: settings.freeze,
      ...(settings.heapUsed ? { heapUsed: settings.heapUsed } : {}),
    });
  }

  /** Takes ownership of every shard; resolves once all of them serve. */
  static async start(settings: NodeSettings): Promise<ClusterNode> {
    const node = new ClusterNode(settings);
    await node.#beginEpochs();
    node.host.start();
    await node.#checkDisk();
    return node;
  }

  #beginEpochs(): Promise<void> {
    const { journal, clock } = this.#settings;
    journal.onFailure((error) => {
      this.#failure = error;
      this.host.stopAdmitting(`this node's disk failed: ${error.message}`);
    });
    return new Promise((resolve, reject) => {
      let starting = journal.identity.shardCount;
      const whenServing = {
        durable: () => {
          starting -= 1;
          if (starting === 0) resolve();
        },
        failed: reject,
      };
      const refusal = () => this.#refusal;
      for (let shard = 0; shard < journal.identity.shardCount; shard++) {
        this.#logs.push(new OwnedShardLog(journal, shard, clock.wallMs(), refusal, whenServing));
      }
    });
  }

  /** Why nothing can be recorded on this node just now. */
  get #refusal(): string | undefined {
    return this.#hasStopped ? 'this node has stopped' : this.#lowDisk;
  }

  async #checkDisk(): Promise<void> {
    const free = await this.#settings.journal.freeBytes();
    const isLow = free !== undefined && free < freeBytesMin;
    if (isLow !== (this.#lowDisk !== undefined)) {
      this.#lowDisk = isLow
        ? `the disk is nearly full (${Math.floor(free / 1_048_576)} MiB free): nothing can be recorded; free some space`
        : undefined;
      if (isLow) this.#settings.log.error('low disk: commands that record something are refused', { freeBytes: free });
      else this.#settings.log.info('enough disk again', { freeBytes: free });
    }
    if (this.#closed) return;
    this.#cancelDiskCheck = this.#settings.clock.schedule(freeBytesCheckEveryMs, () => void this.#checkDisk());
  }

  /** Finishes what runs (at most `graceMs`), then closes the journal. Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    return this.#closed;
  }

  async #close(graceMs: number): Promise<void> {
    const { clock, journal, log } = this.#settings;
    this.#cancelDiskCheck?.();
    this.host.stopAdmitting('this node is stopping');
    this.#stopping.abort();
    const endMs = clock.monotonicMs() + graceMs;
    while (!this.host.isQuiet && clock.monotonicMs() < endMs && !this.#failure) {
      await new Promise<void>((resolve) => clock.schedule(quietCheckEveryMs, resolve));
    }
    if (!this.host.isQuiet) log.warn('stopped with commands still running; their callers may retry with the same key');
    this.host.close();
    this.#hasStopped = true;
    await journal.close();
  }

  // ---- gateway ----------------------------------------------------------------------------------------------

  command(request: CommandRequest): Promise<CommandAnswer> {
    const { type, id, command, input, timeoutMs } = request;
    const log = this.#logOf(type, id);
    const position = log?.committed ?? 0;
    const { commandId, since } = this.#identify(request, position);
    return new Promise((resolve, reject) => {
      const caller: Caller = {
        replied: (reply: unknown, envelope: Envelope) =>
          resolve({
            reply,
            idempotencyKey: commandId,
            replayed: envelope.replayed,
            position: log?.committed ?? 0,
            woke: envelope.woke,
          }),
        failed: (error) => {
          error.idempotencyKey = commandId;
          reject(error);
        },
      };
      this.host.send({ type, id, command, input, caller, timeoutMs, commandId, since });
    });
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
    const home = this.host.home(type);
    const { definition, activations } = home;
    if (!definition.memory) {
      const ids = [...activations.keys()]
        .filter((id) => page.after === undefined || compareBytes(id, page.after) > 0)
        .sort(compareBytes);
      return ids.slice(0, page.limit).map((id) => ({ id: id as ActorId, status: 'active', sequenceNumber: 0 }));
    }
    if (this.#settings.journal.pendingBytes > 0) await this.#settings.journal.flush();
    const listed = await this.#settings.journal.listActors(definition.name, page.after, page.limit);
    return listed.map(({ id, sequenceNumber }) => ({ id, status: this.#statusOf(type, id), sequenceNumber }));
  }

  #statusOf(type: string, id: ActorId): ActorSummary['status'] {
    const standing = this.host.supervision.standing(type, id, this.#settings.clock.monotonicMs());
    if (standing.type === 'quarantined') return 'quarantined';
    return this.host.home(type).activations.has(id) ? 'active' : 'passivated';
  }

  async inspect(type: string, id: ActorId, at?: SequenceNumber): Promise<Inspection> {
    const { definition, activations } = this.host.home(type);
    const status = this.#statusOf(type, id);
    const hash = actorHash(type, id);
    const shard = this.host.shardOf(hash);
    const common = { type: definition.name, id, shard, node: this.name, replicas: [this.name], status };
    if (!definition.memory) {
      if (!activations.has(id)) throw unknownActor(type, id);
      return { ...common, sequenceNumber: 0, state: null };
    }
    const log = this.#logs[shard]!;
    if (this.#settings.journal.pendingBytes > 0) await this.#settings.journal.flush();
    const end = committedEnd(this.host, log, type, id);
    const reason = this.host.supervision.standing(type, id, this.#settings.clock.monotonicMs());
    if (!end || (end.sequenceNumber === 0 && at !== undefined)) throw unknownActor(type, id);
    if (at !== undefined && at > end.sequenceNumber) {
      throw new GreenroomError(
        'BAD_REQUEST',
        `${type}/${id} has ${end.sequenceNumber} events; there is no state at ${at}`,
      );
    }
    if (status === 'quarantined' && at === undefined) {
      return {
        ...common,
        sequenceNumber: end.sequenceNumber,
        state: null,
        ...('reason' in reason ? { reason: reason.reason } : {}),
      };
    }
    const recovered = await this.#recover(definition, id, log, end.newest, at);
    const isEmpty = recovered.sequenceNumber === recovered.deletedThrough;
    if (isEmpty && (at === undefined ? recovered.reminders.size === 0 : recovered.deletedThrough > 0)) {
      if (at === undefined) throw unknownActor(type, id);
      throw new GreenroomError('BAD_REQUEST', `events up to ${recovered.deletedThrough} of ${type}/${id} were deleted`);
    }
    const { state } = recovered;
    if (at !== undefined) return { ...common, sequenceNumber: at, state };
    const reminders = recovered.reminders.all().map(reminderInfo);
    return { ...common, sequenceNumber: recovered.sequenceNumber, state, reminders };
  }

  /** Makes a state beside the actor, in slices: looking does not wake it. */
  async #recover(
    definition: ActorDefinition,
    id: ActorId,
    log: OwnedShardLog,
    newest: number,
    through: SequenceNumber | undefined,
  ) {
    const { clock } = this.#settings;
    const recovery = new Recovery({
      memory: definition.memory!,
      id,
      log,
      newest,
      ...(through === undefined ? {} : { through }),
    });
    try {
      for (;;) {
        const endMs = clock.monotonicMs() + 2;
        if (recovery.step(() => clock.monotonicMs() >= endMs)) return recovery.result;
        await new Promise<void>((resolve) => clock.defer(resolve));
      }
    } catch (error) {
      if (through !== undefined)
        throw new GreenroomError('BAD_REQUEST', `the state at ${through} cannot be made: ${(error as Error).message}`, {
          cause: error,
        });
      throw new GreenroomError('UNAVAILABLE', `the state cannot be recovered: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async events(type: string, id: ActorId, after: SequenceNumber, limit: number): Promise<readonly PublicEvent[]> {
    const { definition } = this.host.home(type);
    if (!definition.memory) throw unknownActor(type, id);
    if (this.#settings.journal.pendingBytes > 0) await this.#settings.journal.flush();
    const log = this.#logs[this.host.shardOf(actorHash(type, id))]!;
    const end = committedEnd(this.host, log, type, id);
    if (!end || end.sequenceNumber === 0 || log.actor(definition.name, id)?.deleted) throw unknownActor(type, id);
    return readCommittedEvents(end, after, limit);
  }

  follow(type: string, id: ActorId, after: SequenceNumber, signal: AbortSignal): AsyncIterable<PublicEvent> {
    this.host.home(type);
    const ended = AbortSignal.any([signal, this.#stopping.signal]);
    return followEvents(this.host, (hash) => this.#logs[this.host.shardOf(hash)]!, type, id, after, ended);
  }

  passivate(type: string, id: ActorId): Promise<void> {
    const activation = this.host.home(type).activations.get(id);
    if (!activation) return Promise.resolve();
    return new Promise((resolve) => activation.passivateWhenIdle(resolve));
  }

  async resume(type: string, id: ActorId): Promise<void> {
    this.host.home(type);
    this.host.supervision.clear(type, id);
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
    const { journal, clusterAddress } = this.#settings;
    return {
      clusterId: journal.identity.clusterId,
      node: this.name,
      leader: this.name,
      mapVersion: 1,
      members: [
        {
          node: this.name,
          address: clusterAddress,
          httpAddress: this.httpAddress,
          status: 'up',
          shardsOwned: this.#logs.length,
        },
      ],
    };
  }

  shards(): readonly ShardInfo[] {
    const status = this.#failure ? 'stopped' : 'active';
    return this.#logs.map(({ shard, epoch }) => ({
      shard,
      epoch,
      owner: this.name,
      replicas: [this.name],
      learners: [],
      status,
    }));
  }

  drain(node: string): Promise<void> {
    return Promise.reject(this.#aloneRefusal(node, 'drained'));
  }

  remove(node: string): Promise<void> {
    return Promise.reject(this.#aloneRefusal(node, 'removed'));
  }

  #aloneRefusal(node: string, done: string): GreenroomError {
    if (node !== this.name)
      return new GreenroomError('NOT_FOUND', `there is no member '${node}'; there is ${this.name}`);
    return new GreenroomError(
      'FORBIDDEN',
      `${node} is the only member, so there is nobody to take its shards; it cannot be ${done}`,
    );
  }

  async readiness(): Promise<Readiness> {
    if (this.#failure) return { ready: false, reason: `the disk failed: ${this.#failure.message}` };
    if (this.#closed) return { ready: false, reason: 'the node is stopping' };
    await new Promise<void>((resolve) => this.#settings.clock.defer(resolve));
    if (this.#lowDisk !== undefined) return { ready: false, reason: this.#lowDisk };
    return { ready: true };
  }

  metrics(): readonly (MetricSample | MetricHistogram)[] {
    return nodeMetrics(this.host, this.#logs.length, this.#settings.journal.pendingBytes);
  }

  #logOf(type: string, id: ActorId): OwnedShardLog | undefined {
    return this.#logs[this.host.shardOf(actorHash(type, id))];
  }
}

/** Order of UTF-8 bytes, which is the order of code points (UTF-16 code units differ beyond the basic plane). */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
