/**
 * Refs: what stands for an actor wherever it is. A ref class is made once per actor type, with a real method per
 * command, so that a call costs a method call and `await ref` or `JSON.stringify(ref)` find nothing to trip over.
 */
import { mayBeCommand } from '../core/command-name.ts';
import { GreenroomError } from '../core/errors.ts';

/** Where a ref's calls go: a node, or the turn of another actor. */
export interface RefTarget {
  ask(type: string, id: string, command: string, input: unknown): Promise<unknown>;
}

/** Sends without waiting for an answer. */
export type TellFunction = (type: string, id: string, command: string, input: unknown) => unknown;

export type RefClass = new (target: RefTarget, id: string) => object;

interface Address {
  readonly type: string;
  readonly id: string;
  readonly commands: readonly string[];
}

let addressOf: (ref: object) => Address | undefined;

abstract class Ref {
  readonly #target: RefTarget;
  readonly #type: string;
  readonly #id: string;
  readonly #commands: readonly string[];

  constructor(target: RefTarget, type: string, id: string, commands: readonly string[]) {
    this.#target = target;
    this.#type = type;
    this.#id = id;
    this.#commands = commands;
  }

  static ask(ref: Ref, command: string, input: unknown): Promise<unknown> {
    return ref.#target.ask(ref.#type, ref.#id, command, input);
  }

  static {
    addressOf = (ref) => (#type in ref ? { type: ref.#type, id: ref.#id, commands: ref.#commands } : undefined);
  }
}

/** Makes the class of refs to one actor type. */
export function refClass(type: string, commands: readonly string[]): RefClass {
  class TypedRef extends Ref {
    constructor(target: RefTarget, id: string) {
      super(target, type, id, commands);
    }
  }
  for (const command of commands) {
    Object.defineProperty(TypedRef.prototype, command, {
      value(this: Ref, input?: unknown) {
        return Ref.ask(this, command, input);
      },
    });
  }
  return TypedRef;
}

/** A ref to a type this node has no class of: every name that may be a command is one. */
export function untypedRef(target: RefTarget, type: string, id: string): object {
  const ref = new (refClass(type, []))(target, id);
  return new Proxy(ref, {
    get(_ref, name) {
      if (typeof name !== 'string' || !mayBeCommand(name)) return undefined;
      return (input?: unknown) => target.ask(type, id, name, input);
    },
  });
}

const tellClasses = new WeakMap<readonly string[], new (send: TellFunction, type: string, id: string) => object>();

/** The same commands as `ref`, sent without waiting. @throws GreenroomError `BAD_REQUEST` if `ref` is not a ref */
export function tellRef(ref: object, send: TellFunction): object {
  const address = typeof ref === 'object' && ref !== null ? addressOf(ref) : undefined;
  if (!address) throw new GreenroomError('BAD_REQUEST', 'tell(ref) takes a ref made by actor(Type, id)');
  let tellClass = tellClasses.get(address.commands);
  if (!tellClass) {
    tellClass = makeTellClass(address.commands);
    tellClasses.set(address.commands, tellClass);
  }
  return new tellClass(send, address.type, address.id);
}

function makeTellClass(commands: readonly string[]) {
  class TypedTell {
    readonly #send: TellFunction;
    readonly #type: string;
    readonly #id: string;
    constructor(send: TellFunction, type: string, id: string) {
      this.#send = send;
      this.#type = type;
      this.#id = id;
    }
    static send(tell: TypedTell, command: string, input: unknown): unknown {
      return tell.#send(tell.#type, tell.#id, command, input);
    }
  }
  for (const command of commands) {
    Object.defineProperty(TypedTell.prototype, command, {
      value(this: TypedTell, input?: unknown) {
        return TypedTell.send(this, command, input);
      },
    });
  }
  return TypedTell;
}
