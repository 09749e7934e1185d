/**
 * What ties an instance of a user's class to the activation that made it. The binding is handed over through a
 * module variable while the constructor runs, so that field initializers can already use `this.id` and `this.state`
 * and user constructors need no parameters.
 */
import type { Duration } from '../core/duration.ts';
import { GreenroomError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { When } from './reminder-schedule.ts';
import type { ReminderInfo } from './reminders.ts';

/** The base members' other half. Every method throws once the instance has been discarded. */
export interface InstanceBinding {
  readonly id: string;
  state(): unknown;
  persist(type: string, data: unknown): void;
  save(next: unknown): void;
  now(): number;
  log(): Log;
  passivate(): void;
  actor(type: abstract new () => object, id: string): never;
  tell(ref: object): never;
  tellTo(type: string, id: string, command: string, input: unknown): void;
  after(delay: Duration, keepAwake: boolean): never;
  remind(name: string, when: When): never;
  forget(name: string): void;
  reminders(): readonly ReminderInfo[];
}

let handedOver: InstanceBinding | undefined;

/** Makes an instance of a user's class, bound to `binding`. */
export function makeBound<T>(make: new () => T, binding: InstanceBinding): T {
  const before = handedOver;
  handedOver = binding;
  try {
    return new make();
  } finally {
    handedOver = before;
  }
}

/** For the base constructor. @throws GreenroomError `BAD_REQUEST` if someone writes `new ShoppingCart()` */
export function currentBinding(type: Function): InstanceBinding {
  if (handedOver) {
    const binding = handedOver;
    handedOver = undefined;
    return binding;
  }
  throw new GreenroomError(
    'BAD_REQUEST',
    `actors are made by Greenroom: use node.actor(${type.name}, id) instead of new ${type.name}()`,
  );
}

/** A command or hook that goes on. */
export interface CommandRun {
  then(resolve: (reply: unknown) => void, reject: (error: unknown) => void): void;
}

export function isThenable(value: unknown): value is CommandRun {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
