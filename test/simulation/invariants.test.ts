import { expect, test } from 'vitest';
import type { Acknowledgement, LoggedRecord, NodeInspection } from '../../src/testing/simulation/inspection.ts';
import { Invariants } from '../../src/testing/simulation/invariants.ts';

const stores = ['a', 'b', 'c'];
let version = 0;

interface Shown {
  readonly boot?: number;
  readonly promised?: number;
  readonly active?: number;
  readonly serves?: number;
  readonly log?: readonly Partial<LoggedRecord>[];
  readonly durable?: number;
  readonly committed?: number;
  readonly excluded?: number;
  readonly acknowledges?: readonly Acknowledgement[];
  readonly snapshot?: { readonly snapshot: string; readonly fold: string };
  readonly isDestroyed?: boolean;
  /** Default: another at every look. */
  readonly rewrites?: number;
  readonly onRead?: (position: number) => void;
}

function record(position: number, epoch: number, more: Partial<LoggedRecord> = {}): LoggedRecord {
  const chain = position * 100 + epoch;
  return { position, epoch, chain, actor: 'X/1', commandId: '', firstSequence: 0, lastSequence: 0, ...more };
}

function node(storeId: string, shown: Shown) {
  const log = (shown.log ?? []).map((one, index) => record(index + 1, one.epoch ?? 1, one));
  version += 1;
  const inspection: NodeInspection = {
    storeId,
    boot: shown.boot ?? 1,
    version,
    shards: [
      {
        shard: 0,
        promisedEpoch: shown.promised ?? 1,
        promisedTo: 'a',
        servesEpoch: shown.serves,
        activeEpoch: shown.active ?? 1,
        activeReplicas: stores,
        durableLength: shown.durable ?? log.length,
        committed: shown.committed ?? 0,
        rewrites: shown.rewrites ?? version,
        isComplete: true,
        excludedEpoch: () => shown.excluded ?? 0,
        record: (position) => {
          shown.onRead?.(position);
          return log[position - 1];
        },
      },
    ],
    takeAcknowledgements: () => shown.acknowledges ?? [],
    takeSnapshots: () => (shown.snapshot ? [{ actor: 'X/1', sequenceNumber: 1, ...shown.snapshot }] : []),
  };
  return { inspection, isDestroyed: shown.isDestroyed ?? false };
}

const acknowledged = (position: number, epoch: number, chain = position * 100 + epoch) => ({
  shard: 0,
  position,
  epoch,
  chain,
});

/** What is found over several looks, by name. */
function found(...looks: readonly ReturnType<typeof node>[][]): string[] {
  const invariants = new Invariants();
  return looks.flatMap((look) => invariants.look(look).map(({ invariant }) => invariant));
}

test('nothing is found where nothing is wrong', () => {
  const log = [
    { firstSequence: 1, lastSequence: 2, commandId: 'k1' },
    { firstSequence: 3, lastSequence: 3, commandId: 'k2' },
  ];
  expect(
    found(
      [node('a', { log, serves: 1 }), node('b', { log }), node('c', { log, durable: 0 })],
      [
        node('a', { log, serves: 1, committed: 2, acknowledges: [acknowledged(2, 1)] }),
        node('b', { log, committed: 1 }),
      ],
      [node('b', { boot: 2, log: [...log, { epoch: 2 }], serves: 2, promised: 2, active: 2, committed: 3 })],
    ),
  ).toEqual([]);
});

test('I1: two different records acknowledged at one position', () => {
  const both = [
    [node('a', { log: [{}] }), node('b', { log: [{}] }), node('c', { log: [{ epoch: 2 }] })],
    [node('a', { log: [{}], acknowledges: [acknowledged(1, 1)] })],
    [node('a', { log: [{ epoch: 2 }] }), node('c', { log: [{ epoch: 2 }], acknowledges: [acknowledged(1, 2)] })],
  ];
  expect(found(...both)).toContain('I1');
});

test('I2: an owner that serves without an acknowledged record', () => {
  const before = [node('a', { log: [{}] }), node('b', { log: [{}], acknowledges: [acknowledged(1, 1)] })];
  expect(found(before, [node('c', { log: [], serves: 2, promised: 2 })])).toEqual(['I2']);
  expect(found(before, [node('c', { log: [{}], serves: 2, promised: 2 })])).toEqual([]);
});

test('I2: an acknowledgement of an old epoch while a later one is served without it', () => {
  expect(
    found(
      [node('a', { log: [{}] }), node('b', { log: [{}] }), node('c', { log: [], serves: 2 })],
      [node('a', { log: [{}], acknowledges: [acknowledged(1, 1)] })],
    ),
  ).toEqual(['I2']);
});

test('I3: one epoch, two owners', () => {
  expect(found([node('a', { serves: 3 }), node('b', { serves: 3 })])).toEqual(['I3']);
});

test('I4: acknowledged before a majority has it on disk', () => {
  const acknowledges = [acknowledged(1, 1)];
  expect(found([node('a', { log: [{}], acknowledges }), node('b', { log: [{}], durable: 0 })])).toEqual(['I4']);
  expect(found([node('a', { log: [{}], acknowledges }), node('b', { log: [{}] })])).toEqual([]);
});

test('I5: a promise, a boot or an active epoch that falls, unless the disk was destroyed', () => {
  expect(found([node('a', { promised: 2 })], [node('a', { promised: 1 })])).toEqual(['I5']);
  expect(found([node('a', { boot: 2 })], [node('a', { boot: 1 })])).toEqual(['I5']);
  expect(found([node('a', { active: 2 })], [node('a', { active: 1 })])).toEqual(['I5']);
  expect(found([node('a', { promised: 2 })], [node('a', { promised: 1, isDestroyed: true })])).toEqual([]);
  expect(found([node('a', { boot: 2 })], [node('a', { boot: 1, isDestroyed: true })])).toEqual([]);
});

test('I6: the same position and epoch with another chain', () => {
  expect(found([node('a', { log: [{ chain: 5 }] }), node('b', { log: [{ chain: 6 }] })])).toEqual(['I6']);
});

test('I6: also where a record that was there is replaced, by nobody else’s doing', () => {
  const [first, second] = [
    [{}, { chain: 5 }],
    [{}, { chain: 6 }],
  ];
  expect(found([node('a', { log: first, rewrites: 0 })], [node('a', { log: second, rewrites: 1 })])).toEqual(['I6']);
  expect(
    found(
      [node('a', { log: first, rewrites: 1 })],
      [node('a', { log: second, rewrites: 1, boot: 2, isDestroyed: true })],
    ),
  ).toEqual(['I6']);
});

test('a copy is read again from what it was known to hold, and from its start once it was rewritten while damaged', () => {
  const read: number[] = [];
  const invariants = new Invariants();
  const look = (length: number, rewrites: number) => {
    read.length = 0;
    const log = Array.from({ length }, () => ({}));
    invariants.look([node('a', { log, rewrites, isDestroyed: true, onRead: (position) => read.push(position) })]);
    return Math.min(...read.filter((position) => position > 0));
  };
  expect(look(3, 0)).toBe(1);
  expect(look(5, 0)).toBe(4);
  expect(look(5, 1)).toBe(1);
});

test('I7: what was committed is gone, or another; what was not on disk yet may go', () => {
  expect(found([node('a', { log: [{}], committed: 1 })], [node('a', { log: [] })])).toEqual(['I7']);
  expect(found([node('a', { log: [{}], committed: 1 })], [node('a', { log: [{ epoch: 2 }] })])).toEqual(['I7']);
  expect(found([node('a', { log: [{}], committed: 1, durable: 0 })], [node('a', { log: [], boot: 2 })])).toEqual([]);
});

test('I7: a whole log may be forgotten if a map excludes the store, and it promised nothing since', () => {
  const before = [node('a', { log: [{}], committed: 1, promised: 3 })];
  expect(found(before, [node('a', { log: [], promised: 3, excluded: 3 })])).toEqual([]);
  expect(found(before, [node('a', { log: [], promised: 3, excluded: 2 })])).toEqual(['I7']);
  expect(found(before, [node('a', { log: [], promised: 3 })])).toEqual(['I7']);
  expect(found(before, [node('a', { log: [{ epoch: 2 }], promised: 3, excluded: 3 })])).toEqual(['I7']);
});

test('I9: a gap and a repeat in an actor’s sequence numbers', () => {
  const log = (firstSequence: number) => [
    { firstSequence: 1, lastSequence: 2 },
    { firstSequence, lastSequence: firstSequence },
  ];
  expect(found([node('a', { log: log(3), committed: 2 })])).toEqual([]);
  expect(found([node('a', { log: log(4), committed: 2 })])).toEqual(['I9']);
  expect(found([node('a', { log: log(2), committed: 2 })])).toEqual(['I9']);
});

test('I10: one command id twice in a committed log', () => {
  expect(found([node('a', { log: [{ commandId: 'k' }, { commandId: 'k' }], committed: 2 })])).toEqual(['I10']);
  expect(found([node('a', { log: [{ commandId: 'k' }, { commandId: 'k' }], committed: 1 })])).toEqual([]);
});

test('I11: a snapshot that is not what its events add up to', () => {
  expect(found([node('a', { snapshot: { snapshot: '{"n":1}', fold: '{"n":2}' } })])).toEqual(['I11']);
});

/** `b` and `c` are gone; `a` goes on, from epoch 3, with what it shows. */
function foundAfterLoss(before: Shown, acceptedInEpoch: number | undefined, after: Shown): string[] {
  const invariants = new Invariants();
  const { log } = before;
  const both = [node('b', before), node('c', before), node('a', { ...before, committed: 0 })];
  const found = [...invariants.look(both)];
  if (acceptedInEpoch !== undefined) invariants.lossAccepted(0, acceptedInEpoch);
  found.push(...invariants.look([node('a', { log: log ?? [], boot: 2 })]), ...invariants.look([node('a', after)]));
  return found.map(({ invariant }) => invariant);
}

test('after an accepted loss the end of a log may be gone, and nothing from its middle; where none was accepted, nothing', () => {
  const made = (sequence: number, more: Partial<LoggedRecord> = {}) => ({
    commandId: `k${sequence}`,
    firstSequence: sequence,
    lastSequence: sequence,
    ...more,
  });
  const log = [made(1), made(2), made(3)];
  const before: Shown = { log, committed: 3, acknowledges: [acknowledged(3, 1)] };
  const goesOn = { boot: 2, promised: 3, active: 3, serves: 3, committed: 2 };
  const endIsGone = { ...goesOn, log: [made(1), made(2, { commandId: 'k9', epoch: 3 })] };
  expect(foundAfterLoss(before, 2, endIsGone)).toEqual([]);
  expect(foundAfterLoss(before, undefined, endIsGone)).toContain('I1');
  // What is lost may be recorded again under the same id, by an owner from after it, and go on from a lower number.
  expect(foundAfterLoss(before, 2, { ...goesOn, log: [made(1), made(2, { commandId: 'k3', epoch: 3 })] })).toEqual([]);
  expect(foundAfterLoss(before, 2, { ...goesOn, log: [made(1), made(3, { epoch: 3 })] })).toEqual(['I9']);
  expect(foundAfterLoss(before, 2, { ...goesOn, log: [made(1), made(2, { commandId: 'k1', epoch: 3 })] })).toEqual([
    'I10',
  ]);
  const middleIsGone = [made(1), { ...made(2, { commandId: 'k3' }), chain: 9 }, { epoch: 3 }];
  expect(foundAfterLoss(before, 2, { ...goesOn, committed: 3, log: middleIsGone })).toContain('I7');
});
