/**
 * What the test kit checks behind every command: that the actor would be the same tomorrow, on another node. A state
 * is only as good as its history, so the history is read back from the bytes that were written and replayed by the
 * code that recovers actors in production.
 *
 * Two mistakes show here that no assertion on a reply finds: an event handler that is not pure (it reads a clock, a
 * random number or a variable outside), and data that comes back from the disk as something else.
 */
import type { MemoryDefinition } from '../actors/definition.ts';
import { Recovery } from '../actors/recovery.ts';
import type { ShardLog } from '../actors/shard-log.ts';
import type { ActorId, ActorTypeName } from '../core/ids.ts';
import { canonicalJson, withoutUndefined } from '../core/plain-data.ts';
import { decodeData, encodeData } from '../persistence/codec.ts';

/** An actor whose history does not lead to its state, or whose data does not survive being written. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}

export interface ReplayedActor {
  readonly type: ActorTypeName;
  readonly id: ActorId;
  readonly kind: 'eventSourced' | 'durableState';
  readonly memory: MemoryDefinition;
  readonly log: ShardLog;
}

/** No snapshot has this version, so that replay starts at the first event. */
const versionOfNoSnapshot = -1;

/** The state that the actor's records lead to. @throws HistoryError, MemoryError, or what a handler throws */
export function replay(actor: ReplayedActor): unknown {
  const { type, id, log, kind } = actor;
  // Durable state keeps no history to replay; and where old events are deleted, a snapshot is the beginning.
  const fromFirst = kind === 'eventSourced' && actor.memory.retentionMs === undefined;
  const memory = fromFirst ? { ...actor.memory, snapshotVersion: versionOfNoSnapshot } : actor.memory;
  const recovery = new Recovery({ memory, id, log, newest: log.actor(type, id)?.newestPosition ?? 0, freeze: true });
  while (!recovery.step(() => false));
  return recovery.result.state;
}

/** @throws ReplayError if replaying the actor's records gives another state than the live one, or a snapshot of it would */
export function checkReplay(actor: ReplayedActor, live: unknown): void {
  const name = `${actor.type}/${actor.id}`;
  const replayed = firstDifference(replay(actor), live, 'state');
  if (replayed) {
    throw new ReplayError(
      `replaying the events of ${name} gives another state than its command saw: ${replayed}. ` +
        'Event handlers must be pure: put times, random numbers and whatever else may change into the event',
    );
  }
  checkSurvives(live, `the state of ${name}`);
}

/** @throws ReplayError if `data` read back from bytes is not the same data */
export function checkSurvives(data: unknown, what: string): void {
  if (data === undefined) return;
  const difference = firstDifference(decodeData(encodeData(withoutUndefined(data))), data, 'it');
  if (difference) throw new ReplayError(`${what} does not survive being written and read: ${difference}`);
}

/** Where two pieces of plain data first differ, in words; undefined if they are equal as JSON data. */
export function firstDifference(found: unknown, expected: unknown, path: string): string | undefined {
  const foundText = canonicalJson(found);
  const expectedText = canonicalJson(expected);
  if (foundText === expectedText) return undefined;
  if (isObject(found) && isObject(expected) && Array.isArray(found) === Array.isArray(expected)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const part = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`;
      const difference = firstDifference(found[key], expected[key], part);
      if (difference) return difference;
    }
  }
  return `${path} is ${shorten(foundText)}, and was ${shorten(expectedText)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function shorten(text: string): string {
  if (text === '') return 'absent';
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
