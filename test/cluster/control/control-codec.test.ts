import { expect, test } from 'vitest';
import { ControlCodec, type ControlWire, MalformedControlBytes } from '../../../src/cluster/control/control-codec.ts';
import type { ControlSnapshot, DurableState } from '../../../src/cluster/control/control-protocol.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { seededRandom } from '../../../src/core/random.ts';

type Change = ReadonlyMap<string, number>;

const codec = new ControlCodec<Change, Change>({
  encodeChange: (change) => [...change],
  decodeChange: (data) => new Map(data as [string, number][]),
  encodeSnapshot: (snapshot) => [...snapshot],
  decodeSnapshot: (data) => new Map(data as [string, number][]),
});

const change = new Map([['x', 1]]);
const [a, b] = ['a' as StoreId, 'b' as StoreId];
const last = { index: 7, term: 3 };
const entries = [
  { type: 'start', index: 8, term: 4 },
  { type: 'change', index: 9, term: 4, id: 'p1', change },
  { type: 'voters', index: 10, term: 4, id: 'v1', voters: [a, b] },
] as const;
const snapshot: ControlSnapshot<Change> = { ...last, voters: [a], recent: [{ id: 'p0', index: 5 }], data: change };
const wires: readonly ControlWire<Change, Change>[] = [
  { type: 'preVote', term: 4, last },
  { type: 'preVoteReply', term: 4, current: 3, isGranted: true },
  { type: 'vote', term: 4, last, isTransfer: false },
  { type: 'voteReply', term: 4, isGranted: false },
  { type: 'append', term: 4, previous: last, entries, commit: 7 },
  { type: 'appended', term: 4, match: 10 },
  { type: 'refused', term: 4, previous: 9, hint: last },
  { type: 'snapshot', term: 4, snapshot },
  { type: 'campaign', term: 4 },
  { type: 'forward', id: 'p2', change, hopsLeft: 2 },
];

test.each(wires)('a message of type $type is read as it was written', (wire) => {
  expect(codec.decodeWire(codec.encodeWire(wire))).toEqual(wire);
});

test('the state and the snapshot are read as they were written', () => {
  const state: DurableState<Change> = { term: 4, vote: a, snapshot: last, entries };
  expect(codec.decodeState(codec.encodeState(state))).toEqual(state);
  const undecided = { ...state, vote: undefined };
  expect(codec.decodeState(codec.encodeState(undecided))).toEqual(undecided);
  expect(codec.decodeSnapshot(codec.encodeSnapshot(snapshot))).toEqual(snapshot);
});

test('bytes that nobody wrote are refused, and are never anything else than a message or refused', () => {
  for (const bytes of [[], [1], [2, 0x90], [1, 0xc0], [1, 0x91, 0xa3, 0x66, 0x6f, 0x6f]])
    expect(() => codec.decodeWire(Uint8Array.from(bytes))).toThrow(MalformedControlBytes);
  const random = seededRandom(1);
  let refused = 0;
  for (let round = 0; round < 3_000; round++) {
    const bytes = Buffer.from(codec.encodeWire(wires[round % wires.length]!));
    bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    const cut = random.next() < 0.3 ? bytes.subarray(0, Math.floor(random.next() * bytes.length)) : bytes;
    try {
      expect(wires.map(({ type }) => type)).toContain(codec.decodeWire(cut).type);
    } catch (error) {
      if (!(error instanceof MalformedControlBytes)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(1_000);
});

test('entries with a gap, or with a term that falls, are refused', () => {
  const gap = [entries[0], entries[2]];
  const falling = [entries[0], { ...entries[1], term: 3 }];
  for (const wrong of [gap, falling, entries.slice(1)]) {
    const bytes = codec.encodeWire({ type: 'append', term: 4, previous: last, entries: wrong, commit: 7 });
    expect(() => codec.decodeWire(bytes)).toThrow(/malformed: entries follow/);
  }
});
