/**
 * A ref outside the cluster: there is no class to take the commands from, so every name is a command, except those
 * that JavaScript itself asks objects for (`await ref` asks for `then`, `JSON.stringify` for `toJSON`).
 */

import { mayBeCommand } from '../core/command-name.ts';

/** Answers a call of one command. */
export type Call = (command: string, input: unknown) => Promise<unknown>;

export function remoteRef(call: Call): object {
  return new Proxy(Object.freeze(Object.create(null)), {
    get(_target, name) {
      if (typeof name !== 'string' || !mayBeCommand(name)) return undefined;
      return (input?: unknown) => call(name, input);
    },
  });
}
