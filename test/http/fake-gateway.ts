/**
 * A gateway without a node: a map of actors, each a list of events. It keeps the contract of the real one where the
 * edge and the client can see it (keys, positions, errors by code), and breaks on purpose where a test says so.
 */
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
} from '../../src/cluster/gateway.ts';
import { GreenroomError, Rejection } from '../../src/core/errors.ts';
import type { ActorId, ActorTypeName, NodeName } from '../../src/core/ids.ts';
import { canonicalJson, findNotPlain } from '../../src/core/plain-data.ts';

interface FakeActor {
  readonly events: PublicEvent[];
  readonly keys: Map<string, { reply: unknown; fingerprint: string }>;
  value: number;
}

const counter = 'Counter' as ActorTypeName;
const commands = ['add', 'get', 'echo', 'nothing', 'reject', 'crash', 'defect', 'never'];

export class FakeGateway implements Gateway {
  readonly requests: CommandRequest[] = [];
  /** What the next command throws instead of being executed. */
  failNext: Error[] = [];
  /** Positions up to here have been forgotten. */
  floor = 0;
  ready: Readiness = { ready: true };
  nodeNames: string[] = ['a', 'b'];
  followed = 0;
  extraMetrics: (MetricSample | MetricHistogram)[] = [];
  #actors = new Map<string, FakeActor>();
  #position = 0;
  #wakers = new Set<() => void>();
  #releases: (() => void)[] = [];

  async command(request: CommandRequest): Promise<CommandAnswer> {
    this.requests.push(request);
    const failure = this.failNext.shift();
    if (failure) throw failure;
    this.#mustKnow(request.type);
    if (!commands.includes(request.command)) throw new GreenroomError('UNKNOWN_COMMAND', `no '${request.command}'`);
    const wrong = findNotPlain(request.input);
    if (wrong) throw new GreenroomError('INVALID_INPUT', `input${wrong.path} ${wrong.problem}`);
    const actor = this.#actor(request.id);
    const key = request.key ?? `~fake.${this.requests.length}`;
    const fingerprint = canonicalJson([request.command, request.input ?? null]);
    const known = actor.keys.get(key);
    if (known) {
      if (known.fingerprint !== fingerprint)
        throw new GreenroomError('KEY_REUSED', 'this key belongs to another command');
      return { reply: known.reply, idempotencyKey: key, replayed: true, position: this.#position, woke: undefined };
    }
    if (request.since !== undefined && request.since < this.floor) {
      throw new GreenroomError('OUTCOME_UNKNOWN', 'no longer remembered', { idempotencyKey: key });
    }
    const woke =
      actor.events.length > 0 && !this.active.has(request.id)
        ? { tookMs: 1.44, eventsReplayed: actor.events.length }
        : undefined;
    this.active.add(request.id);
    const reply = await this.#run(actor, request);
    if (request.command === 'add') actor.keys.set(key, { reply, fingerprint });
    return { reply, idempotencyKey: key, replayed: false, position: this.#position, woke };
  }

  readonly active = new Set<string>();

  async #run(actor: FakeActor, request: CommandRequest): Promise<unknown> {
    switch (request.command) {
      case 'add':
        actor.value += request.input as number;
        this.record(request.id, { amount: request.input });
        return actor.value;
      case 'get':
        return actor.value;
      case 'echo':
        return request.input;
      case 'nothing':
        return undefined;
      case 'reject':
        throw new Rejection('NOT_TODAY', 'ask again tomorrow', { day: 1 });
      case 'crash':
        throw new GreenroomError('COMMAND_FAILED', 'boom');
      case 'defect':
        throw new TypeError('secret detail');
      default:
        return new Promise<unknown>((resolve) => this.#releases.push(() => resolve('late')));
    }
  }

  /** Lets every `never` command answer. */
  releaseAll(): void {
    for (const release of this.#releases.splice(0)) release();
  }

  record(id: string, data: unknown, type = 'Added'): void {
    const actor = this.#actor(id);
    this.#position += 1;
    actor.events.push({ sequenceNumber: actor.events.length + 1, type, version: 1, data, at: 1_700_000_000_000 });
    for (const wake of this.#wakers) wake();
  }

  #actor(id: string): FakeActor {
    let actor = this.#actors.get(id);
    if (!actor) {
      actor = { events: [], keys: new Map(), value: 0 };
      this.#actors.set(id, actor);
    }
    return actor;
  }

  #mustKnow(type: string): void {
    if (type !== counter) throw new GreenroomError('UNKNOWN_ACTOR_TYPE', `there is no actor type '${type}'`);
  }

  types(): readonly ActorTypeInfo[] {
    return [{ name: counter, kind: 'eventSourced', commands: commands.map((name) => ({ name })) }];
  }

  async actors(type: string, page: Page): Promise<readonly ActorSummary[]> {
    this.#mustKnow(type);
    const ids = [...this.#actors].filter(([, actor]) => actor.events.length > 0).map(([id]) => id);
    ids.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return ids
      .filter((id) => page.after === undefined || Buffer.compare(Buffer.from(id), Buffer.from(page.after)) > 0)
      .slice(0, page.limit)
      .map((id) => ({ id: id as ActorId, status: 'active', sequenceNumber: this.#actor(id).events.length }));
  }

  async inspect(type: string, id: ActorId, at?: number): Promise<Inspection> {
    this.#mustKnow(type);
    const events = this.#eventsOf(id);
    if (at !== undefined && at > events.length) throw new GreenroomError('BAD_REQUEST', `has ${events.length} events`);
    const seen = events.slice(0, at ?? events.length);
    const value = seen.reduce((sum, event) => sum + Number((event.data as { amount?: number }).amount ?? 0), 0);
    return {
      type: counter,
      id,
      shard: 7,
      node: 'a' as NodeName,
      replicas: ['a' as NodeName],
      status: this.active.has(id) ? 'active' : 'passivated',
      sequenceNumber: seen.length,
      state: { value },
    };
  }

  #eventsOf(id: string): PublicEvent[] {
    const events = this.#actors.get(id)?.events ?? [];
    if (events.length === 0) throw new GreenroomError('UNKNOWN_ACTOR', `'${id}' has no events`);
    return events;
  }

  async events(type: string, id: ActorId, after: number, limit: number): Promise<readonly PublicEvent[]> {
    this.#mustKnow(type);
    return this.#eventsOf(id).slice(after, after + limit);
  }

  follow(type: string, id: ActorId, after: number, signal: AbortSignal): AsyncIterable<PublicEvent> {
    this.#mustKnow(type);
    return this.#follow(id, after, signal);
  }

  async *#follow(id: ActorId, after: number, signal: AbortSignal): AsyncGenerator<PublicEvent> {
    let next = after;
    while (!signal.aborted) {
      const event = this.#actor(id).events[next];
      if (event) {
        next += 1;
        this.followed += 1;
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wakers.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wakers.add(wake);
        signal.addEventListener('abort', wake);
      });
    }
  }

  async passivate(type: string, id: ActorId): Promise<void> {
    this.#mustKnow(type);
    this.active.delete(id);
  }

  async resume(type: string): Promise<void> {
    this.#mustKnow(type);
  }

  async delete(type: string, id: ActorId): Promise<void> {
    this.#mustKnow(type);
    this.#actors.delete(id);
  }

  letters: DeadLetter[] = [];

  async deadLetters({ after = '', limit }: Page): Promise<readonly DeadLetter[]> {
    return this.letters.filter(({ id }) => id > after).slice(0, limit);
  }

  async resendDeadLetter(id: ActorId): Promise<void> {
    return this.dropDeadLetter(id);
  }

  async dropDeadLetter(id: ActorId): Promise<void> {
    if (!this.letters.some((letter) => letter.id === id)) throw new GreenroomError('NOT_FOUND', `no letter '${id}'`);
    this.letters = this.letters.filter((letter) => letter.id !== id);
  }

  cluster(): ClusterInfo {
    const node = 'a' as NodeName;
    return {
      clusterId: 'fake',
      node,
      leader: node,
      mapVersion: 3,
      members: [
        { node, address: '127.0.0.1:7400', httpAddress: 'http://127.0.0.1:8400', status: 'up', shardsOwned: 256 },
      ],
    };
  }

  shards(): readonly ShardInfo[] {
    const node = 'a' as NodeName;
    return [{ shard: 0, epoch: 1, owner: node, replicas: [node], learners: [], status: 'active' }];
  }

  async drain(node: string): Promise<void> {
    if (!this.nodeNames.includes(node)) throw new GreenroomError('NOT_FOUND', `no member '${node}'`);
  }

  async remove(node: string): Promise<void> {
    await this.drain(node);
  }

  losses: LossRequest[] = [];

  recovery(): RecoveryInfo {
    return { decides: true, voters: this.nodeNames as NodeName[], away: [], shards: [] };
  }

  async acceptLoss(request: LossRequest): Promise<LossAccepted> {
    this.losses.push(request);
    return { shards: request.shards ?? [], removed: request.lost as NodeName[], controlLog: false };
  }

  /** What a backup is made of; by default nothing that anyone could read. */
  backupPieces: () => AsyncIterable<Uint8Array> = async function* () {};

  async backup(): Promise<AsyncIterable<Uint8Array>> {
    return this.backupPieces();
  }

  async readiness(): Promise<Readiness> {
    return this.ready;
  }

  metrics(): readonly (MetricSample | MetricHistogram)[] {
    return [
      {
        name: 'greenroom_commands_total',
        kind: 'counter',
        help: 'Commands.',
        labels: { type: 'Counter' },
        value: this.requests.length,
      },
      ...this.extraMetrics,
    ];
  }
}
