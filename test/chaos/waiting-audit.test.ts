import { expect, test } from 'vitest';
import { auditStrikes, auditTells, auditTicks } from './waiting-audit.ts';

const tells = (text: string) =>
  [...text.matchAll(/([a-z])(\d)/g)].map(([, from, n]) => ({ from: from!, number: Number(n) }));
const sent = new Map([
  ['a', 3],
  ['b', 1],
]);

test('tells of each sender come once and in order', () => {
  expect(auditTells('r', tells('a1 b1 a2 a3'), sent)).toEqual([]);
  expect(auditTells('r', tells('a1 b1 a3 a2'), sent)).toEqual([
    'r received tell 3 of a where 2 comes next',
    'r received tell 2 of a where 4 comes next',
    'r received 2 of the 3 tells of a',
  ]);
  expect(auditTells('r', tells('a1 a2 a2 a3 b1'), sent)).toEqual(['r received tell 2 of a where 3 comes next']);
  expect(auditTells('r', tells('a1 a2 b1'), sent)).toEqual(['r received 2 of the 3 tells of a']);
  expect(auditTells('r', tells('a1 a2 a3 b1 c1'), sent)).toEqual(['r received tells of c, who sent none']);
});

test('a reminder fires once and not too soon', () => {
  expect(auditStrikes('s', 100, [100])).toEqual([]);
  expect(auditStrikes('s', 100, [])).toEqual(['s was woken 0 times']);
  expect(auditStrikes('s', 100, [101, 105])).toEqual(['s was woken 2 times']);
  expect(auditStrikes('s', 100, [99])).toEqual(['s was woken 1 ms too soon']);
});

test('of a beat that leaves out nothing no tick comes before its time', () => {
  expect(auditTicks('t', 10, { firstMs: 100, left: 0, tickedAtMs: [100, 125, 126] })).toEqual([]);
  expect(auditTicks('t', 10, { firstMs: 100, left: 0, tickedAtMs: [100, 101, 120] })).toEqual([
    't: tick 2 came 9 ms too soon',
  ]);
  expect(auditTicks('t', 10, { firstMs: 100, left: 1, tickedAtMs: [] })).toEqual(['t has 1 ticks left']);
});
