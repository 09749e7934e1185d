/**
 * What users write: a class whose head is the memory (state and events) and whose body is the commands.
 *
 * The types do the teaching: a forgotten event handler, an unknown event, a wrong payload, a Date in an event, two
 * inputs to a command or a command named like a base member is a compile error. Base members are declared as
 * *properties*, so that a method of the same name does not compile; at run time they are accessors and methods
 * on the base prototypes, bound to the activation that made the instance.
 */
import type { Duration } from '../core/duration.ts';
import type { Log } from '../core/log.ts';
import { currentBinding, type InstanceBinding } from './instance-binding.ts';
import type { When } from './reminder-schedule.ts';
import type { ReminderInfo } from './reminders.ts';

type Fn = (...args: never[]) => unknown;
type Scalar = string | number | boolean | null | undefined;

/** Deep readonly: what `this.state` and an event handler see. */
export type Immutable<T> = T extends Scalar | Fn
  ? T
  : T extends readonly unknown[]
    ? number extends T['length']
      ? ImmutableArray<T[number]>
      : { readonly [K in keyof T]: Immutable<T[K]> }
    : T extends object
      ? { readonly [K in keyof T]: Immutable<T[K]> }
      : T;
/** An interface, because the elements of a mapped array are resolved at once: a recursive type (any JSON) would never end. */
export interface ImmutableArray<Element> extends ReadonlyArray<Immutable<Element>> {}

declare const notPlain: unique symbol;
/** Only JSON data may enter an event, a state, an input or a reply: no Date, bigint, Map, Set, function, promise. */
export interface NotPlainData {
  readonly [notPlain]: 'use JSON data: a number for a time, a string for a bigint, a record for a Map';
}
type Exotic =
  | bigint
  | symbol
  | Fn
  | Date
  | RegExp
  | Error
  | Promise<unknown>
  | ReadonlyMap<never, unknown>
  | ReadonlySet<never>
  | ArrayBufferView;
/** `T` if it is plain JSON data all the way down; what is not becomes {@link NotPlainData}, which nothing fits. */
export type Plain<T> = unknown extends T
  ? T
  : T extends Scalar
    ? T
    : T extends Exotic
      ? NotPlainData
      : T extends readonly unknown[]
        ? number extends T['length']
          ? PlainArray<T[number]>
          : { [K in keyof T]: Plain<T[K]> }
        : { [K in keyof T]: Plain<T[K]> };
/** See {@link ImmutableArray}. Readonly, so that parts of the state may go into an event. */
export interface PlainArray<Element> extends ReadonlyArray<Plain<Element>> {}

/** Standard Schema v1 (https://standardschema.dev), reduced to what is used. Validation must be synchronous: it runs in the mailbox's order. */
export interface StandardSchema<In = unknown, Out = In> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

// ---- what users extend ----------------------------------------------------------------------------------------

let bindingOf: (actor: Actor) => InstanceBinding;

/**
 * The base of every actor, and the head of actors that live in memory only: retries may repeat their effects, and a
 * lost node loses them.
 */
export abstract class Actor {
  /** This actor's id. */
  declare readonly id: string;
  /** Milliseconds since 1970; constant within a command, and the time its events carry. */
  declare protected readonly now: () => number;
  /** Diagnostics with the actor's type and id on every line. */
  declare protected readonly log: Log;
  /** Leave memory once this command and what is queued are done. */
  declare protected readonly passivate: () => void;
  /** Another actor: `await this.actor(Stock, sku).reserve(2)` asks and waits. */
  declare protected readonly actor: <A extends Actor>(type: ActorType<A>, id: string) => ActorRef<A>;
  /** `this.tell(ref).command(input)`: sends without waiting; it leaves together with the command's record, or not at all. */
  declare protected readonly tell: <R extends object>(ref: R) => Tell<R>;
  /**
   * `this.after('10s').command(input)`: a command to itself after a while, if it is still in memory then; with
   * `keepAwake` it stays there. Answers a function that cancels it. What has to happen for sure is a reminder.
   */
  declare protected readonly after: (delay: Duration, options?: TimerOptions) => OwnTimers<this>;
  readonly #binding: InstanceBinding;

  constructor() {
    this.#binding = currentBinding(new.target);
  }

  /** Runs after recovery, before the first command. A throw backs the actor off and in the end quarantines it. */
  protected onActivate?(): void | Promise<void>;
  /** Runs before the actor leaves memory on purpose. Not a place to save: everything is saved already. */
  protected onPassivate?(): void | Promise<void>;

  static {
    bindingOf = (actor) => actor.#binding;
  }
}

/** How a timer in memory is kept. */
export interface TimerOptions {
  /** The actor does not leave memory before the timer has struck. Default false: leaving cancels it. */
  readonly keepAwake?: boolean;
}

/** What actors that persist have beside their memory: reminders. */
export abstract class PersistentActor extends Actor {
  /**
   * `this.remind('unpaid', { after: '30m' }).cancel('not paid')`: a command to itself at a time, recorded with the
   * command's events. It wakes the actor, survives everything, and has exactly one effect per tick. One of the same
   * name is replaced.
   */
  declare protected readonly remind: (name: string, when: When) => OwnCommands<this>;
  /** Ends a reminder; nothing happens if there is none of this name. */
  declare protected readonly forget: (name: string) => void;
  /** The reminders that are set, with those of this command. */
  declare protected readonly reminders: () => readonly ReminderInfo[];
}

/** Carries a class's types to {@link StateOf} and {@link EventsOf}; there is nothing there at run time. */
declare const types: unique symbol;

/** An actor whose history is its events. Made by {@link eventSourced}. */
export abstract class EventSourcedActor<State, Events> extends PersistentActor {
  declare readonly [types]: { readonly state: State; readonly events: Events };
  /** The fold of all events so far, those of this command included. */
  declare protected readonly state: Immutable<State>;
  /** Records an event: applied at once, durable before the reply leaves. */
  declare protected readonly persist: <K extends keyof Events & string>(type: K, ...data: Payload<Events[K]>) => void;
}

/** An actor that keeps its latest state. Made by {@link durableState}. */
export abstract class DurableStateActor<State> extends PersistentActor {
  declare readonly [types]: { readonly state: State };
  /** The state last saved. */
  declare protected readonly state: Immutable<State>;
  /** Replaces the state: visible at once, durable before the reply leaves. */
  declare protected readonly save: (next: Plain<Immutable<State>>) => void;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type Payload<E> =
  IsAny<E> extends true
    ? [data?: E]
    : unknown extends E
      ? []
      : undefined extends E
        ? [data?: Plain<E>]
        : [data: Plain<E>];

function defineOnPrototype(prototype: Actor, members: PropertyDescriptorMap): void {
  Object.defineProperties(prototype, members);
}

defineOnPrototype(Actor.prototype, {
  id: {
    get(this: Actor) {
      return bindingOf(this).id;
    },
  },
  log: {
    get(this: Actor) {
      return bindingOf(this).log();
    },
  },
  now: {
    value(this: Actor) {
      return bindingOf(this).now();
    },
  },
  passivate: {
    value(this: Actor) {
      bindingOf(this).passivate();
    },
  },
  actor: {
    value(this: Actor, type: ActorClass, id: string) {
      return bindingOf(this).actor(type, id);
    },
  },
  tell: {
    value(this: Actor, ref: object) {
      return bindingOf(this).tell(ref);
    },
  },
  after: {
    value(this: Actor, delay: Duration, options?: TimerOptions) {
      return bindingOf(this).after(delay, options?.keepAwake === true);
    },
  },
});
defineOnPrototype(PersistentActor.prototype, {
  remind: {
    value(this: Actor, name: string, when: When) {
      return bindingOf(this).remind(name, when);
    },
  },
  forget: {
    value(this: Actor, name: string) {
      bindingOf(this).forget(name);
    },
  },
  reminders: {
    value(this: Actor) {
      return bindingOf(this).reminders();
    },
  },
});
defineOnPrototype(EventSourcedActor.prototype, {
  state: {
    get(this: Actor) {
      return bindingOf(this).state();
    },
  },
  persist: {
    value(this: Actor, type: string, data?: unknown) {
      bindingOf(this).persist(type, data);
    },
  },
});
defineOnPrototype(DurableStateActor.prototype, {
  state: {
    get(this: Actor) {
      return bindingOf(this).state();
    },
  },
  save: {
    value(this: Actor, next: unknown) {
      bindingOf(this).save(next);
    },
  },
});

/** For Greenroom's own actors: tells an actor by its names. */
export function tellFrom(actor: Actor, type: string, id: string, command: string, input: unknown): void {
  bindingOf(actor).tellTo(type, id, command, input);
}

/** Names on the base classes: never commands, and a class that redefines one (hooks excepted) is refused. */
export const baseMembers: ReadonlySet<string> = new Set(
  [Actor, PersistentActor, EventSourcedActor, DurableStateActor].flatMap((base) =>
    Object.getOwnPropertyNames(base.prototype),
  ),
);

// ---- heads ----------------------------------------------------------------------------------------------------

/** Settings every kind of actor has. */
export interface ActorOptions {
  /** Default: the class's name. `[A-Za-z][A-Za-z0-9_]{0,63}`, unique in the cluster; renaming it orphans its actors. */
  readonly name?: string;
  /** Idle time after which the actor leaves memory. Default: the node's (2 m). */
  readonly passivateAfter?: Duration;
  /** Longest run of one command, its awaits included. Default 30 s. */
  readonly commandTimeout?: Duration;
}

/** Settings of actors that persist. */
export interface PersistentActorOptions extends ActorOptions {
  /** A snapshot is due after this many records (or 64 KiB of them). Default 50. Higher: less disk, slower wakes. */
  readonly snapshotEvery?: number;
  /** Raise it when the shape of the state changes: snapshots of another version are skipped. Default 1. */
  readonly snapshotVersion?: number;
  /** The actor is deleted when no command was recorded for this long. Default: never. */
  readonly expire?: Duration;
}

export interface EventSourcedModel<State, Events, Next = Immutable<State>> extends PersistentActorOptions {
  readonly initialState: (id: string) => State;
  /** Pure functions from state and event to the next state; replayed on recovery. */
  readonly events: {
    [K in keyof Events]: (state: Immutable<State>, event: Events[K]) => Next;
  };
  /** Oldest first; the last one must give today's payload. An event's version is 1 + the number of its upcasters. */
  readonly upcast?: {
    [K in keyof NoInfer<Events>]?: readonly [...((old: any) => unknown)[], (old: any) => NoInfer<Events>[K]];
  };
  /** Events that are no longer written: their new name (checked when the class is defined), or null to skip them. */
  readonly retired?: Record<string, string | null>;
  /** How long events are kept once a snapshot covers them. Default: for ever. */
  readonly retention?: Duration;
}

export interface DurableStateModel<State> extends PersistentActorOptions {
  readonly initialState: (id: string) => State;
  /** Oldest first; the last one must give today's state. The state's version is 1 + the number of upcasters. */
  readonly upcast?: readonly [...((old: any) => unknown)[], (old: any) => NoInfer<State>];
}

/** Named, abstract and cast: an anonymous class here would give users TS4094 and TS4020 under `declaration: true`. */
export type Head<Base, Model> = (abstract new () => Base) & { readonly model: Model };

/** Refuses a state that is not plain data where the class is defined, and adds nothing otherwise. */
export type PlainState<State> = [State] extends [Plain<State>] ? unknown : { readonly initialState: NotPlainData };

/**
 * The head of an event-sourced actor: `class Cart extends eventSourced({ initialState, events })`.
 *
 * `Next` is what a handler returns. It is never inferred and always `Immutable<State>`; being a `const` type parameter,
 * it keeps the literals in a handler's result, so that `({ ...order, status: 'paid' })` is a state and not a string.
 */
export function eventSourced<State, Events, const Next = Immutable<State>>(
  model: EventSourcedModel<State, Events, Next> & PlainState<State>,
): Head<EventSourcedActor<State, Events>, EventSourcedModel<State, Events>> {
  abstract class Base extends EventSourcedActor<State, Events> {
    static readonly model = model as EventSourcedModel<State, Events, any>;
  }
  return Base;
}

/** The head of an actor that keeps only its latest state: `class Stock extends durableState({ initialState })`. */
export function durableState<State>(
  model: DurableStateModel<State> & PlainState<State>,
): Head<DurableStateActor<State>, DurableStateModel<State>> {
  abstract class Base extends DurableStateActor<State> {
    static readonly model = model;
  }
  return Base;
}

// ---- refs -----------------------------------------------------------------------------------------------------

/** An actor class as users write it. */
export type ActorType<A extends Actor> = new () => A;
/** Any actor class. */
export type ActorClass = ActorType<Actor>;

/** Never commands, whatever a class makes of them. */
type Reserved =
  | `_${string}`
  | 'id'
  | 'onActivate'
  | 'onPassivate'
  | 'then'
  | 'catch'
  | 'finally'
  | 'toJSON'
  | 'toString'
  | 'valueOf'
  | 'constructor';

/** The names of a class's commands. */
export type CommandName<A> = {
  [K in Exclude<keyof A, Reserved | symbol | number>]: A[K] extends Fn ? K : never;
}[Exclude<keyof A, Reserved | symbol | number>];

/** A command's input as a list of none or one. */
export type InputOf<F> = F extends (...args: infer P) => unknown ? (P extends readonly [unknown?] ? P : never) : never;

export interface OneInputOnly {
  readonly [notPlain]: 'a command takes no input or one: pass an object';
}
type Command<F> = F extends (...args: infer P) => infer R
  ? P extends readonly [unknown?]
    ? P extends Plain<P>
      ? Awaited<R> extends void | Plain<Awaited<R>>
        ? (...input: P) => Promise<Awaited<R>>
        : NotPlainData
      : NotPlainData
    : OneInputOnly
  : never;

/** A typed reference to one actor, wherever it is: its commands, each answering a promise. */
export type ActorRef<A> = {
  readonly [K in keyof A as K extends Reserved | symbol | number ? never : A[K] extends Fn ? K : never]: Command<A[K]>;
};

/** An actor's own commands, sent later. (Not by name of the kind of member: inside a class that could not be resolved.) */
export type OwnCommands<A> = { readonly [K in keyof A]: Later<A[K], void> };
/** The same, each answering what cancels it. */
export type OwnTimers<A> = { readonly [K in keyof A]: Later<A[K], () => void> };
type Later<F, R> = F extends (...args: infer P) => unknown
  ? P extends readonly [unknown?]
    ? (...input: P) => R
    : OneInputOnly
  : never;

/** A ref whose commands are sent without waiting for an answer. */
export type Tell<R> = {
  readonly [K in keyof R]: R[K] extends (...input: infer P) => unknown ? (...input: P) => void : never;
};

/** `static readonly accepts: Accepts<ShoppingCart> = {…}`: input schemas, a static field because the head cannot know the body's commands. */
export type Accepts<A> = {
  readonly [K in CommandName<A>]?: A[K] extends (input: infer I, ...rest: never[]) => unknown
    ? StandardSchema<any, I>
    : never;
};

/** What makes refs: a node, or a client outside the cluster. */
export interface Client {
  actor<A extends Actor>(type: ActorType<A>, id: string): ActorRef<A>;
  /** For browsers: `import type { ShoppingCart }` and its name, so that no server code is bundled. */
  actor<A extends Actor = never>(type: string, id: string): ActorRef<A>;
}

/** The state of an actor class; never for an actor in memory only. */
export type StateOf<A> = A extends { readonly [types]: { readonly state: infer State } } ? State : never;
/** The events of an actor class, by name. */
export type EventsOf<A> = A extends { readonly [types]: { readonly events: infer Events } } ? Events : never;
/** One event of an actor class, with its payload. */
export type EventOf<A, E = EventsOf<A>> = {
  [K in keyof E & string]: undefined extends E[K] ? { type: K; data?: E[K] } : { type: K; data: E[K] };
}[keyof E & string];
