/**
 * An actor class, examined once at start: which methods are commands, what the head says, and everything that is
 * wrong with it, said before the first command runs. Types, commands and events are looked up in maps from here on,
 * never as properties, so that no name from outside (`__proto__`, `constructor`) reaches an object.
 */
import { mayBeCommand } from '../core/command-name.ts';
import { durationMs } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import { type ActorTypeName, isActorTypeName } from '../core/ids.ts';
import {
  Actor,
  type ActorClass,
  type ActorOptions,
  baseMembers,
  DurableStateActor,
  type DurableStateModel,
  EventSourcedActor,
  type EventSourcedModel,
  PersistentActor,
  type PersistentActorOptions,
  type StandardSchema,
} from './actor.ts';
import { type RefClass, refClass } from './refs.ts';

export interface CommandDefinition {
  readonly name: string;
  readonly run: (this: object, input: unknown) => unknown;
  readonly schema: StandardSchema | undefined;
}

type AnyHandler = (state: unknown, event: unknown) => unknown;
type Upcaster = (old: unknown) => unknown;

export interface EventDefinition {
  readonly name: string;
  readonly apply: AnyHandler;
  /** Oldest first; today's version is 1 + their number. */
  readonly upcasters: readonly Upcaster[];
}

/** What the memory of a persistent actor is made of. */
export interface MemoryDefinition {
  readonly initialState: (id: string) => unknown;
  readonly events: ReadonlyMap<string, EventDefinition>;
  readonly retired: ReadonlyMap<string, string | null>;
  readonly snapshotEvery: number;
  readonly snapshotVersion: number;
  /** How long events that a snapshot covers are kept; undefined: for ever. */
  readonly retentionMs: number | undefined;
}

export interface ActorDefinition {
  readonly name: ActorTypeName;
  readonly kind: 'eventSourced' | 'durableState' | 'memory';
  readonly make: new () => object;
  readonly commands: ReadonlyMap<string, CommandDefinition>;
  /** undefined for actors in memory only. */
  readonly memory: MemoryDefinition | undefined;
  readonly passivateAfterMs: number;
  readonly commandTimeoutMs: number;
  /** How long an actor is kept after its last recorded command; undefined: for ever. */
  readonly expireMs: number | undefined;
  readonly hasActivateHook: boolean;
  readonly hasPassivateHook: boolean;
  readonly refs: RefClass;
}

/** The one event of an actor with durable state: its whole next state. */
export const savedEvent = 'Saved';

export const passivateAfterDefaultMs = 120_000;
export const commandTimeoutDefaultMs = 30_000;
export const snapshotEveryDefault = 50;

const hooks: ReadonlySet<string> = new Set(['onActivate', 'onPassivate']);

/** Settings of the node for classes that do not say. */
export interface DefinitionDefaults {
  readonly passivateAfterMs: number;
}

/** The name of an actor class in the cluster. */
export function actorTypeName(type: ActorClass): string {
  const model = (type as { model?: unknown }).model as ActorOptions | undefined;
  const own = Object.hasOwn(type, 'options') ? (type as { options?: ActorOptions }).options : undefined;
  return own?.name ?? model?.name ?? type.name;
}

/**
 * Examines a class. @throws GreenroomError `BAD_REQUEST` that names the class, the member and the rule it breaks
 */
export function defineActor(type: ActorClass, defaults: DefinitionDefaults): ActorDefinition {
  if (typeof type !== 'function' || !(type.prototype instanceof Actor)) {
    throw wrong(
      String((type as { name?: string })?.name ?? type),
      'extends none of eventSourced(…), durableState(…) and Actor',
    );
  }
  const name = actorTypeName(type);
  if (!isActorTypeName(name))
    throw wrong(name || 'an unnamed class', 'needs a name of a letter and at most 63 letters, digits or _');
  return define(type, name, defaults);
}

/** Examines a class of Greenroom's own. Its name begins with `_`, which no class of a user can have. */
export function defineSystemActor(type: ActorClass, name: string): ActorDefinition {
  return define(type, name as ActorTypeName, { passivateAfterMs: passivateAfterDefaultMs });
}

function define(type: ActorClass, name: ActorTypeName, defaults: DefinitionDefaults): ActorDefinition {
  const model = (type as { model?: unknown }).model;
  const kind =
    type.prototype instanceof EventSourcedActor
      ? 'eventSourced'
      : type.prototype instanceof DurableStateActor
        ? 'durableState'
        : 'memory';
  const options = (
    kind === 'memory' ? ((type as { options?: ActorOptions }).options ?? {}) : model
  ) as PersistentActorOptions;
  const commands = findCommands(type, name);
  const definition: Omit<ActorDefinition, 'refs'> = {
    name,
    kind,
    make: type,
    commands,
    memory:
      kind === 'eventSourced'
        ? eventMemory(name, model as EventSourcedModel<unknown, Record<string, unknown>>)
        : kind === 'durableState'
          ? stateMemory(name, model as DurableStateModel<unknown>)
          : undefined,
    passivateAfterMs: duration(name, 'passivateAfter', options.passivateAfter, defaults.passivateAfterMs),
    commandTimeoutMs: duration(name, 'commandTimeout', options.commandTimeout, commandTimeoutDefaultMs),
    expireMs: options.expire === undefined ? undefined : duration(name, 'expire', options.expire, 0),
    hasActivateHook: 'onActivate' in type.prototype,
    hasPassivateHook: 'onPassivate' in type.prototype,
  };
  const whole = definition as ActorDefinition;
  (whole as { refs: RefClass }).refs = refClass(name, [...commands.keys()]);
  return whole;
}

function findCommands(type: ActorClass, name: string): ReadonlyMap<string, CommandDefinition> {
  const accepts = schemas(type, name);
  const commands = new Map<string, CommandDefinition>();
  for (
    let prototype = type.prototype;
    !Object.hasOwn(prototype, baseMark);
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (baseMembers.has(key) && !hooks.has(key) && key !== 'constructor') {
        throw wrong(name, `redefines '${key}', which belongs to Greenroom's base class; rename it`);
      }
      if (!mayBeCommand(key) || typeof descriptor.value !== 'function') continue;
      if (commands.has(key)) continue;
      const run = descriptor.value as CommandDefinition['run'];
      if (run.length > 1)
        throw wrong(name, `'${key}' takes ${run.length} inputs; a command takes no input or one: pass an object`);
      commands.set(key, { name: key, run, schema: accepts.get(key) });
    }
  }
  for (const key of accepts.keys()) {
    if (!commands.has(key)) throw wrong(name, `accepts names '${key}', which is no command of it`);
  }
  return commands;
}

/** @throws GreenroomError `BAD_REQUEST` if a field of a class hides a member of Greenroom's base class */
export function checkFields(name: string, instance: object): void {
  for (const key of Object.keys(instance)) {
    if (baseMembers.has(key))
      throw wrong(name, `has a field '${key}', which hides what belongs to Greenroom's base class; rename it`);
  }
}

/** Marks the prototypes of Greenroom's own bases, where the search for commands ends. */
const baseMark = Symbol('greenroom.base');
for (const base of [Actor, PersistentActor, EventSourcedActor, DurableStateActor]) {
  Object.defineProperty(base.prototype, baseMark, { value: true });
}

function schemas(type: ActorClass, name: string): ReadonlyMap<string, StandardSchema> {
  const accepts = (type as { accepts?: unknown }).accepts;
  if (accepts === undefined) return new Map();
  if (typeof accepts !== 'object' || accepts === null) throw wrong(name, 'accepts is not an object of input schemas');
  const found = new Map<string, StandardSchema>();
  for (const [key, schema] of Object.entries(accepts)) {
    const standard = (schema as Partial<StandardSchema> | undefined)?.['~standard'];
    if (typeof standard?.validate !== 'function')
      throw wrong(name, `accepts.${key} is not a Standard Schema (it has no '~standard'.validate)`);
    found.set(key, schema as StandardSchema);
  }
  return found;
}

function eventMemory(name: string, model: EventSourcedModel<unknown, Record<string, unknown>>): MemoryDefinition {
  const upcast = new Map(Object.entries((model.upcast ?? {}) as Record<string, readonly Upcaster[]>));
  const events = new Map<string, EventDefinition>();
  for (const [event, apply] of Object.entries(model.events ?? {})) {
    if (typeof apply !== 'function') throw wrong(name, `the handler of event '${event}' is not a function`);
    events.set(event, { name: event, apply: apply as AnyHandler, upcasters: upcast.get(event) ?? [] });
  }
  for (const event of upcast.keys()) {
    if (!events.has(event)) throw wrong(name, `upcast names the event '${event}', which has no handler`);
  }
  const retired = new Map(Object.entries(model.retired ?? {}));
  for (const [event, successor] of retired) {
    if (events.has(event)) throw wrong(name, `the event '${event}' is both handled and retired`);
    if (successor !== null && !events.has(successor))
      throw wrong(name, `the retired event '${event}' leads to '${successor}', which has no handler`);
  }
  const retentionMs = model.retention === undefined ? undefined : duration(name, 'retention', model.retention, 0);
  return { ...memorySettings(name, model), events, retired, retentionMs };
}

function stateMemory(name: string, model: DurableStateModel<unknown>): MemoryDefinition {
  const upcasters = (model.upcast ?? []) as readonly Upcaster[];
  const settings = memorySettings(name, model);
  return {
    ...settings,
    // A snapshot holds the state as it was saved, so the state's version is the snapshot's version too.
    snapshotVersion: settings.snapshotVersion * 1_000 + upcasters.length,
    events: new Map([[savedEvent, { name: savedEvent, apply: (_state, next) => next, upcasters }]]),
    retired: new Map(),
    retentionMs: undefined,
  };
}

function memorySettings(name: string, model: PersistentActorOptions & { initialState: (id: string) => unknown }) {
  if (typeof model.initialState !== 'function') throw wrong(name, 'initialState is not a function');
  return {
    initialState: model.initialState,
    snapshotEvery: positive(name, 'snapshotEvery', model.snapshotEvery, snapshotEveryDefault),
    snapshotVersion: positive(name, 'snapshotVersion', model.snapshotVersion, 1),
  };
}

function positive(name: string, option: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw wrong(name, `${option} is ${value}; it is a whole number from 1`);
}

function duration(name: string, option: string, value: unknown, otherwiseMs: number): number {
  if (value === undefined) return otherwiseMs;
  const ms = durationMs(value);
  if (ms === undefined)
    throw wrong(name, `${option} is ${JSON.stringify(value)}; it is milliseconds or a text like '30s'`);
  return ms;
}

function wrong(name: string, problem: string): GreenroomError {
  return new GreenroomError('BAD_REQUEST', `actor class ${name}: ${problem}`);
}
