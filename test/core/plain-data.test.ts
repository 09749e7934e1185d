import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, deepFreeze, findNotPlain, withoutUndefined } from '../../src/core/plain-data.ts';
import { decodeData, encodeData } from '../../src/persistence/codec.ts';

class Thing {}

describe('plain data', () => {
  test.each([
    [{ at: new Date() }, '.at', /Date; use a number/],
    [{ items: [1, { n: 1n }] }, '.items[1].n', /bigint; use a string/],
    [{ a: { b: new Map() } }, '.a.b', /Map; use a record/],
    [{ 'odd key': new Set() }, '["odd key"]', /Set; use an array/],
    [[undefined], '[0]', /undefined; use null/],
    [{ f: () => 1 }, '.f', /function/],
    [{ p: Promise.resolve() }, '.p', /await it first/],
    [{ n: Number.NaN }, '.n', /NaN/],
    [{ n: Number.POSITIVE_INFINITY }, '.n', /Infinity/],
    [{ s: '\ud800' }, '.s', /lone surrogate/],
    [new Thing(), '', /Thing; use a plain object/],
    [{ b: Buffer.from('x') }, '.b', /binary/],
    [JSON.parse('{"__proto__": 1}'), '.__proto__', /cannot carry/],
  ])('%o is refused with its path', (value, path, problem) => {
    const found = findNotPlain(value);
    expect(found?.path).toBe(path);
    expect(found?.problem).toMatch(problem);
  });

  test('a value that contains itself is refused and not followed', () => {
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    expect(findNotPlain(loop)?.problem).toMatch(/deeper than/);
  });

  test('what is known to be plain is not walked again', () => {
    const known = { big: { at: 1 } };
    const next = { ...known, more: 2 };
    (known.big as Record<string, unknown>).at = new Date();
    expect(findNotPlain(next, known)).toBeUndefined();
    expect(findNotPlain(next)?.path).toBe('.big.at');
  });

  test('all JSON data is plain, survives the codec, and equals its own canonical form', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false } as object), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        expect(findNotPlain(value)).toBeUndefined();
        const kept = withoutUndefined(value);
        expect(decodeData(encodeData(kept))).toEqual(kept);
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
      { numRuns: 500 },
    );
  });

  test('undefined properties and minus zero become what a replay sees', () => {
    const clean = withoutUndefined({ a: undefined, b: [{ c: undefined, d: 1 }], z: -0, y: [-0] });
    expect(Object.keys(clean)).toEqual(['b', 'z', 'y']);
    expect(clean.b).toEqual([{ d: 1 }]);
    expect(Object.is(clean.z, 0) && Object.is(clean.y[0], 0)).toBe(true);
    const same = { a: [1, { b: 'x' }] };
    expect(withoutUndefined(same)).toBe(same);
  });

  test('freezing is deep', () => {
    const frozen = deepFreeze({ a: [{ b: 1 }] });
    expect(Object.isFrozen(frozen.a[0])).toBe(true);
  });
});
