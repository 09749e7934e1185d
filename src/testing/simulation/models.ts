/** What the workload's actors do, one command at a time: the models that histories are held against. */
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

/**
 * `Tokens`, of which a last read showed the list `last`: nothing is ever taken out of a list, so that it always was a
 * beginning of it. The state is how much of it is there.
 */
function tokensModel(last: readonly string[]): SequentialModel<number> {
  return {
    initial: 0,
    key: (length) => length,
    apply(length, { command, input, outcome }) {
      const isKnown = outcome.type === 'reply';
      const reply = isKnown ? outcome.reply : undefined;
      switch (command) {
        case 'append':
        case 'appendPair': {
          if (outcome.type === 'rejection' || outcome.type === 'failure') return undefined;
          const tokens = tokensOf(command, input as string);
          if (!tokens.every((token, index) => last[length + index] === token)) return undefined;
          const after = length + tokens.length;
          return !isKnown || reply === after ? after : undefined;
        }
        case 'appendAndReject':
        case 'appendAndFail':
          return isKnown ? undefined : length;
        case 'touch':
          return !isKnown || reply === length ? length : undefined;
        case 'read': {
          const read = reply as readonly string[];
          return !isKnown || (read.length === length && read.every((token, index) => token === last[index]))
            ? length
            : undefined;
        }
        default:
          return undefined;
      }
    },
  };
}

function tokensOf(command: 'append' | 'appendPair', token: string): readonly string[] {
  return command === 'append' ? [token] : [`${token}/1`, `${token}/2`];
}

/**
 * Checks one register. A write of unknown outcome whose value nobody ever met is left out: had it taken effect, taking it
 * away changes no answer, because every command but a blind write tells the value it met, and so does the write after it.
 * A comparison of unknown outcome tells nothing, yet if its own value was met, it had met the one that it expected.
 */
export function checkRegister(operations: readonly Operation[]): Verdict {
  const met = new Set<unknown>();
  for (const { command, outcome } of operations) {
    if (outcome.type !== 'reply') continue;
    met.add(command === 'compareAndSet' ? (outcome.reply as { current: number }).current : outcome.reply);
  }
  const comparisons = operations
    .filter(({ command, outcome }) => command === 'compareAndSet' && outcome.type === 'unknown')
    .map(({ input }) => input as { expected: number; next: number });
  for (let known = -1; known < met.size; ) {
    known = met.size;
    for (const { expected, next } of comparisons) if (met.has(next)) met.add(expected);
  }
  const relevant = operations.filter(({ command, input, outcome }) => {
    if (outcome.type !== 'unknown') return true;
    if (command === 'read') return false;
    return met.has(command === 'write' ? input : (input as { next: number }).next);
  });
  return checkLinearizable(relevant, registerModel);
}

/**
 * Checks one list against what a last read, after everything, shows: that decides for every append of unknown outcome
 * whether it ever took effect, and it is the last operation itself.
 */
export function checkTokens(operations: readonly Operation[], last: readonly string[]): Verdict {
  const there = new Set(last);
  const relevant = operations.filter(({ command, input, outcome }) => {
    if (outcome.type !== 'unknown') return true;
    if (command !== 'append' && command !== 'appendPair') return false;
    return there.has(tokensOf(command, input as string)[0]!);
  });
  const [one] = operations;
  if (!one) return { type: 'linearizable' };
  return checkLinearizable([...relevant, lastRead(one, operations, last)], tokensModel(last));
}

/** It began when all that ended had ended. */
function lastRead({ actor }: Operation, operations: readonly Operation[], last: readonly string[]): Operation {
  const places = operations.flatMap(({ invoked, ended }) => [invoked, Number.isFinite(ended) ? ended : invoked]);
  const invoked = Math.max(...places) + 1;
  return {
    client: 'the end',
    actor,
    command: 'read',
    input: undefined,
    key: '',
    invoked,
    invokedAtMs: Number.POSITIVE_INFINITY,
    ended: invoked + 1,
    endedAtMs: Number.POSITIVE_INFINITY,
    attempts: 1,
    outcome: { type: 'reply', reply: last, replayed: false },
  };
}
