/**
 * The actor test kit: given a history, when a command, then a reply or a rejection, events, a state and what was told
 * to others. No server, no port, no waiting; the actor runs in the real actor host, on a journal in memory.
 *
 * Every command is checked beyond what a test asserts: state and messages are deep-frozen; events, state, reply and
 * tells must survive being written and read; and replaying the whole history must lead to the same state.
 */
import type { Actor, ActorType, CommandName, EventOf, EventsOf, Immutable, InputOf, StateOf } from '../actors/actor.ts';
import { type ActorDefinition, actorTypeName, savedEvent } from '../actors/definition.ts';
import { eventVersion } from '../actors/memory.ts';
import type { ReminderInfo } from '../actors/reminders.ts';
import type { Rejection } from '../core/errors.ts';
import type { StoredEvent } from '../persistence/codec.ts';
import { type Answer, Rehearsal, type Told } from './rehearsal.ts';
import { VirtualClock, virtualStartMs } from './virtual-clock.ts';

/** An event as earlier code wrote it, to test upcasters and retired events. */
export interface OldEvent {
  readonly type: string;
  /** 1 for the first shape the event ever had; one more with each upcaster. */
  readonly version: number;
  readonly data?: unknown;
}

/** A state as earlier code saved it, to test the upcasters of a durable state. Made by {@link oldState}. */
export class OldState {
  readonly version: number;
  readonly state: unknown;

  constructor(version: number, state: unknown) {
    this.version = version;
    this.state = state;
  }
}

/** A durable state as it was saved by code with `version - 1` upcasters. */
export function oldState(version: number, state: unknown): OldState {
  return new OldState(version, state);
}

/** An actor's past: events for an event-sourced actor, the state for a durable one. */
export type History<A> = [StateOf<A>] extends [never]
  ? never
  : [EventsOf<A>] extends [never]
    ? Immutable<StateOf<A>> | OldState
    : readonly (EventOf<A> | OldEvent)[];

/** What a command answers, without its promise. */
export type ReplyOf<F> = F extends (...input: never[]) => infer R ? Awaited<R> : never;

/** Answers in place of an actor, by command. */
export type AnswersOf<A> = {
  readonly [K in CommandName<A>]?: A[K] extends (...input: infer P) => infer R
    ? (input: P extends readonly [(infer I)?] ? I : undefined, id: string) => Awaited<R> | Promise<Awaited<R>>
    : never;
};

/** How a command ended, and what it left behind. */
export interface Outcome<A, R> {
  /** What the command returned; undefined if it was rejected. */
  reply: R;
  /** Set if the command threw a Rejection; then there are no events and no tells. */
  rejection: Rejection | undefined;
  /** What was persisted, oldest first. Empty for a durable state: look at `state`. */
  events: EventOf<A>[];
  /** The state after the command. */
  state: Immutable<StateOf<A>>;
  /** What the actor told others, in order. */
  tells: Told[];
  /** The reminders that are set after the command; none of them fires by itself. */
  reminders: readonly ReminderInfo[];
}

export interface GivenOptions {
  /** The actor's id. Default `'test'`. */
  readonly id?: string;
  /** What `this.now()` says, milliseconds since 1970. Default 2026-01-01T00:00:00Z. */
  readonly now?: number;
}

export interface Given<A extends Actor> {
  /**
   * Answers what the actor asks of `type`, in place of real actors. An answer gets the input and the id; it may be a
   * promise, and it may throw a `Rejection`.
   *
   *     given(ShoppingCart).answering(Stock, { reserve: (quantity) => quantity < 10 })
   */
  answering<B extends Actor>(type: ActorType<B>, answers: AnswersOf<B>): Given<A>;
  /**
   * Lets real actors of `type` run too: they take asks and tells. With an id and a past, that one starts from it.
   *
   *     given(ShoppingCart).with(Stock, 'tea', { left: 3, reserved: {} })
   */
  with<B extends Actor>(type: ActorType<B>, ...past: [] | [id: string, history: History<B>]): Given<A>;
  /**
   * Runs one command and everything that follows from it.
   *
   * @returns a real promise of the outcome. It rejects with what the command threw (its own error, its own stack), if
   *   that is no `Rejection`; with a `GreenroomError` for what the runtime refuses; with a `ReplayError` if the
   *   history does not lead to the state
   */
  when<K extends CommandName<A>>(command: K, ...input: InputOf<A[K]>): Promise<Outcome<A, ReplyOf<A[K]>>>;
}

/**
 * Starts a test of one actor.
 *
 *     const { reply, events } = await given(ShoppingCart, [{ type: 'ItemAdded', data: { sku: 'tea', quantity: 1 } }])
 *       .when('addItem', { sku: 'tea', quantity: 2 });
 *
 * Each `when` starts from the same past; a second command starts from the events of the first:
 * `given(ShoppingCart, [...past, ...first.events])`, or `given(Stock, first.state)`.
 */
export function given<A extends Actor>(type: ActorType<A>, history?: History<A>, options: GivenOptions = {}): Given<A> {
  return new Scene<A>(type, options, history === undefined ? [] : [{ type, id: idOf(options), history }], [type], []);
}

interface Past {
  readonly type: ActorType<Actor>;
  readonly id: string;
  readonly history: unknown;
}

interface AnswersGiven {
  readonly type: ActorType<Actor>;
  readonly answers: Readonly<Record<string, Answer | undefined>>;
}

class Scene<A extends Actor> implements Given<A> {
  readonly #type: ActorType<A>;
  readonly #options: GivenOptions;
  readonly #pasts: readonly Past[];
  readonly #running: readonly ActorType<Actor>[];
  readonly #answers: readonly AnswersGiven[];

  constructor(
    type: ActorType<A>,
    options: GivenOptions,
    pasts: readonly Past[],
    running: readonly ActorType<Actor>[],
    answers: readonly AnswersGiven[],
  ) {
    this.#type = type;
    this.#options = options;
    this.#pasts = pasts;
    this.#running = running;
    this.#answers = answers;
  }

  answering<B extends Actor>(type: ActorType<B>, answers: AnswersOf<B>): Given<A> {
    const more = { type, answers: answers as AnswersGiven['answers'] };
    return new Scene(this.#type, this.#options, this.#pasts, this.#running, [...this.#answers, more]);
  }

  with<B extends Actor>(type: ActorType<B>, ...past: [] | [id: string, history: History<B>]): Given<A> {
    const running = this.#running.includes(type) ? this.#running : [...this.#running, type];
    const pasts = past.length === 0 ? this.#pasts : [...this.#pasts, { type, id: past[0], history: past[1] }];
    return new Scene(this.#type, this.#options, pasts, running, this.#answers);
  }

  async when<K extends CommandName<A>>(command: K, ...input: InputOf<A[K]>): Promise<Outcome<A, ReplyOf<A[K]>>> {
    const id = idOf(this.#options);
    const clock = new VirtualClock({ startsAtMs: this.#options.now ?? virtualStartMs });
    const rehearsal = await Rehearsal.open(this.#running, answersByName(this.#answers), clock);
    for (const past of this.#pasts) {
      await rehearsal.seed(past.type, past.id, storedEvents(rehearsal.definitionOf(past.type), past.history));
    }
    const ending = await rehearsal.run(this.#type, id, command, input[0]);
    const isEventSourced = rehearsal.definitionOf(this.#type).kind === 'eventSourced';
    const events = isEventSourced ? rehearsal.newEvents(this.#type, id) : [];
    return {
      reply: (ending.type === 'replied' ? ending.reply : undefined) as ReplyOf<A[K]>,
      rejection: ending.type === 'rejected' ? ending.rejection : undefined,
      events: events.map(({ type, data }) => (data === undefined ? { type } : { type, data })) as EventOf<A>[],
      state: rehearsal.stateOf(this.#type, id) as Immutable<StateOf<A>>,
      tells: [...rehearsal.toldBy(this.#type, id)],
      reminders: rehearsal.remindersOf(this.#type, id),
    };
  }
}

function idOf(options: GivenOptions): string {
  return options.id ?? 'test';
}

function answersByName(given: readonly AnswersGiven[]): Map<string, Map<string, Answer>> {
  const byName = new Map<string, Map<string, Answer>>();
  for (const { type, answers } of given) {
    const name = actorTypeName(type);
    const commands = byName.get(name) ?? new Map<string, Answer>();
    byName.set(name, commands);
    for (const [command, answer] of Object.entries(answers)) if (answer) commands.set(command, answer);
  }
  return byName;
}

/** A past as it would lie in the journal. */
function storedEvents(definition: ActorDefinition, history: unknown): readonly StoredEvent[] {
  const { memory, kind, name } = definition;
  if (!memory) throw new TypeError(`${name} lives in memory only and has no past`);
  if (kind === 'durableState') {
    const [version, state] =
      history instanceof OldState ? [history.version, history.state] : [eventVersion(memory, savedEvent), history];
    return [{ type: savedEvent, version, data: state }];
  }
  return (history as readonly (OldEvent | { type: string; data?: unknown })[]).map((event) => ({
    type: event.type,
    version: 'version' in event ? event.version : eventVersion(memory, event.type),
    data: event.data,
  }));
}
