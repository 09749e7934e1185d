import { describe, expect, test } from 'vitest';
import { eventSourced } from '../../src/actors/actor.ts';
import { actorHash } from '../../src/core/hash.ts';
import { command, testNode } from '../actors/harness.ts';

class Note extends eventSourced({ initialState: () => 0, events: { Noted: (n) => n + 1 } }) {
  note() {
    this.persist('Noted');
    return this.state;
  }
}

describe('P1: one writer', () => {
  test('every start begins a new epoch of every shard, promised and written down before it serves', async () => {
    let t = await testNode([Note]);
    const { shard } = await command(t, 'Note', 'a', 'note').then(() => ({
      shard: t.node.host.shardOf(actorHash('Note', 'a')),
    }));
    for (const epoch of [1, 2, 3]) {
      expect(t.node.shards().map((each) => each.epoch)).toEqual([epoch, epoch, epoch, epoch]);
      expect(t.journal.hardState(shard)).toEqual({ promisedEpoch: epoch, promisedTo: 'store-a' });
      await command(t, 'Note', 'a', 'note');
      t = await t.restart();
    }
    const epochs: number[] = [];
    const kinds: string[] = [];
    for (let position = 1; position <= t.journal.tail(shard).position; position++) {
      const result = t.journal.read(shard, position);
      if (result.type !== 'record') continue;
      epochs.push(result.head.epoch);
      kinds.push(result.head.kind);
    }
    expect(kinds).toEqual([
      'epochStart',
      'command',
      'command',
      'epochStart',
      'command',
      'epochStart',
      'command',
      'epochStart',
    ]);
    expect(epochs).toEqual([1, 1, 1, 2, 2, 3, 3, 4]);
  });

  test('a record’s time never falls, whatever the wall clock does', async () => {
    let wallMs = 1_000_000;
    const { systemClock } = await import('../../src/cluster/system-clock.ts');
    const t = await testNode([Note], { clock: { ...systemClock, wallMs: () => wallMs } });
    for (const next of [2_000_000, 1_500_000, 1_000, 3_000_000]) {
      wallMs = next;
      await command(t, 'Note', 'a', 'note');
    }
    const events = await t.node.events('Note', 'a' as never, 0, 10);
    expect(events.map(({ at }) => at)).toEqual([2_000_000, 2_000_000, 2_000_000, 3_000_000]);
  });
});
