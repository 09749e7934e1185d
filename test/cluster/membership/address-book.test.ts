import { beforeEach, expect, test } from 'vitest';
import { AddressBook, knowsMembers } from '../../../src/cluster/membership/address-book.ts';
import type { NodeName } from '../../../src/core/ids.ts';
import { MemoryJournal } from '../../../src/persistence/memory-journal.ts';
import { foundedMap, member, store } from '../map-fixture.ts';

let journal: MemoryJournal;

beforeEach(async () => {
  journal = new MemoryJournal({
    identity: { clusterId: 'test', node: 'a' as NodeName, storeId: store('a'), shardCount: 1, replicas: 3 },
  });
  await journal.open();
});

const mapOf = (version: number, ...names: string[]) => ({
  ...foundedMap(
    names.map((name) => member(name)),
    1,
  ),
  version,
});
const known = (book: AddressBook, map = undefined as ReturnType<typeof mapOf> | undefined) =>
  book.beyond(map).map(({ storeId }) => storeId);

test('a node that starts on an old map still knows who came after it', async () => {
  expect(knowsMembers(journal)).toBe(false);
  new AddressBook(journal).note(mapOf(90, 'a', 'b2', 'c'));
  await journal.flush();
  const next = journal.crash();
  await next.open();
  const book = new AddressBook(next);
  expect(knowsMembers(next)).toBe(true);
  const old = mapOf(64, 'a', 'b1', 'c');
  book.note(old);
  expect(known(book)).toEqual([store('a'), store('b2'), store('c')]);
  expect(known(book, old)).toEqual([store('a'), store('b2'), store('c')]);
  expect(known(new AddressBook(next), old)).toContain(store('b2'));
});

test('a newer map takes its place', () => {
  const book = new AddressBook(journal);
  book.note(mapOf(7, 'a', 'b'));
  expect(known(book, mapOf(6, 'a'))).toEqual([store('a'), store('b')]);
  expect(known(book, mapOf(7, 'a', 'b'))).toEqual([]);
  book.note(mapOf(9, 'a', 'c'));
  expect(known(book)).toEqual([store('a'), store('c')]);
});
