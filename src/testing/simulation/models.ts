/** What the workload's actors do, one command at a time: the models that histories are held against. */
import { textHash } from '../../core/hash.ts';
import type { Operation } from './history.ts';
import { checkLinearizable, type SequentialModel, type Verdict } from './linearizability.ts';

/** `Register`: the value; 0 at first. */
export const registerModel: SequentialModel<number> = {
  initial: 0,
  key: (value) => value,
  apply(value, { command, input, outcome }) {
    const reply = outcome.type === 'reply' ? outcome.reply : undefined;
    const isKnown = outcome.type === 'reply';
    if (outcome.type === 'rejection' || outcome.type === 'failure') return value;
    switch (command) {
      case 'read':
        return !isKnown || reply === value ? value : undefined;
      case 'write':
        return !isKnown || reply === value ? (input as number) : undefined;
      case 'compareAndSet': {
        const { expected, next } = input as { expected: number; next: number };
        const isSet = expected === value;
        const told = reply as { isSet: boolean; current: number } | undefined;
        if (isKnown && (told!.isSet !== isSet || told!.current !== value)) return undefined;
        return isSet ? next : value;
      }
      default:
        return undefined;
    }
  },
};

export interface TokenList {
  readonly tokens: readonly string[];
  readonly hash: number;
}

function appended(list: TokenList, ...tokens: readonly string[]): TokenList {
  let { hash } = list;
  for (const token of tokens) hash = textHash(`${hash} ${token}`);
  return { tokens: [...list.tokens, ...tokens], hash };
}

/** `Tokens`: the list; empty at first. */
export const tokensModel: SequentialModel<TokenList> = {
  initial: { tokens: [], hash: 0 },
  key: ({ hash }) => hash,
  apply(list, { command, input, outcome }) {
    const isKnown = outcome.type === 'reply';
    const reply = isKnown ? outcome.reply : undefined;
    switch (command) {
      case 'append':
      case 'appendPair': {
        if (outcome.type === 'rejection' || outcome.type === 'failure') return undefined;
        const token = input as string;
        const after = command === 'append' ? appended(list, token) : appended(list, `${token}/1`, `${token}/2`);
        return !isKnown || reply === after.tokens.length ? after : undefined;
      }
      case 'appendAndReject':
      case 'appendAndFail':
        return isKnown ? undefined : list;
      case 'touch':
        return !isKnown || reply === list.tokens.length ? list : undefined;
      case 'read':
        return !isKnown || isSameList(reply as readonly string[], list.tokens) ? list : undefined;
      default:
        return undefined;
    }
  },
};

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((token, index) => token === b[index]);
}

/**
 * Checks one register. A write of unknown outcome whose value nobody ever saw is left out: had it taken effect, taking
 * it away changes no answer, because every command but a blind write tells the value it met, and so does the write
 * after it.
 */
export function checkRegister(operations: readonly Operation[]): Verdict {
  const met = new Set<unknown>();
  for (const { command, outcome } of operations) {
    if (outcome.type !== 'reply') continue;
    met.add(command === 'compareAndSet' ? (outcome.reply as { current: number }).current : outcome.reply);
  }
  const relevant = operations.filter(({ command, input, outcome }) => {
    if (outcome.type !== 'unknown') return true;
    if (command === 'read') return false;
    return met.has(command === 'write' ? input : (input as { next: number }).next);
  });
  return checkLinearizable(relevant, registerModel);
}

/**
 * Checks one list. What a last read, after everything, shows decides for every append of unknown outcome whether it
 * ever took effect; without it they all may.
 */
export function checkTokens(operations: readonly Operation[], last: readonly string[] | undefined): Verdict {
  const there = last && new Set(last);
  const relevant = operations.filter(({ command, input, outcome }) => {
    if (outcome.type !== 'unknown') return true;
    if (command !== 'append' && command !== 'appendPair') return false;
    return !there || there.has(command === 'append' ? (input as string) : `${input as string}/1`);
  });
  return checkLinearizable(relevant, tokensModel);
}
