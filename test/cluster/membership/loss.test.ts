import { describe, expect, test } from 'vitest';
import type { ClusterMap, MapChange } from '../../../src/cluster/membership/cluster-map.ts';
import {
  isLost,
  isRecovering,
  lostShards,
  mapAfterControlLoss,
  sealSet,
  unknownEpochs,
} from '../../../src/cluster/membership/loss.ts';
import { applyChange, mapFromPlain, mapToPlain } from '../../../src/cluster/membership/map-changes.ts';
import type { PlannedStep } from '../../../src/cluster/membership/planned-step.ts';
import { planSteps } from '../../../src/cluster/membership/rebalance-plan.ts';
import { shardsInDoubt } from '../../../src/cluster/membership/shards-in-doubt.ts';
import type { StoreId } from '../../../src/core/ids.ts';
import { allAlive, settledMap, store } from '../map-fixture.ts';

const shardCount = 24;

function change(map: ClusterMap, ...changes: readonly MapChange[]): ClusterMap {
  return changes.reduce((at, each) => applyChange(at, each, at.version + 1)!, map);
}

function down(...stores: readonly StoreId[]): MapChange[] {
  return stores.map((storeId) => ({ type: 'memberDown', storeId, boot: 1, atMs: 5 }));
}

function accepted(lost: readonly StoreId[], shards: readonly number[] = all(shardCount)): MapChange {
  return { type: 'lossAccepted', lost: lost.map((storeId) => ({ storeId, boot: 1 })), shards, atMs: 9 };
}

function all(count: number): readonly number[] {
  return Array.from({ length: count }, (_, shard) => shard);
}

/** Five stores, three copies of each shard, and the two that hold most of shard 0 are down. */
function twoDown(): { readonly map: ClusterMap; readonly lost: readonly StoreId[]; readonly hit: readonly number[] } {
  const settled = settledMap(5, shardCount);
  const lost = settled.shards[0]!.active.replicas.slice(0, 2);
  const hit = all(shardCount).filter((shard) =>
    lost.every((each) => settled.shards[shard]!.active.replicas.includes(each)),
  );
  return { map: change(settled, ...down(...lost)), lost, hit };
}

function plan(map: ClusterMap, away: readonly StoreId[] = []): readonly PlannedStep[] {
  const standings = allAlive(map);
  for (const each of away) standings.set(each, 'dead');
  const limits = { movesAtOnce: 100, deadAfterMs: 600_000 };
  return planSteps({ map, standings, learnerProgress: new Map(), limits }, 10);
}

describe('a shard is lost', () => {
  test('when fewer copies than a seal needs are on stores that exist, and not while their stores are only down', () => {
    const { map, lost, hit } = twoDown();
    expect(lostShards(map)).toEqual([]);
    expect(lostShards(map, new Set(lost))).toEqual(hit);
    expect(lostShards(map, new Set(lost.slice(1)))).toEqual([]);
    const doubts = shardsInDoubt(map, (each) => !lost.includes(each));
    expect(doubts.map(({ shard }) => shard)).toEqual(hit);
    expect(doubts[0]).toMatchObject({ needed: 2, copies: { length: 1 }, away: { length: 2 }, gone: [] });
  });

  test('and stays so: the plan proposes nothing for it', () => {
    const { map, lost, hit } = twoDown();
    const removed = change(map, ...lost.map((storeId): MapChange => ({ type: 'memberRemoved', storeId, atMs: 7 })));
    expect(lostShards(removed)).toEqual(hit);
    const steps = plan(removed, lost);
    expect(steps).toContainEqual({ type: 'stuck', reason: 'seal quorum is lost', shards: hit });
    for (const step of steps)
      if (step.type === 'propose' && step.change.type === 'assign')
        for (const { shard } of step.change.assignments) expect(hit).not.toContain(shard);
  });
});

describe('a loss that is accepted', () => {
  test('gives the stores up for good, and leaves shards alone that have enough copies', () => {
    const { map, lost, hit } = twoDown();
    const after = change(map, accepted(lost));
    for (const storeId of lost) expect(after.members.get(storeId)!.status).toBe('removed');
    for (const shard of all(shardCount)) {
      const [was, is] = [map.shards[shard]!, after.shards[shard]!];
      if (!hit.includes(shard)) expect(is).toBe(was);
      else {
        expect(is.active).toEqual(was.active);
        expect(is.assigned).toMatchObject({ epoch: was.assigned.epoch + 1, boot: 0 });
        expect(is.loss).toMatchObject({ epoch: was.assigned.epoch + 1, atMs: 9, times: 1 });
      }
    }
    const [first] = lost;
    const back = { boot: 2, address: '', httpAddress: '', zone: '', protocol: { min: 1, max: 1 } };
    expect(change(after, { type: 'memberStarted', storeId: first!, ...back }).members.get(first!)!.status).toBe(
      'removed',
    );
  });

  test('has everybody who is left answer the next seal, whoever held the shard before', () => {
    const { map, lost, hit } = twoDown();
    const placement = change(map, accepted(lost)).shards[hit[0]!]!;
    expect(isRecovering(placement)).toBe(true);
    const left = [...map.members.keys()].filter((each) => !lost.includes(each));
    expect(sealSet(placement)).toEqual({ stores: left, needed: 3 });
  });

  test('is void if one of the stores came back, or began another life, or was never down', () => {
    const { map, lost } = twoDown();
    const up = change(map, { type: 'memberUp', storeId: lost[0]!, boot: 1 });
    expect(change(up, accepted(lost)).shards).toBe(up.shards);
    expect(change(up, accepted(lost)).members.get(lost[1]!)!.status).toBe('down');
    const facts = { boot: 2, address: '', httpAddress: '', zone: '', protocol: { min: 1, max: 1 } };
    const reborn = change(map, { type: 'memberStarted', storeId: lost[0]!, ...facts }, ...down());
    expect(change(reborn, accepted(lost)).shards).toBe(reborn.shards);
  });

  test('counts only for the shards that were named, and only once', () => {
    const { map, lost, hit } = twoDown();
    const one = change(map, accepted(lost, hit.slice(0, 1)));
    expect(lostShards(one)).toEqual(hit.slice(1));
    const twice = change(one, accepted(lost, hit.slice(0, 1)));
    expect(twice.shards).toEqual(one.shards);
    expect(lostShards(change(twice, accepted([])))).toEqual([]);
  });

  test('lets no owner from before it activate, and is over with the first that does after it', () => {
    const { map, lost, hit } = twoDown();
    const shard = hit[0]!;
    const before = map.shards[shard]!.assigned;
    const after = change(map, accepted(lost));
    const activate = (at: ClusterMap) => {
      const { owner, boot, epoch } = at.shards[shard]!.assigned;
      return change(at, { type: 'activate', owner, boot, shards: [{ shard, epoch }] });
    };
    const { owner, boot, epoch } = before;
    expect(change(after, { type: 'activate', owner, boot, shards: [{ shard, epoch }] }).shards).toEqual(after.shards);
    const steps = plan(after, lost);
    const assign = steps.find((step) => step.type === 'propose' && step.reason === 'failover');
    const begun = change(after, (assign as PlannedStep & { type: 'propose' }).change);
    expect(begun.shards[shard]!.assigned).toMatchObject({ epoch: epoch + 2, boot: 1 });
    for (const each of begun.shards[shard]!.assigned.replicas) expect(lost).not.toContain(each);
    expect(begun.shards[shard]!.assigned.replicas).toHaveLength(3);
    expect(isRecovering(begun.shards[shard]!)).toBe(true);
    const served = activate(begun).shards[shard]!;
    expect(isRecovering(served)).toBe(false);
    expect(served.loss?.times).toBe(1);
    expect(sealSet(served)).toEqual({ stores: served.active.replicas, needed: 2 });
  });

  test('waits for everybody who was left, and can be accepted again without one of them', () => {
    const { map, lost, hit } = twoDown();
    const after = change(map, accepted(lost));
    const third = [...after.members.values()].find(({ status }) => status === 'up')!.storeId;
    const steps = plan(change(after, ...down(third)), [...lost, third]);
    expect(steps).toContainEqual({
      type: 'stuck',
      reason: 'seal quorum is not live',
      shards: expect.arrayContaining([...hit]),
    });
    const again = change(after, ...down(third), accepted([third]));
    expect(sealSet(again.shards[hit[0]!]!)).toMatchObject({ needed: 2 });
    expect(again.shards[hit[0]!]!.loss!.times).toBe(2);
  });

  test('never leaves nobody', () => {
    const settled = settledMap(2, 4, 2);
    const both = [store(0), store(1)];
    const map = change(settled, ...down(...both));
    expect(change(map, accepted(both)).members).toEqual(map.members);
  });

  test('travels: a map is the same after it was sent', () => {
    const { map, lost } = twoDown();
    const after = change(map, accepted(lost));
    expect(mapFromPlain(structuredClone(mapToPlain(after)))).toEqual(after);
  });
});

test('with the control log lost no set is believed: every shard begins from all that is left, far above every epoch', () => {
  const map = settledMap(5, shardCount);
  const lost = new Set([store(0), store(1), store(2)]);
  const after = mapAfterControlLoss(map, lost, 77, 9);
  expect(after.version).toBe(77);
  for (const shard of all(shardCount)) {
    const placement = after.shards[shard]!;
    expect(isLost(after, placement)).toBe(false);
    expect(sealSet(placement)).toEqual({ stores: [store(3), store(4)], needed: 2 });
    expect(placement.assigned).toMatchObject({ epoch: map.shards[shard]!.assigned.epoch + unknownEpochs, boot: 0 });
  }
  const steps = plan(after, [...lost]);
  const assigned = steps.flatMap((step) =>
    step.type === 'propose' && step.change.type === 'assign' ? step.change.assignments : [],
  );
  expect(assigned).toHaveLength(shardCount);
});
