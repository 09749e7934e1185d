import { describe, expect, test } from 'vitest';
import { planVoters, successor } from '../../../src/cluster/membership/voter-plan.ts';
import { foundedMap, member, store } from '../map-fixture.ts';

type Fields = Parameters<typeof member>[1];

interface Scene {
  /** Members by name; the first leads. */
  readonly members: Readonly<Record<string, Fields>>;
  readonly voters: readonly string[];
  readonly down?: readonly string[];
  readonly unsettled?: readonly string[];
}

function viewOf({ members, voters, down = [], unsettled = [] }: Scene) {
  const names = Object.keys(members);
  return {
    self: store(names[0]!),
    map: foundedMap(
      names.map((name) => member(name, members[name])),
      1,
    ),
    voters: voters.map(store),
    wallMs: 100_000,
    deadAfterMs: 10_000,
    isUp: (peer: string) => !down.map(store).some((each) => each === peer),
    isSettled: (peer: string) => !unsettled.map(store).some((each) => each === peer),
  };
}

/** The names of the voters to be, or `undefined`. */
function plan(scene: Scene): readonly string[] | undefined {
  return planVoters(viewOf(scene))?.map((each) => each.replace('store-', ''));
}

test('one voter becomes three once there are three to stay, and never two', () => {
  expect(plan({ members: { a: {}, b: {} }, voters: ['a'] })).toBeUndefined();
  expect(plan({ members: { a: {}, b: {}, c: {} }, voters: ['a'], unsettled: ['c'] })).toBeUndefined();
  expect(plan({ members: { a: {}, b: {}, c: {} }, voters: ['a'] })).toEqual(['a', 'b']);
  expect(plan({ members: { a: {}, b: {}, c: {} }, voters: ['a', 'b'] })).toEqual(['a', 'b', 'c']);
  expect(plan({ members: { a: {}, b: {}, c: {} }, voters: ['a', 'b', 'c'] })).toBeUndefined();
  expect(plan({ members: { a: {}, b: {} }, voters: ['a', 'b'] })).toEqual(['a']);
});

test('a voter that is removed, leaves, or is down for long is replaced', () => {
  const others = { b: {}, d: {} };
  expect(plan({ members: { a: {}, c: { status: 'removed' }, ...others }, voters: ['a', 'b', 'c'] })).toEqual([
    'a',
    'b',
  ]);
  expect(plan({ members: { a: {}, c: { status: 'leaving' }, ...others }, voters: ['a', 'b', 'c'] })).toEqual([
    'a',
    'b',
  ]);
  const down = (downSinceMs: number): Scene => ({
    members: { a: {}, c: { status: 'down', downSinceMs }, ...others },
    voters: ['a', 'b', 'c'],
    down: ['c'],
  });
  expect(plan(down(90_001))).toBeUndefined();
  expect(plan(down(90_000))).toEqual(['a', 'b']);
});

test('nothing is changed to voters of whom no majority is there', () => {
  expect(plan({ members: { a: {}, b: {}, c: { status: 'removed' } }, voters: ['a', 'b', 'c'], down: ['b'] })).toBe(
    undefined,
  );
});

describe('a leader that leaves', () => {
  const leaving = { status: 'leaving' } as const;

  test('and is the only voter brings in another before it goes, and does not take it out again', () => {
    const scene: Scene = { members: { a: leaving, b: {} }, voters: ['a'] };
    expect(successor(viewOf(scene))).toBeUndefined();
    expect(plan(scene)).toEqual(['a', 'b']);
    expect(plan({ ...scene, unsettled: ['b'] })).toBeUndefined();
    const after: Scene = { ...scene, voters: ['a', 'b'] };
    expect(plan(after)).toBeUndefined();
    expect(successor(viewOf(after))).toBe(store('b'));
  });

  test('is taken out by the next one', () => {
    expect(plan({ members: { b: {}, a: leaving }, voters: ['a', 'b'] })).toEqual(['b']);
  });

  test('hands over to a voter that is there', () => {
    const scene: Scene = { members: { a: leaving, b: {}, c: {} }, voters: ['a', 'b', 'c'], down: ['b'] };
    expect(successor(viewOf(scene))).toBe(store('c'));
  });
});
