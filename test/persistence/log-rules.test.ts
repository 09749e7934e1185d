/** What must hold of a record that is appended: each rule alone. */
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../src/core/assert.ts';
import { actorHash } from '../../src/core/hash.ts';
import type { StoreIdentity } from '../../src/persistence/journal.ts';
import { assertFollows } from '../../src/persistence/log-rules.ts';
import { nextChain, type RecordHead } from '../../src/persistence/record.ts';

const shardCount = 8;
const identity = { shardCount } as StoreIdentity;
const tail = { position: 6, epoch: 3, chain: 77, time: 1_000 };
const hash = actorHash('Counter', 'one');
const shard = hash % shardCount;
const chained = (fields: { position: number; epoch: number; actorHash: number; bodyCrc: number }) =>
  nextChain(tail.chain, fields.position, fields.epoch, fields.actorHash, fields.bodyCrc);

/** The next record, but for `changes`; chained rightly to what they make of it unless they say otherwise. */
function head(changes: Partial<RecordHead> = {}): RecordHead {
  const base = { position: 7, epoch: 3, actorHash: hash, bodyCrc: 5, time: 1_000, type: 'Counter', id: 'one' };
  const fields = { ...base, ...changes };
  return { chain: chained(fields), ...fields } as RecordHead;
}

test('the next record of the log follows, also in a later epoch and at a later time', () => {
  expect(() => assertFollows(identity, shard, tail, head())).not.toThrow();
  expect(() => assertFollows(identity, shard, tail, head({ epoch: 4, time: 1_001 }))).not.toThrow();
});

test.each([
  ['a gap', head({ position: 8 }), shard, /is appended to shard \d+ at 7, got 8/],
  ['a repeat', head({ position: 6 }), shard, /at 7, got 6/],
  ['an earlier epoch', head({ epoch: 2 }), shard, /epochs never fall in a log, got 2 after 3/],
  ['another chain', head({ chain: 1 }), shard, /is chained to the one before/],
  ['another body', { ...head(), bodyCrc: 6 }, shard, /is chained to the one before/],
  ['an earlier time', head({ time: 999 }), shard, /times never fall in a log, got 999 after 1000/],
  ['another shard', head(), (shard + 1) % shardCount, /belongs to shard \d+, not/],
])('%s is refused, and the refusal says so', (_, record, where, says) => {
  expect(() => assertFollows(identity, where, tail, record)).toThrow(AssertionFailure);
  expect(() => assertFollows(identity, where, tail, record)).toThrow(says);
});
