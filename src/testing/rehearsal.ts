/**
 * A rehearsal: actors without a server. It is the real actor host on a memory journal, with the world around the
 * actors under the test's control: time stands still, what an actor asks of others is answered by the test (or by
 * real actors that rehearse with it), and what it tells others is written down.
 */
import type { Activation } from '../actors/activation.ts';
import type { ActorClass } from '../actors/actor.ts';
import { type ActorHome, ActorHost } from '../actors/actor-host.ts';
import { deadLetterType } from '../actors/dead-letters.ts';
import { type ActorDefinition, actorTypeName, defineActor, passivateAfterDefaultMs } from '../actors/definition.ts';
import { type HistoryEvent, previousAfter, readEvents } from '../actors/history.ts';
import { IdleList } from '../actors/idle-list.ts';
import type { RefTarget } from '../actors/refs.ts';
import { type ReminderInfo, reminderInfo } from '../actors/reminders.ts';
import type { ShardLog } from '../actors/shard-log.ts';
import type { Turn } from '../actors/turn.ts';
import { OwnedShardLog } from '../cluster/owned-shard-log.ts';
import { type GreenroomError, Rejection } from '../core/errors.ts';
import { actorHash } from '../core/hash.ts';
import { type ActorId, type CommandId, type Position, parseActorId } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import { findNotPlain } from '../core/plain-data.ts';
import { seededRandom } from '../core/random.ts';
import { encodeCommandBody, type OutgoingTell, type StoredEvent } from '../persistence/codec.ts';
import { MemoryJournal } from '../persistence/memory-journal.ts';
import { checkReplay, checkSurvives, type ReplayedActor, replay } from './replay-check.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Turns of the event loop that a rehearsal waits for everything to come to rest after a command. */
const turnsUntilRestMax = 1_000;
/** Tells that may follow from one command. Beyond: the rehearsal fails, because actors tell each other in circles. */
const tellsMax = 10_000;
const shard = 0;
const unlimitedMs = Number.MAX_SAFE_INTEGER;

/** Answers one command in place of the actor it was sent to. */
export type Answer = (input: unknown, id: string) => unknown;

/** What an actor told another one. */
export interface Told {
  readonly type: string;
  readonly id: string;
  readonly command: string;
  readonly input: unknown;
}

/** An actor asked another one, and the test says nothing about the answer. */
export class UnansweredAsk extends Error {
  override readonly name = 'UnansweredAsk';
}

/** How a command ended. */
export type Ending =
  | { readonly type: 'replied'; readonly reply: unknown }
  | { readonly type: 'rejected'; readonly rejection: Rejection };

export class Rehearsal {
  readonly #host: RehearsalHost;
  readonly #log: ShardLog;
  readonly #journal: MemoryJournal;
  readonly #errors: ErrorLog;
  readonly #clock: VirtualClock;
  /** Actors with a history or a part in the rehearsal, checked after each command. */
  readonly #seeded = new Map<string, Position>();

  private constructor(
    host: RehearsalHost,
    log: ShardLog,
    journal: MemoryJournal,
    errors: ErrorLog,
    clock: VirtualClock,
  ) {
    this.#host = host;
    this.#log = log;
    this.#journal = journal;
    this.#errors = errors;
    this.#clock = clock;
  }

  /** @param types the classes whose actors really run; every other one is only spoken to */
  static async open(types: readonly ActorClass[], answers: Answers, clock: VirtualClock): Promise<Rehearsal> {
    const identity = { clusterId: 'test', node: 'test', storeId: 'test', shardCount: 1, replicas: 1 };
    const journal = new MemoryJournal({ identity, defer: (task) => clock.defer(task) });
    await journal.open();
    const log = await new Promise<OwnedShardLog>((resolve, reject) => {
      const whenServing = { durable: () => resolve(owned), failed: reject };
      const owned: OwnedShardLog = new OwnedShardLog(journal, shard, clock.wallMs(), () => undefined, whenServing);
    });
    const errors = new ErrorLog();
    const host = new RehearsalHost({
      definitions: types.map((type) => defineActor(type, { passivateAfterMs: passivateAfterDefaultMs })),
      shardCount: 1,
      shardLog: () => log,
      clock,
      random: seededRandom(1),
      log: errors.log,
      maxActive: Number.POSITIVE_INFINITY,
      freeze: true,
    });
    host.answers = answers;
    return new Rehearsal(host, log, journal, errors, clock);
  }

  definitionOf(type: ActorClass): ActorDefinition {
    return this.#host.home(actorTypeName(type)).definition;
  }

  /** Gives an actor a past: one record per event. */
  async seed(type: ActorClass, id: string, events: readonly StoredEvent[]): Promise<void> {
    const { name } = this.definitionOf(type);
    const actorId = parseActorId(id);
    let previous: Position[] = [];
    for (const [index, { type: event, version, data }] of events.entries()) {
      const wrong = findNotPlain(data);
      if (wrong) throw new TypeError(`the history of ${name}/${id}: ${event}${wrong.path} ${wrong.problem}`);
      const body = encodeCommandBody({
        commandId: `~test.${index}` as CommandId,
        fingerprint: 0,
        events: [{ type: event, version, data }],
        reply: undefined,
        tells: [],
        tellsAcknowledged: 0,
        delivery: undefined,
      });
      const ordinal = index + 1;
      const draft = {
        kind: 'command' as const,
        type: name,
        id: actorId,
        actorHash: actorHash(name, id),
        firstSequence: ordinal,
        eventCount: 1,
        ordinal,
        previous,
        body,
      };
      const { position } = this.#log.append(draft, this.#clock.wallMs(), { committed() {}, lost() {} });
      previous = previousAfter({ ordinal, position, previous });
    }
    await this.#journal.flush();
    this.#seeded.set(`${name}/${id}`, events.length);
  }

  /**
   * Sends one command and waits until all that follows from it has come to rest.
   *
   * @throws whatever the command threw, unless it is a Rejection; GreenroomError for what the runtime refuses
   */
  async run(type: ActorClass, id: string, command: string, input: unknown): Promise<Ending> {
    const { name } = this.definitionOf(type);
    const actorId = parseActorId(id);
    const ending = await new Promise<Ending | Error>((resolve) => {
      this.#host.send({
        type: name,
        id: actorId,
        command,
        input,
        timeoutMs: unlimitedMs,
        caller: {
          replied: (reply) => resolve({ type: 'replied', reply }),
          failed: (error) => resolve(error instanceof Rejection ? { type: 'rejected', rejection: error } : error),
        },
      });
    });
    if (this.#host.failure) throw this.#host.failure;
    if (ending instanceof Error) throw this.#rootOf(ending as GreenroomError);
    await this.#comeToRest();
    if (this.#host.failure) throw this.#host.failure;
    if (ending.type === 'replied') checkSurvives(ending.reply, `the reply of ${name}.${command}`);
    this.#checkAll();
    return ending;
  }

  /** Events recorded since the actor's past was given. */
  newEvents(type: ActorClass, id: string): readonly HistoryEvent[] {
    const { name } = this.definitionOf(type);
    const entry = this.#log.actor(name, id as ActorId);
    if (!entry) return [];
    const after = this.#seeded.get(`${name}/${id}`) ?? 0;
    const { newestPosition, sequenceNumber } = entry;
    return readEvents(this.#log, newestPosition, sequenceNumber, after, sequenceNumber);
  }

  /** The actor's state now; undefined for actors in memory only. */
  stateOf(type: ActorClass, id: string): unknown {
    const { definition, activations } = this.#host.home(actorTypeName(type));
    const live = activations.get(id);
    return live ? live.state : definition.memory ? replay(this.#replayed(definition, id)) : undefined;
  }

  /** What the actor has set to happen, as of now. */
  remindersOf(type: ActorClass, id: string): readonly ReminderInfo[] {
    const live = this.#host.home(actorTypeName(type)).activations.get(id);
    return live ? live.memory.reminders.all().map(reminderInfo) : [];
  }

  /** What an actor told others, in order, delivered or not. */
  toldBy(type: ActorClass, id: string): readonly Told[] {
    return this.#host.told.get(`${actorTypeName(type)}/${id}`) ?? [];
  }

  async #comeToRest(): Promise<void> {
    for (let turn = 0; turn < turnsUntilRestMax; turn++) {
      await new Promise<void>((resolve) => this.#clock.defer(resolve));
      if (this.#host.isQuiet) return;
    }
  }

  #checkAll(): void {
    for (const { definition, activations } of this.#host.running()) {
      if (!definition.memory) continue;
      for (const activation of activations.values()) {
        checkReplay(this.#replayed(definition, activation.id), activation.state);
      }
    }
  }

  #replayed({ name, kind, memory }: ActorDefinition, id: string): ReplayedActor {
    return { type: name, id: id as ActorId, kind: kind as ReplayedActor['kind'], memory: memory!, log: this.#log };
  }

  /** What the author of the actor wants to see: the error as it was thrown, with its own stack. */
  #rootOf(error: GreenroomError): unknown {
    if (error.code === 'COMMAND_FAILED' && error.cause instanceof Error) return error.cause;
    if (error.code === 'UNAVAILABLE' && this.#errors.newest) return this.#errors.newest;
    return error;
  }
}

/** By type and command. */
export type Answers = ReadonlyMap<string, ReadonlyMap<string, Answer>>;

class RehearsalHost extends ActorHost {
  answers: Answers = new Map();
  readonly told = new Map<string, Told[]>();
  /** Fails the test whatever the actors make of it. */
  failure: Error | undefined;
  #tells = 0;
  /** Classes that the running actors speak to, and that do not run themselves. */
  readonly #spokenTo = new Map<string, ActorHome>();

  running(): readonly ActorHome[] {
    return this.definitions.map(({ name }) => super.home(name));
  }

  #runs(type: string): boolean {
    return this.definitions.some(({ name }) => name === type);
  }

  override home(type: string): ActorHome {
    return this.#spokenTo.get(type) ?? super.home(type);
  }

  override refFor(target: RefTarget, type: string | (abstract new () => object), id: string): object {
    if (typeof type !== 'string') {
      const name = actorTypeName(type as ActorClass);
      if (!this.#runs(name) && !this.#spokenTo.has(name)) {
        const definition = defineActor(type as ActorClass, { passivateAfterMs: passivateAfterDefaultMs });
        const idle = new IdleList(definition.passivateAfterMs);
        this.#spokenTo.set(name, { definition, activations: new Map(), idle });
      }
      const spokenTo = this.#spokenTo.get(name);
      if (spokenTo) return new spokenTo.definition.refs(target, parseActorId(id));
    }
    return super.refFor(target, type, id);
  }

  override askFromTurn(turn: Turn, type: string, id: string, command: string, input: unknown): Promise<unknown> {
    const answer = this.answers.get(type)?.get(command);
    if (!answer) {
      if (this.#runs(type)) return super.askFromTurn(turn, type, id, command, input);
      const error = unanswered(turn, type, id, command);
      this.failure ??= error;
      return Promise.reject(error);
    }
    const wrong = findNotPlain(input);
    if (wrong) throw new TypeError(`the input of ${type}.${command}${wrong.path} ${wrong.problem}`);
    return this.#answer(answer, `${type}.${command}`, this.frozen(input), id);
  }

  async #answer(answer: Answer, what: string, input: unknown, id: string): Promise<unknown> {
    const reply = await answer(input, id);
    const wrong = findNotPlain(reply);
    if (wrong) throw new TypeError(`the answer given for ${what}: the reply${wrong.path} ${wrong.problem}`);
    return this.frozen(reply);
  }

  override sendTells(sender: Activation, tells: readonly OutgoingTell[]): void {
    const key = `${sender.definition.name}/${sender.id}`;
    this.#tells += tells.length;
    if (this.#tells > tellsMax) {
      this.failure ??= new Error(
        `more than ${tellsMax} tells followed from one command, the last one from ${key}: do actors tell each other in circles?`,
      );
      return;
    }
    const told = this.told.get(key) ?? [];
    this.told.set(key, told);
    for (const { type, id, command, input } of tells) {
      if (type === deadLetterType) continue;
      checkSurvives(input, `the input of ${type}.${command}`);
      told.push({ type, id, command, input });
    }
    const delivered = tells.filter(({ type }) => this.#runs(type));
    for (const tell of tells) if (!delivered.includes(tell)) sender.outbox?.acknowledge(tell);
    if (delivered.length > 0) super.sendTells(sender, delivered);
  }
}

function unanswered(turn: Turn, type: string, id: string, command: string): UnansweredAsk {
  const asker = `${turn.activation.definition.name}.${turn.envelope?.command.name ?? 'onActivate'}`;
  return new UnansweredAsk(
    `${asker} asked ${type}/${id} to ${command}, and nobody answers: ` +
      `say what it answers with .answering(${type}, { ${command}: (input, id) => … }), or let the real actor run with .with(${type})`,
  );
}

/** Keeps the newest error that the host reported: why an actor could not be woken. */
class ErrorLog {
  newest: unknown;
  readonly log: Log = {
    ...silentLog,
    error: (_message, fields) => {
      this.newest = (fields as { error?: unknown } | undefined)?.error ?? this.newest;
    },
    child: () => this.log,
  };
}
