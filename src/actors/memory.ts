/**
 * An actor's memory: a state folded from events. Pure; the same code runs when a command persists an event, when a
 * history is replayed, when a past state is inspected and when stored histories are checked against new code.
 */
import { deepFreeze, findNotPlain } from '../core/plain-data.ts';
import type { StoredEvent } from '../persistence/codec.ts';
import type { MemoryDefinition } from './definition.ts';

/** An event or state that does not fit the class. The message says which and why. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError';
  /** The stored event that this class does not know, or knows in older versions only: `Name`, or `Name.version`. */
  readonly unknownEvent: string | undefined;

  constructor(message: string, unknownEvent?: string) {
    super(message);
    this.unknownEvent = unknownEvent;
  }
}

/** The state before the first event. @throws MemoryError if it is not plain data; whatever `initialState` throws */
export function initialState(memory: MemoryDefinition, id: string, freeze: boolean): unknown {
  const state = memory.initialState(id);
  const wrong = state === undefined ? { path: '', problem: 'is undefined; use null' } : findNotPlain(state);
  if (wrong) throw new MemoryError(`the initial state${wrong.path} ${wrong.problem}`);
  return freeze ? deepFreeze(state) : state;
}

/** Today's version of an event: what is written beside its data. */
export function eventVersion(memory: MemoryDefinition, type: string): number {
  return 1 + (memory.events.get(type)?.upcasters.length ?? 0);
}

/** Applies an event of today. @throws MemoryError if the class does not know it or its handler makes no plain state */
export function applyEvent(
  memory: MemoryDefinition,
  state: unknown,
  type: string,
  data: unknown,
  freeze: boolean,
): unknown {
  const event = memory.events.get(type);
  if (!event) throw new MemoryError(`there is no event '${type}'`);
  const next = event.apply(state, data);
  if (next === undefined)
    throw new MemoryError(`the handler of '${type}' returned undefined; it returns the next state`);
  const wrong = findNotPlain(next, state);
  if (wrong) throw new MemoryError(`after '${type}' the state${wrong.path} ${wrong.problem}`);
  return freeze ? deepFreeze(next) : next;
}

/** Applies an event as it was stored, in whatever version. @throws MemoryError for an event nobody knows */
export function replayEvent(memory: MemoryDefinition, state: unknown, stored: StoredEvent, freeze: boolean): unknown {
  const successor = memory.retired.get(stored.type);
  if (successor === null) return state;
  // A renamed event keeps its version: its upcasters moved to the new name with it.
  const type = successor ?? stored.type;
  const { version } = stored;
  const event = memory.events.get(type);
  if (!event)
    throw new MemoryError(
      `the event '${type}' is unknown to this class; keep its handler, or name it in 'retired'`,
      type,
    );
  if (version > 1 + event.upcasters.length) {
    throw new MemoryError(
      `the event '${type}' has version ${version}, and this class knows it up to ${1 + event.upcasters.length}: it was written by newer code`,
      `${type}.${version}`,
    );
  }
  let data = stored.data;
  for (let i = version - 1; i < event.upcasters.length; i++) data = event.upcasters[i]!(data);
  return applyEvent(memory, state, type, freeze ? deepFreeze(data) : data, freeze);
}
