/** What the toy's actors do: the workload's commands, as one function from state and entry to state and answer. */
import type { AccountEntry } from '../../../src/testing/simulation/workload-actors.ts';
import type { ToyMistake } from './toy-cluster.ts';

/** One command in the toy's log. */
export interface ToyEntry {
  readonly epoch: number;
  /** Depends on all entries up to this one. */
  readonly chain: number;
  readonly key: string;
  readonly type: string;
  readonly id: string;
  readonly command: string;
  readonly input: unknown;
}

export type ToyAnswer =
  | { readonly type: 'reply'; readonly reply: unknown }
  | { readonly type: 'rejection' }
  | { readonly type: 'failure' };

type TellerState = { sent: Record<string, number>; received: string[] };

/** The state machine that every node feeds with the same entries. */
export class ToyState {
  readonly #mistake: ToyMistake | undefined;
  readonly #registers = new Map<string, number>();
  readonly #tokens = new Map<string, string[]>();
  readonly #accounts = new Map<string, AccountEntry[]>();
  readonly #tellers = new Map<string, TellerState>();
  readonly #answers = new Map<string, ToyAnswer>();

  constructor(mistake: ToyMistake | undefined) {
    this.#mistake = mistake;
  }

  /** The answer that a key has had; undefined if it is new. */
  answered(key: string): ToyAnswer | undefined {
    return this.#mistake === 'no memory of ids' ? undefined : this.#answers.get(key);
  }

  apply(entry: ToyEntry): ToyAnswer {
    const known = this.answered(entry.key);
    if (known) return known;
    const answer = this.#run(entry);
    this.#answers.set(entry.key, answer);
    return answer;
  }

  #run({ type, id, command, input }: ToyEntry): ToyAnswer {
    switch (type) {
      case 'Register':
        return reply(this.#register(id, command, input));
      case 'Tokens':
        return this.#list(id, command, input as string);
      case 'Account':
        return reply(this.#account(id, command, input));
      case 'Teller':
        return reply(this.#teller(id, command, input as string));
      default:
        return reply(undefined);
    }
  }

  #register(id: string, command: string, input: unknown): unknown {
    const current = this.#registers.get(id) ?? 0;
    if (command === 'read') return current;
    if (command === 'write') {
      this.#registers.set(id, input as number);
      return current;
    }
    const { expected, next } = input as { expected: number; next: number };
    if (expected === current) this.#registers.set(id, next);
    return { isSet: expected === current, current };
  }

  #list(id: string, command: string, token: string): ToyAnswer {
    const list = known(this.#tokens, id, () => []);
    switch (command) {
      case 'append':
        list.push(token);
        return reply(list.length);
      case 'appendPair':
        list.push(`${token}/1`);
        if (this.#mistake !== 'torn pair' || token.length % 5 !== 0) list.push(`${token}/2`);
        return reply(list.length);
      case 'touch':
        return reply(list.length);
      case 'read':
        return reply([...list]);
      default:
        if (this.#mistake === 'kept exception') list.push(`${token}/never`);
        return { type: command === 'appendAndReject' ? 'rejection' : 'failure' };
    }
  }

  #account(id: string, command: string, input: unknown): unknown {
    const here = known(this.#accounts, id, () => []);
    if (command !== 'transfer') return [...here];
    const { to, transfer, amount } = input as { to: string; transfer: string; amount: number };
    const there = known(this.#accounts, to, () => []);
    there.push({ transfer, side: 'credit', amount });
    here.push({ transfer, side: 'debit', amount });
    return { here: here.length, there: there.length };
  }

  #teller(id: string, command: string, to: string): unknown {
    const sender = known(this.#tellers, id, newTeller);
    if (command === 'report') return structuredClone(sender);
    const number = (sender.sent[to] ?? 0) + 1;
    sender.sent[to] = number;
    if (this.#mistake === 'dropped tell' && number % 7 === 0) return number;
    known(this.#tellers, to, newTeller).received.push(`${id}#${number}`);
    return number;
  }
}

function newTeller(): TellerState {
  return { sent: {}, received: [] };
}

function reply(value: unknown): ToyAnswer {
  return { type: 'reply', reply: value };
}

function known<T>(map: Map<string, T>, id: string, make: () => T): T {
  let value = map.get(id);
  if (value === undefined) {
    value = make();
    map.set(id, value);
  }
  return value;
}
