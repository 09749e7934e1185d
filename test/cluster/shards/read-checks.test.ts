import { expect, test } from 'vitest';
import { ReadChecks } from '../../../src/cluster/shards/read-checks.ts';
import { decodeShardMessage } from '../../../src/cluster/shards/shard-messages.ts';
import { store } from '../map-fixture.ts';

/** One life of an owner whose queries ask one other replica. */
function life(boot: number) {
  const rounds: number[] = [];
  const answers: string[] = [];
  const later: (() => void)[] = [];
  const checks = new ReadChecks({
    boot,
    nowMs: () => 0,
    defer: (task) => later.push(task),
    send: (_to, bytes) => {
      const message = decodeShardMessage(bytes);
      if (message.type === 'readCheck') rounds.push(message.round);
      return true;
    },
  });
  const shard = { shard: 0, epoch: boot, peers: [store('b')], peersNeeded: 1, isServing: true, outdated() {} };
  const ask = () => {
    checks.add(shard, { confirmed: () => answers.push('confirmed'), lost: () => answers.push('lost') });
    for (const task of later.splice(0)) task();
  };
  return { checks, rounds, answers, ask };
}

test('what a replica answered a former life confirms nothing in this one', () => {
  const former = life(1);
  former.ask();
  former.ask();
  const now = life(2);
  now.ask();
  now.ask();
  expect(former.rounds.length).toBe(2);
  for (const round of former.rounds) now.checks.answered(store('b'), round, [], []);
  expect(now.answers).toEqual([]);
  for (const round of now.rounds) now.checks.answered(store('b'), round, [], []);
  expect(now.answers).toEqual(['confirmed', 'confirmed']);
});
