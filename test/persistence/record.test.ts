import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { actorHash } from '../../src/core/hash.ts';
import type { ActorId, ActorTypeName } from '../../src/core/ids.ts';
import {
  decodeCommandBody,
  decodeData,
  decodeSnapshotBody,
  encodeCommandBody,
  encodeData,
  encodeSnapshotBody,
} from '../../src/persistence/codec.ts';
import { compareIds } from '../../src/persistence/compare-ids.ts';
import { crc32, tableCrc32 } from '../../src/persistence/crc32.ts';
import { crc32c, maskCrc } from '../../src/persistence/crc32c.ts';
import { actorKey, actorRange, idOfActorKey, parseActorKey } from '../../src/persistence/keys.ts';
import { decodeHead, encodeRecord, type RecordDraft, verifiedBody } from '../../src/persistence/record.ts';

const u48 = fc.nat({ max: 2 ** 48 - 1 });
const u32 = fc.nat({ max: 2 ** 32 - 1 });
const text = fc.string({ unit: 'grapheme' });
const key = text.filter((name) => name !== '__proto__');
const { data } = fc.letrec((tie) => ({
  data: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      '',
      0,
      [],
      {},
      Number.MAX_SAFE_INTEGER,
      -(2 ** 53),
      2 ** 64,
      1e308,
      5e-324,
    ),
    text,
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.array(tie('data'), { maxLength: 5 }),
    fc.dictionary(key, tie('data'), { maxKeys: 5, noNullPrototype: true }),
  ),
}));

describe('data', () => {
  test('comes back as it went in, long integers, empty names and all of Unicode included', () => {
    fc.assert(
      fc.property(data, (value) => assert.deepStrictEqual(decodeData(encodeData(value)), value)),
      { numRuns: 2_000 },
    );
  });

  test.each([
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 53 + 2,
    -(2 ** 63),
    2 ** 63,
    2 ** 64,
    2 ** 65,
    0.1,
    1.5,
    -1e-7,
    1e21,
    3e-310,
  ])('the number %d is kept exactly', (value) =>
    assert.ok(Object.is((decodeData(encodeData({ value })) as { value: number }).value, value)),
  );
});

test('what is cut short is refused, whatever was decoded before it', () => {
  const whole = encodeData({ number: 300_000, text: 'a text of some length', list: [1, 2, 3] });
  for (let length = 1; length < whole.length; length++) {
    decodeData(whole);
    assert.throws(() => decodeData(whole.subarray(0, length)), `${length} of ${whole.length} bytes`);
  }
  assert.throws(() => decodeData(whole.subarray(0, 0)));
});

test('what was decoded stays as it is when something else is', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const first = decodeData(encodeData({ bytes })) as { bytes: Uint8Array };
  decodeData(encodeData({ bytes: new Uint8Array([7, 8, 9]) }));
  assert.deepEqual([...first.bytes], [1, 2, 3]);
});

test('-0 comes back as 0, as it does in JSON', () => {
  assert.ok(Object.is(decodeData(encodeData(-0)), 0));
});

describe('bodies', () => {
  const plain = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true });
  const tell = plain({ number: u32, type: text, id: text, command: text, input: fc.option(data, { nil: undefined }) });
  const mark = plain({ senderType: text, senderId: text, number: u32 });
  const tried = plain({ key: text, what: u48, count: u32 });
  const highWaterMark = plain({ senderType: text, senderId: text, number: u32, refused: u32 });

  const reminder = plain({
    name: text,
    registered: u32,
    dueAt: u48,
    command: text,
    input: fc.option(data, { nil: undefined }),
    everyMs: u32,
    cron: text,
    timeZone: text,
    missed: fc.constantFrom('fire-once' as const, 'all' as const, 'skip' as const),
    failures: u32,
    retryAt: u48,
  });
  const change = fc.oneof(
    plain({ name: text, reminder: fc.constant(undefined) }),
    reminder.map((each) => ({ name: each.name, reminder: each })),
  );
  /** What most records have not; absent, and not empty, where there is nothing. */
  const rarely = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
    fc.record<T, never>(model, { noNullPrototype: true, requiredKeys: [] });

  test('a command comes back as it went in', () => {
    const body = plain({
      commandId: text as fc.Arbitrary<never>,
      fingerprint: fc.maxSafeInteger(),
      events: fc.array(plain({ type: text, version: u32, data: fc.option(data, { nil: undefined }) }), {
        maxLength: 4,
      }),
      reply: fc.option(data, { nil: undefined }),
      tells: fc.array(tell, { maxLength: 3 }),
      tellsAcknowledged: u32,
      delivery: fc.option(mark, { nil: undefined }),
    });
    const rare = rarely({
      refusal: plain({ code: text, message: text }),
      tellsSettled: fc.array(u32, { minLength: 1, maxLength: 3 }),
      reminders: fc.array(change, { minLength: 1, maxLength: 3 }),
      attempt: tried,
    });
    fc.assert(
      fc.property(body, rare, (common, more) => {
        const value = { ...common, ...more };
        assert.deepStrictEqual(decodeCommandBody(encodeCommandBody(value)), value);
      }),
    );
  });

  test('a snapshot comes back as it went in', () => {
    const remembered = plain({
      commandId: text as fc.Arbitrary<never>,
      fingerprint: fc.maxSafeInteger(),
      position: u48,
      time: u48,
      reply: fc.option(
        fc.oneof(
          fc.constant([]),
          data.map((value) => [value]),
        ),
        { nil: undefined },
      ),
    });
    const body = plain({
      snapshotVersion: u32,
      sequenceNumber: u48,
      state: fc.option(data, { nil: undefined }),
      window: fc.array(remembered, { maxLength: 3 }),
      previousSnapshot: u48,
      deletedThrough: u48,
      outbox: fc.array(tell, { maxLength: 3 }),
      lastTellNumber: u32,
      marks: fc.array(fc.oneof(mark, highWaterMark), { maxLength: 3 }),
    });
    const rare = rarely({
      reminders: fc.array(reminder, { minLength: 1, maxLength: 3 }),
      lastCommandAt: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
      attempts: fc.array(tried, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(body, rare, (common, more) => {
        const value = { ...common, ...more };
        assert.deepStrictEqual(decodeSnapshotBody(encodeSnapshotBody(value)), value);
      }),
    );
  });
});

describe('records', () => {
  const idText = fc.string({ unit: 'grapheme', minLength: 1 }).filter((id) => Buffer.byteLength(id) <= 512);
  const stamp = fc.record({
    position: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
    epoch: u32,
    time: u48,
    previousChain: u48,
  });
  const draft: fc.Arbitrary<RecordDraft> = fc.record({
    kind: fc.constantFrom('command', 'snapshot', 'epochStart', 'deleted'),
    type: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,63}$/) as fc.Arbitrary<ActorTypeName>,
    id: idText as fc.Arbitrary<ActorId>,
    actorHash: u32,
    firstSequence: u48,
    eventCount: fc.nat({ max: 65_535 }),
    ordinal: u32,
    previous: fc.constant([]),
    body: fc.uint8Array({ maxLength: 300 }),
    wakeAt: fc.oneof(fc.constant(0), u48),
  });
  const whole = fc
    .tuple(draft, stamp, fc.array(fc.nat({ max: 2 ** 40 }), { maxLength: 5 }))
    .map(([fields, at, distances]) => ({
      fields: {
        ...fields,
        previous: distances.map((distance) => at.position - 1 - distance).filter((position) => position > 0),
      },
      at,
    }));

  test('come back as they went in', () => {
    fc.assert(
      fc.property(whole, ({ fields, at }) => {
        const { bytes, head } = encodeRecord(fields, at);
        const decoded = decodeHead(bytes);
        assert.ok(decoded.ok);
        assert.deepStrictEqual(decoded.head, head);
        assert.ok(verifiedBody(bytes, head)!.equals(fields.body));
      }),
      { numRuns: 1_000 },
    );
  });

  test('of actors whose names are alike come back with their own, one after the other', () => {
    const at = { position: 1, epoch: 1, time: 1, previousChain: 0 };
    const names = ['c1', 'c2', 'c2', 'd2', 'c12', 'c1', 'c\u0102', '\u00e4', 'c1'];
    const decoded = names.map((id) => {
      const common = { kind: 'command', type: 'Cart' as ActorTypeName, actorHash: actorHash('Cart', id) } as const;
      const counts = { firstSequence: 1, eventCount: 0, ordinal: 1, previous: [] };
      const result = decodeHead(
        encodeRecord({ ...common, ...counts, id: id as ActorId, body: Buffer.alloc(0) }, at).bytes,
      );
      return result.ok && result.head.id;
    });
    assert.deepEqual(decoded, names);
  });

  test('any changed bit, and any cut, is noticed: in the head as a lost record, in the body as a bad body', () => {
    fc.assert(
      fc.property(whole, fc.nat(), fc.nat({ max: 7 }), ({ fields, at }, where, bit) => {
        const { bytes, head } = encodeRecord(fields, at);
        const offset = where % bytes.length;
        bytes[offset]! ^= 1 << bit;
        const decoded = decodeHead(bytes);
        assert.equal(decoded.ok, offset >= head.headLength);
        if (decoded.ok) assert.equal(verifiedBody(bytes, decoded.head), undefined);
        bytes[offset]! ^= 1 << bit;
        const cut = bytes.subarray(0, offset);
        const decodedCut = decodeHead(cut);
        if (decodedCut.ok && fields.body.length > 0) assert.equal(verifiedBody(cut, decodedCut.head), undefined);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('checksums', () => {
  test('crc-32 is the standard one, by zlib and by table', () => {
    assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => assert.equal(crc32(bytes), tableCrc32(bytes))));
  });

  test('crc-32 of a part is that of the part alone, short or long', () => {
    const long = Uint8Array.from({ length: 1_000 }, (_, i) => i * 7);
    assert.equal(crc32(long, 100, 900), bitwiseCrc32(long.slice(100, 900)));
    const part = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.nat(), fc.nat());
    fc.assert(
      fc.property(part, ([bytes, a, b]) => {
        const start = a % bytes.length;
        const end = start + (b % (bytes.length - start + 1));
        assert.equal(crc32(bytes, start, end), bitwiseCrc32(bytes.slice(start, end)));
        assert.equal(crc32(bytes, start), bitwiseCrc32(bytes.slice(start)));
      }),
    );
  });

  test('crc-32c is the standard one at every length and offset', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    const bitwise = (bytes: Uint8Array): number => {
      let crc = -1;
      for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
      }
      return (crc ^ -1) >>> 0;
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 100 }), (bytes, skip) => {
        const start = Math.min(skip, bytes.length);
        assert.equal(crc32c(bytes, start), bitwise(bytes.subarray(start)));
      }),
    );
  });

  test('a masked crc is what LevelDB stores: rotated right by 15, plus a constant', () => {
    assert.equal(maskCrc(0), 0xa282ead8);
    assert.equal(maskCrc(0x8000), 0xa282ead9);
  });
});

describe('keys', () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1 }) as fc.Arbitrary<ActorId>;

  test('an actor’s key gives back what it names', () => {
    fc.assert(
      fc.property(fc.nat({ max: 4095 }), u32, id, (shard, gen, name) => {
        const bytes = actorKey(shard, gen, 'Cart', name);
        assert.deepEqual(parseActorKey(bytes), { shard, gen, type: 'Cart', id: name });
        assert.equal(idOfActorKey(bytes), name);
      }),
    );
  });

  test('keys of actors sort as their ids’ bytes do, and compareIds says the same', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        const byBytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        assert.equal(Math.sign(compareIds(a, b)), byBytes);
        assert.equal(Buffer.compare(actorKey(1, 0, 'Cart', a), actorKey(1, 0, 'Cart', b)), byBytes);
        const { gt, lt } = actorRange(1, 0, 'Cart', a);
        const isInRange =
          Buffer.compare(actorKey(1, 0, 'Cart', b), gt) > 0 && Buffer.compare(actorKey(1, 0, 'Cart', b), lt) < 0;
        assert.equal(isInRange, byBytes < 0);
      }),
      { numRuns: 1_000 },
    );
  });

  test('the hash that places an actor never changes', () => {
    assert.equal(actorHash('ShoppingCart', 'alice'), 2_200_032_374);
    assert.equal(actorHash('Counter', 'ä😀'), 3_652_665_279);
  });
});

/** As the standard says it. */
function bitwiseCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
