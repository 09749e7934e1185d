/** A copy of which a record is damaged, among others: what it says of itself, and what it takes. */
import { expect, test } from 'vitest';
import { records, start, Told } from './told.ts';

const shard = 0;
const rows = records(4);

async function damaged(position: number, commit: number): Promise<Told> {
  const replica = new Told(undefined);
  await replica.journal.open();
  await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit, rows: rows.slice(0, 3) }, 'a');
  replica.journal.disk.damage(shard, position, 'missing');
  replica.journal.read(shard, position);
  return replica;
}

test('a copy that cannot read what may not be committed says nothing in a seal until it is repaired', async () => {
  const replica = await damaged(3, 2);
  expect(await replica.hears({ type: 'promise', shard, epoch: 2 }, 'b')).toBeUndefined();
  await replica.isSent([rows[2]!]);
  expect(await replica.hears({ type: 'promise', shard, epoch: 2 }, 'b')).toBe('promised');
});

test('a damaged record that is committed keeps nobody from taking over: others have it', async () => {
  const replica = await damaged(2, 2);
  expect(await replica.hears({ type: 'promise', shard, epoch: 2 }, 'b')).toBe('promised');
});

test('a damaged record is put in its place by an owner that sends it again', async () => {
  const replica = await damaged(2, 0);
  expect(await replica.hears({ type: 'append', shard, epoch: 1, previous: start, commit: 0, rows }, 'a')).toBe(
    'appended',
  );
  expect(replica.journal.read(shard, 2).type).toBe('record');
  expect(replica.journal.tail(shard).position).toBe(4);
});

test('what takes the place of a damaged record that nobody acknowledged cuts it off', async () => {
  const replica = await damaged(2, 1);
  const others = records(3, 'another way', 2, rows[0]);
  const append = { type: 'append', shard, epoch: 2, previous: place(1), commit: 1, rows: others.slice(1) } as const;
  expect(await replica.hears(append, 'b')).toBe('appended');
  const read = replica.journal.read(shard, 2);
  expect(read.type === 'record' && read.head.chain).toBe(others[1]!.head.chain);
  expect(replica.journal.tail(shard).position).toBe(3);
});

test('rows that end among damaged ones say nothing of what comes after: nothing is cut off', async () => {
  const replica = await damaged(2, 0);
  replica.journal.disk.damage(shard, 3, 'missing');
  const append = { type: 'append', shard, epoch: 1, previous: start, commit: 0, rows: rows.slice(0, 2) } as const;
  expect(await replica.hears(append, 'a')).toBe('mismatch');
  expect(replica.journal.tail(shard).position).toBe(3);
});

function place(position: number) {
  const { epoch, chain } = rows[position - 1]!.head;
  return { position, epoch, chain };
}
