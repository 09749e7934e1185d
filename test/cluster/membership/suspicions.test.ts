/** What the control leader `a` makes of what the members say about each other. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Accusation } from '../../../src/cluster/membership/failure-detector.ts';
import { Suspicions } from '../../../src/cluster/membership/suspicions.ts';
import type { StoreId } from '../../../src/core/ids.ts';

type Name = 'a' | 'b' | 'c' | 'd' | 'e';
const store = (name: Name) => name as string as StoreId;

/** A cluster of the named ones, each in its first life, led by `a`. */
class Court {
  readonly suspicions = new Suspicions(store('a'));
  readonly #names: readonly Name[];

  constructor(...names: Name[]) {
    this.#names = names;
    this.suspicions.setMembers(names.map((name) => ({ storeId: store(name), boot: 1 })));
  }

  /** `from` accuses as told, and reaches everybody whom it does not accuse, except `cut`. */
  says(from: Name, about: Partial<Record<Name, Accusation['what']>>, nowMs = 0, cut: readonly Name[] = []): this {
    const accusations = Object.entries(about).map(([name, what]) => ({ peer: store(name as Name), boot: 1, what }));
    const reachable = this.#names.filter((name) => name !== from && !about[name] && !cut.includes(name)).map(store);
    this.suspicions.report({ storeId: store(from), boot: 1 }, { accusations, reachable }, nowMs);
    return this;
  }

  downs(nowMs = 0): string[] {
    return this.suspicions.downs(nowMs).map(({ storeId, why, witnesses }) => `${storeId} ${why} (${witnesses.join()})`);
  }
}

describe('who is down', () => {
  test('nobody is by the word of the leader alone, as long as there is somebody else to ask', () => {
    const court = new Court('a', 'b', 'c').says('a', { c: 'suspect' }).says('b', {});
    expect(court.downs()).toEqual([]);
    expect(court.says('b', { c: 'suspect' }).downs()).toEqual(['c suspect (b)']);
  });

  test('nobody is while the others have said nothing yet: a new leader waits for them', () => {
    expect(new Court('a', 'b', 'c').says('a', { c: 'silent' }).downs()).toEqual([]);
  });

  test('nobody is by the word of all others, if the leader hears it: only its own path counts for what it commits', () => {
    const court = new Court('a', 'b', 'c', 'd').says('a', {}).says('b', { d: 'silent' }).says('c', { d: 'silent' });
    expect(court.downs()).toEqual([]);
  });

  test('with two nodes the leader’s own suspicion is enough', () => {
    expect(new Court('a', 'b').says('a', { b: 'suspect' }).downs()).toEqual(['b suspect ()']);
  });

  test('a process that died is down as soon as anybody says so and the leader has no link to it', () => {
    const court = new Court('a', 'b', 'c').says('b', { c: 'process died' });
    expect(court.says('a', {}).downs()).toEqual([]);
    expect(court.says('a', {}, 0, ['c']).downs()).toEqual(['c process died (b)']);
    expect(new Court('a', 'b', 'c').says('a', { c: 'process died' }).says('b', {}).downs()).toEqual([
      'c process died ()',
    ]);
  });

  test('two die at once: neither is waited for as a witness against the other', () => {
    const court = new Court('a', 'b', 'c', 'd')
      .says('a', { c: 'silent', d: 'silent' })
      .says('b', { c: 'suspect', d: 'suspect' });
    expect(court.downs()).toEqual(['c silent (b)', 'd silent (b)']);
    expect(new Court('a', 'b', 'c').says('a', { b: 'silent', c: 'silent' }).downs()).toEqual([
      'b silent ()',
      'c silent ()',
    ]);
  });

  test('what a suspected or busy observer says does not count, and it is not waited for', () => {
    const court = new Court('a', 'b', 'c').says('a', { b: 'busy', c: 'suspect' }).says('b', { a: 'suspect' });
    expect(court.downs()).toEqual(['c suspect ()']);
    const other = new Court('a', 'b', 'c', 'd').says('a', { b: 'suspect', c: 'suspect' }).says('b', { c: 'suspect' });
    expect(other.says('d', {}).downs()).toEqual([]);
    const died = new Court('a', 'b', 'c', 'd').says('a', { b: 'suspect' }, 0, ['c']).says('b', { c: 'process died' });
    expect(died.says('d', {}).downs()).toEqual([]);
  });

  test('a busy one is not: its shards move, its process lives', () => {
    const court = new Court('a', 'b', 'c').says('a', { c: 'busy' }).says('b', { c: 'busy' });
    expect(court.downs()).toEqual([]);
  });

  test('accusations expire after 2 s, the leader’s own as well', () => {
    const court = new Court('a', 'b', 'c').says('b', { c: 'suspect' }, 0).says('a', { c: 'suspect' }, 1_999);
    expect(court.downs(1_999)).toHaveLength(1);
    expect(court.downs(2_000)).toEqual([]);
    expect(court.says('b', { c: 'suspect' }, 4_000).downs(4_000)).toEqual([]);
  });

  test('who takes an accusation back is believed at once', () => {
    const court = new Court('a', 'b', 'c').says('b', { c: 'suspect' }).says('a', { c: 'suspect' });
    expect(court.says('b', {}).downs()).toEqual([]);
  });

  test('an accusation of an older life is void, and so is what an older life said', () => {
    const court = new Court('a', 'b', 'c').says('b', { c: 'silent' }).says('a', { c: 'silent' });
    const members = (['a', 'b', 'c'] as const).map((name) => ({ storeId: store(name), boot: name === 'c' ? 2 : 1 }));
    court.suspicions.setMembers(members);
    expect(court.downs()).toEqual([]);
    court.suspicions.setMembers(members.map((life) => ({ ...life, boot: 2 })));
    expect(court.says('b', { c: 'silent' }).downs()).toEqual([]);
  });

  test('who is no member any more neither accuses nor is accused', () => {
    const court = new Court('a', 'b', 'c').says('b', { c: 'silent' }).says('a', { b: 'silent', c: 'silent' });
    court.suspicions.setMembers([
      { storeId: store('a'), boot: 1 },
      { storeId: store('c'), boot: 1 },
    ]);
    expect(court.downs()).toEqual(['c silent ()']);
  });

  test('whatever is said: never the leader, never one whom it holds nothing against, unless its process died', () => {
    const names = ['a', 'b', 'c', 'd', 'e'] as const;
    const what = fc.constantFrom('busy', 'suspect', 'silent', 'process died', undefined);
    const says = fc.record({
      from: fc.constantFrom(...names),
      b: what,
      c: what,
      d: what,
      a: what,
      afterMs: fc.nat(1_500),
    });
    fc.assert(
      fc.property(fc.array(says, { maxLength: 40 }), (all) => {
        const court = new Court(...names);
        let nowMs = 0;
        let own: Partial<Record<string, Accusation['what'] | undefined>> = {};
        for (const { from, afterMs, ...about } of all) {
          nowMs += afterMs;
          const said = Object.fromEntries(Object.entries(about).filter(([name, is]) => is && name !== from));
          court.says(from, said, nowMs);
          if (from === 'a') own = said;
          for (const { storeId, why } of court.suspicions.downs(nowMs)) {
            if (storeId === store('a')) return false;
            const held = own[storeId];
            if (held === undefined || (held === 'busy' && why !== 'process died')) return false;
          }
        }
        return true;
      }),
    );
  });
});

describe('owners that cannot reach their quorum', () => {
  const need = { owner: store('b'), replicas: (['b', 'c', 'd'] as const).map(store), writeQuorum: 2, shards: [1, 2] };
  const cutOff = (court: Court, nowMs: number) => court.suspicions.unreachableOwners(nowMs, [need]);

  test('for 2 s without a break are told, with what they need', () => {
    const court = new Court('a', 'b', 'c', 'd');
    for (const nowMs of [0, 500, 1_000, 1_500]) court.says('b', {}, nowMs, ['c', 'd']);
    expect(cutOff(court, 1_999)).toEqual([]);
    expect(cutOff(court, 2_000)).toEqual([need]);
  });

  test('are not, if a majority is enough or it came back meanwhile', () => {
    const court = new Court('a', 'b', 'c', 'd');
    for (let nowMs = 0; nowMs <= 5_000; nowMs += 500) court.says('b', {}, nowMs, ['c']);
    expect(cutOff(court, 5_000)).toEqual([]);
    court.says('b', {}, 5_500, ['c', 'd']).says('b', {}, 6_000, ['c']);
    for (let nowMs = 6_500; nowMs <= 8_000; nowMs += 500) court.says('b', {}, nowMs, ['c', 'd']);
    expect(cutOff(court, 8_000)).toEqual([]);
    expect(cutOff(court, 8_500)).toEqual([need]);
  });

  test('are not, if they say nothing any more: then it is for the others to say that they are down', () => {
    const court = new Court('a', 'b', 'c', 'd');
    for (const nowMs of [0, 2_500]) court.says('b', {}, nowMs, ['c', 'd']);
    expect(cutOff(court, 4_499)).toEqual([need]);
    expect(cutOff(court, 4_500)).toEqual([]);
  });

  test('are, if the map calls a replica down and they have no link to it either', () => {
    const court = new Court('a', 'b', 'c').says('b', {}, 0, ['c']);
    expect(cutOff(court, 0)).toEqual([]);
    court.says('b', {}, 1_000, ['c']).says('b', {}, 2_000, ['c']);
    expect(cutOff(court, 2_000)).toEqual([need]);
  });

  test('is counted anew for a new life of the owner', () => {
    const court = new Court('a', 'b', 'c', 'd').says('b', {}, 0, ['c', 'd']);
    const report = { accusations: [], reachable: [store('a')] };
    court.suspicions.report({ storeId: store('b'), boot: 2 }, report, 2_500);
    expect(cutOff(court, 2_500)).toEqual([]);
    court.says('b', {}, 2_600);
    expect(cutOff(court, 4_500 - 1)).toEqual([]);
    court.suspicions.report({ storeId: store('b'), boot: 2 }, report, 4_499);
    expect(cutOff(court, 4_500)).toEqual([need]);
  });
});
