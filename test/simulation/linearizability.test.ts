import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Operation, Outcome } from '../../src/testing/simulation/history.ts';
import { checkLinearizable, type SequentialModel } from '../../src/testing/simulation/linearizability.ts';
import { checkRegister, checkTokens, registerModel } from '../../src/testing/simulation/models.ts';

/** `client command(input) → reply` over a span of the history; `…` as the end: unknown. */
function did(span: readonly [number, number | '…'], command: string, input: unknown, reply: unknown): Operation {
  const ended = span[1] === '…' ? Number.POSITIVE_INFINITY : span[1];
  const outcome: Outcome =
    span[1] === '…' ? { type: 'unknown', code: 'OUTCOME_UNKNOWN' } : { type: 'reply', reply, replayed: false };
  return {
    client: 'c',
    actor: 'X/1',
    command,
    input,
    key: 'k',
    invoked: span[0],
    invokedAtMs: span[0],
    ended,
    endedAtMs: ended,
    attempts: 1,
    outcome,
  };
}

const verdict = (...operations: Operation[]) => checkRegister(operations).type;
const listVerdict = (last: readonly string[], ...operations: Operation[]) => checkTokens(operations, last).type;

describe('a register that is right', () => {
  test('may order what overlaps either way', () => {
    const both = [did([0, 5], 'write', 1, 0), did([1, 6], 'write', 2, 1)];
    expect(verdict(...both, did([7, 8], 'read', undefined, 2))).toBe('linearizable');
    expect(verdict(did([0, 5], 'write', 1, 2), did([1, 6], 'write', 2, 0))).toBe('linearizable');
  });
  test('may let a write of unknown outcome happen late, or never', () => {
    const lost = did([0, '…'], 'write', 1, undefined);
    expect(verdict(lost, did([1, 2], 'read', undefined, 0))).toBe('linearizable');
    expect(verdict(lost, did([1, 2], 'read', undefined, 0), did([3, 4], 'read', undefined, 1))).toBe('linearizable');
  });
  test('may let a comparison of unknown outcome meet a write of unknown outcome', () => {
    expect(
      verdict(
        did([0, '…'], 'write', 1, undefined),
        did([1, '…'], 'compareAndSet', { expected: 1, next: 2 }, undefined),
        did([2, '…'], 'compareAndSet', { expected: 2, next: 3 }, undefined),
        did([3, 4], 'read', undefined, 3),
      ),
    ).toBe('linearizable');
  });
  test('compares and sets', () => {
    expect(
      verdict(
        did([0, 1], 'compareAndSet', { expected: 0, next: 5 }, { isSet: true, current: 0 }),
        did([2, 3], 'compareAndSet', { expected: 0, next: 6 }, { isSet: false, current: 5 }),
      ),
    ).toBe('linearizable');
  });
});

describe('what is wrong is found', () => {
  test('a stale read', () => {
    expect(verdict(did([0, 1], 'write', 1, 0), did([2, 3], 'read', undefined, 0))).toBe('violation');
  });
  test('a read that goes back', () => {
    const lost = did([0, '…'], 'write', 1, undefined);
    expect(verdict(lost, did([1, 2], 'read', undefined, 1), did([3, 4], 'read', undefined, 0))).toBe('violation');
  });
  test('a lost update', () => {
    const set = (next: number, span: readonly [number, number]) =>
      did(span, 'compareAndSet', { expected: 0, next }, { isSet: true, current: 0 });
    expect(verdict(set(1, [0, 3]), set(2, [1, 4]))).toBe('violation');
  });
  test('a phantom: a value that nobody wrote', () => {
    expect(verdict(did([0, 1], 'read', undefined, 7))).toBe('violation');
  });
  test('a read of a value before anybody began to write it', () => {
    expect(verdict(did([0, 1], 'read', undefined, 1), did([2, 3], 'write', 1, 0))).toBe('violation');
  });
  test('a read of an uncommitted value that was lost', () => {
    expect(
      verdict(
        did([0, '…'], 'write', 1, undefined),
        did([1, 2], 'read', undefined, 1),
        did([3, 4], 'compareAndSet', { expected: 0, next: 2 }, { isSet: true, current: 0 }),
      ),
    ).toBe('violation');
  });
  test('a duplicate', () => {
    expect(listVerdict(['a', 'a'], did([0, 1], 'append', 'a', 1), did([2, 3], 'read', undefined, ['a', 'a']))).toBe(
      'violation',
    );
  });
  test('reordering', () => {
    expect(
      listVerdict(
        ['b', 'a'],
        did([0, 1], 'append', 'a', 1),
        did([2, 3], 'append', 'b', 2),
        did([4, 5], 'read', undefined, ['b', 'a']),
      ),
    ).toBe('violation');
  });
  test('half of a pair', () => {
    expect(
      listVerdict(['a/1'], did([0, '…'], 'appendPair', 'a', undefined), did([1, 2], 'read', undefined, ['a/1'])),
    ).toBe('violation');
  });
  test('a token that nobody wrote, and one that is gone in the end', () => {
    const wrote = did([0, 1], 'append', 'a', 1);
    expect(listVerdict(['a'], wrote)).toBe('linearizable');
    expect(listVerdict(['a', 'b'], wrote)).toBe('violation');
    expect(listVerdict([], wrote)).toBe('violation');
  });
  test('a read that missed what was there before it began', () => {
    const wrote = did([0, 1], 'append', 'a', 1);
    expect(listVerdict(['a'], wrote, did([2, 3], 'read', undefined, []))).toBe('violation');
    expect(listVerdict(['a'], wrote, did([0, 3], 'read', undefined, []))).toBe('linearizable');
  });
  test('and it is said what does not fit', () => {
    const checked = checkRegister([did([0, 1], 'write', 1, 0), did([2, 3], 'read', undefined, 0)]);
    expect(checked.type === 'violation' && checked.stuck.join('\n')).toMatch(/longest has 1 of 2.*left: .*read/s);
  });
});

test('histories of a register that is right pass, and with one answer changed they do not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), fc.integer({ min: 10, max: 120 }), (seed, length) => {
      const operations = randomHistory(seed, length);
      expect(checkRegister(operations).type).toBe('linearizable');
      const reads = operations.filter(({ command, outcome }) => command === 'read' && outcome.type === 'reply');
      const spoilt = reads[seed % Math.max(1, reads.length)];
      if (!spoilt) return;
      const changed = operations.map((one) =>
        one === spoilt ? { ...one, outcome: { type: 'reply' as const, reply: -1, replayed: false } } : one,
      );
      expect(checkRegister(changed).type).toBe('violation');
    }),
    { numRuns: 60 },
  );
});

test('a cache that answers reads late is found in most random histories, and every verdict agrees with brute force', () => {
  const small = Array.from({ length: 300 }, (_, seed) => randomHistory(seed, 6, 0.3));
  const found = small.filter((operations) => checkRegister(operations).type === 'violation');
  expect(found.length).toBeGreaterThan(20);
  for (const operations of small)
    expect(checkLinearizable(operations, registerModel).type === 'linearizable').toBe(bruteForce(operations));
});

test('300 operations of 8 clients are decided quickly', () => {
  for (let seed = 0; seed < 10; seed++) expect(checkRegister(randomHistory(seed, 300)).type).toBe('linearizable');
});

test('too many configurations are undecided, and not a violation', () => {
  const model: SequentialModel<string> = { initial: '', key: (state) => state, apply: (state, { key }) => state + key };
  const tangle = Array.from({ length: 12 }, (_, index) => ({
    ...did([index, 100 + index], 'x', 0, 0),
    key: `${index},`,
  }));
  const impossible = { ...model, apply: (s: string, o: Operation) => (o.key === '11,' ? undefined : s + o.key) };
  expect(checkLinearizable(tangle, impossible, 1_000).type).toBe('undecided');
});

/** A register with 8 clients: each operation takes effect somewhere within its span; `stale`: how often a read is late. */
function randomHistory(seed: number, length: number, stale = 0): Operation[] {
  const random = seededRandom(seed);
  const operations: Operation[] = [];
  const busyUntil = Array.from({ length: 8 }, () => 0);
  const values = [0];
  // Effects happen in the order of the index; spans reach around them.
  for (let index = 0; index < length; index++) {
    const at = (index + 1) * 10;
    const client = busyUntil.findIndex((until) => until < at);
    if (client < 0) continue;
    const invoked = Math.max(busyUntil[client]! + 0.01 * (client + 1), at - random.next() * 30);
    const isUnknown = random.next() < 0.05;
    const ended = at + random.next() * 30 + 0.001 * client;
    busyUntil[client] = ended;
    const current = values.at(-1)!;
    if (random.next() < 0.5) {
      const seen = random.next() < stale ? values[Math.max(0, values.length - 3)]! : current;
      operations.push(did([invoked, ended], 'read', undefined, seen));
    } else {
      values.push(index + 1);
      operations.push(did([invoked, isUnknown ? '…' : ended], 'write', index + 1, current));
    }
  }
  return operations.sort((a, b) => a.invoked - b.invoked);
}

/** Tries every order. */
function bruteForce(operations: readonly Operation[]): boolean {
  const search = (rest: readonly Operation[], state: number): boolean => {
    if (rest.every(({ ended }) => !Number.isFinite(ended))) return true;
    const firstEnd = Math.min(...rest.map(({ ended }) => ended));
    return rest.some((operation) => {
      if (operation.invoked > firstEnd) return false;
      const after = registerModel.apply(state, operation);
      return (
        after !== undefined &&
        search(
          rest.filter((other) => other !== operation),
          after,
        )
      );
    });
  };
  return search(operations, 0);
}
