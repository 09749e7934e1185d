/** One actor's reminders, as its records say. Nothing is allocated for an actor that has none. */
import type { ReminderChange, StoredReminder } from '../persistence/codec.ts';

/** A reminder as its actor and operators see it. */
export interface ReminderInfo {
  readonly name: string;
  readonly command: string;
  readonly input?: unknown;
  /** The tick it waits for, milliseconds since 1970. */
  readonly dueAt: number;
  /** Milliseconds between ticks. */
  readonly every?: number;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly missed: StoredReminder['missed'];
  /** How often the tick that is due has failed, and when it is tried again. */
  readonly failures?: number;
  readonly retryAt?: number;
}

/** When a reminder has to be looked at: its tick, or the next try of it. */
export function reminderWakeAt({ dueAt, retryAt }: StoredReminder): number {
  return Math.max(dueAt, retryAt, 2);
}

export function reminderInfo(reminder: StoredReminder): ReminderInfo {
  const { name, command, input, dueAt, everyMs, cron, timeZone, missed, failures, retryAt } = reminder;
  return {
    name,
    command,
    ...(input === undefined ? {} : { input }),
    dueAt,
    ...(everyMs > 0 ? { every: everyMs } : {}),
    ...(cron === '' ? {} : { cron, timeZone }),
    missed,
    ...(retryAt === 0 ? {} : { failures, retryAt }),
  };
}

export class Reminders {
  #byName: Map<string, StoredReminder> | undefined;
  #next: StoredReminder | undefined;

  get size(): number {
    return this.#byName?.size ?? 0;
  }

  get(name: string): StoredReminder | undefined {
    return this.#byName?.get(name);
  }

  /** In the order in which they were first registered. */
  all(): readonly StoredReminder[] {
    return this.#byName ? [...this.#byName.values()] : [];
  }

  /** When the first of them has to be looked at. */
  get nextAt(): number {
    return this.#next ? reminderWakeAt(this.#next) : Number.POSITIVE_INFINITY;
  }

  /** The one that has waited longest, if it is due. */
  due(nowMs: number): StoredReminder | undefined {
    return this.nextAt <= nowMs ? this.#next : undefined;
  }

  apply(changes: readonly ReminderChange[]): void {
    if (changes.length === 0) return;
    this.#byName ??= new Map();
    for (const { name, reminder } of changes) {
      if (reminder) this.#byName.set(name, reminder);
      else this.#byName.delete(name);
    }
    this.#next = undefined;
    for (const reminder of this.#byName.values())
      if (!this.#next || reminderWakeAt(reminder) < reminderWakeAt(this.#next)) this.#next = reminder;
    if (this.#byName.size === 0) this.#byName = undefined;
  }

  clear(): void {
    this.#byName = undefined;
    this.#next = undefined;
  }
}
