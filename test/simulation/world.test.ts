import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { FaultBudget } from '../../src/testing/simulation/fault-budget.ts';
import { randomSchedule } from '../../src/testing/simulation/fault-schedule.ts';
import { faultKinds } from '../../src/testing/simulation/faults.ts';
import { Health } from '../../src/testing/simulation/health.ts';
import { Machine } from '../../src/testing/simulation/machine.ts';
import { SimulatedDisk } from '../../src/testing/simulation/simulated-disk.ts';
import { World } from '../../src/testing/simulation/world.ts';

const identity = { clusterId: 'x', node: 'a', shardCount: 1, replicas: 1 };

describe('a world', () => {
  test('runs events by time, then by insertion, and promises settle in between', async () => {
    const world = new World(1);
    const ran: string[] = [];
    world.after(20, () => ran.push('c'));
    world.after(
      10,
      () =>
        void Promise.resolve()
          .then(() => Promise.resolve())
          .then(() => ran.push('a, settled')),
    );
    world.after(10, () => ran.push('b'));
    world.after(10, () => ran.push('never'))();
    await world.run(15);
    expect([ran, world.nowMs]).toEqual([['a, settled', 'b'], 15]);
  });
});

describe('a machine', () => {
  test('holds everything while it is paused; then all of it comes, in order', async () => {
    const world = new World(1);
    const machine = new Machine(world, { name: 'a' });
    const { clock } = machine.boot();
    const ran: string[] = [];
    for (const name of ['x', 'y']) clock.schedule(10, () => ran.push(`${name}@${world.nowMs}`));
    machine.pause();
    await world.run(50);
    expect(ran).toEqual([]);
    machine.resume();
    await world.run(60);
    expect(ran).toEqual(['x@50', 'y@50']);
  });

  test('takes its time when it is slow', async () => {
    const world = new World(1);
    const machine = new Machine(world, { name: 'a' });
    const { clock } = machine.boot();
    const ran: number[] = [];
    machine.slow(5);
    for (let i = 0; i < 3; i++) clock.schedule(10, () => ran.push(world.nowMs));
    await world.run(60);
    expect(ran).toEqual([10, 15, 20]);
  });

  test('runs nothing of a life that is over', async () => {
    const world = new World(1);
    const machine = new Machine(world, { name: 'a' });
    const ran: string[] = [];
    machine.boot().clock.schedule(10, () => ran.push('old'));
    machine.crash();
    machine.boot().clock.schedule(10, () => ran.push('new'));
    await world.run(20);
    expect(ran).toEqual(['new']);
  });

  test('has a clock that drifts, and a wall clock that can be set', async () => {
    const world = new World(1);
    const machine = new Machine(world, { name: 'a', rate: 2 });
    const { clock } = machine.boot();
    const before = clock.wallMs();
    await world.run(100);
    machine.shiftWall(-1_000);
    expect([clock.monotonicMs(), clock.wallMs() - before]).toEqual([200, 200 - 1_000]);
  });

  test('knows what its wall clock showed, however it was set', async () => {
    const world = new World(1);
    await world.run(50);
    const machine = new Machine(world, { name: 'a', rate: 2, wallOffsetMs: 10 });
    const { clock } = machine.boot();
    const first = clock.wallMs();
    expect(machine.wallBetween(0, 49)).toBeUndefined();
    await world.run(100);
    const before = clock.wallMs();
    machine.shiftWall(-1_000);
    const after = clock.wallMs();
    await world.run(200);
    expect(machine.wallBetween(0, 75)).toEqual({ leastMs: first, mostMs: first + 50 });
    expect(machine.wallBetween(0, 200)).toEqual({ leastMs: after, mostMs: before });
    expect(machine.wallBetween(150, 150)).toEqual({ leastMs: after + 100, mostMs: after + 100 });
  });
});

describe('a simulated disk', () => {
  const keep = (disk: SimulatedDisk, machine: Machine) => {
    const told: string[] = [];
    const journal = disk.journal(machine.boot(), identity);
    const set = (value: string) =>
      journal.setControl('x', Buffer.from(value), {
        durable: () => told.push(`${value} durable`),
        failed: () => told.push(`${value} failed`),
      });
    return { journal, set, told };
  };

  test('takes time to sync, and a crash in between leaves a batch whole or not at all', async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed);
      const machine = new Machine(world, { name: 'a' });
      const disk = new SimulatedDisk(world, { name: 'a', syncMs: 10 });
      const { journal, set, told } = keep(disk, machine);
      await journal.open();
      set('1');
      await world.run(4);
      expect(told).toEqual([]);
      machine.crash();
      const again = disk.journal(machine.boot(), identity);
      await again.open();
      outcomes.add(again.control('x')?.toString() ?? 'nothing');
    }
    expect([...outcomes].sort()).toEqual(['1', 'nothing']);
  });

  test('fails an fsync once, whatever is then on it', async () => {
    for (const isKept of [true, false]) {
      const world = new World(1);
      const machine = new Machine(world, { name: 'a' });
      const disk = new SimulatedDisk(world, { name: 'a', syncMs: 1 });
      const { journal, set, told } = keep(disk, machine);
      await journal.open();
      disk.failNextSync(isKept);
      set('1');
      await world.run(100);
      expect([told, journal.status]).toEqual([['1 failed'], 'failed']);
      machine.crash();
      const again = disk.journal(machine.boot(), identity);
      await again.open();
      expect(again.control('x')?.toString()).toBe(isKept ? '1' : undefined);
    }
  });

  test('is another store once wiped, and what it was once set back', async () => {
    const world = new World(1);
    const machine = new Machine(world, { name: 'a' });
    const disk = new SimulatedDisk(world, { name: 'a', syncMs: 1 });
    const { journal, set } = keep(disk, machine);
    await journal.open();
    set('1');
    await world.run(100);
    const image = disk.image();
    set('2');
    await world.run(200);
    machine.crash();
    disk.restore(image);
    const old = disk.journal(machine.boot(), identity);
    await old.open();
    expect(old.control('x')?.toString()).toBe('1');
    machine.crash();
    const before = disk.storeId;
    disk.wipe();
    expect([disk.isEmpty, disk.storeId === before]).toEqual([true, false]);
  });
});

test('a budget never lets a set of copies lose its majority', () => {
  const budget = new FaultBudget(() => [
    ['a', 'b', 'c'],
    ['b', 'c', 'd'],
  ]);
  expect([budget.spend('a'), budget.spend('b'), budget.spend('d'), budget.spend('c')]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  budget.rebuilt('a');
  budget.rebuilt('d');
  expect(budget.spend('b')).toBe(true);
  expect(new FaultBudget(() => [['a']]).spend('a')).toBe(false);
});

test('the disk of a member that was removed counts as destroyed for as long as anything counts on it', () => {
  let sets = [['a', 'b', 'c']];
  const budget = new FaultBudget(() => sets);
  budget.giveUp('a');
  expect([budget.spend('c'), budget.isFree('a')]).toEqual([false, false]);
  sets = [['b', 'c', 'd']];
  expect([budget.spend('c'), budget.isFree('a')]).toEqual([true, true]);
});

test('a majority is well only while nothing changes', () => {
  let nowMs = 0;
  const health = new Health(
    () => nowMs,
    () => [['a', 'b', 'c']],
  );
  nowMs = 10;
  const endA = health.trouble(['a']);
  nowMs = 30;
  const endB = health.trouble(['b']);
  nowMs = 100;
  endA();
  endB();
  expect([health.longestWellMs(0, 100), health.longestWellMs(0, 150), health.isCalm]).toEqual([20, 50, true]);
});

test('a machine whose disk was destroyed is none of the majority until what it held is rebuilt', () => {
  let nowMs = 0;
  const destroyed = new Set<string>();
  const health = new Health(
    () => nowMs,
    () => [['a', 'b', 'c']],
    (machine) => destroyed.has(machine),
  );
  destroyed.add('c');
  health.trouble(['c'])();
  nowMs = 10;
  const endA = health.trouble(['a']);
  nowMs = 70;
  endA();
  nowMs = 100;
  expect(health.longestWellMs(0, 100)).toBe(30);
  destroyed.delete('c');
  health.rebuilt();
  nowMs = 120;
  expect(health.longestWellMs(0, 120), 'the two others were well all the time').toBe(50);
  destroyed.add('c');
  health.trouble(['a']);
  nowMs = 200;
  destroyed.delete('c');
  health.rebuilt();
  expect(health.longestWellMs(0, 300), 'two again').toBe(100);
});

test('over many seeds every kind of fault is scheduled, within the time it is given', () => {
  const seen = new Set<string>();
  const misplaced: string[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const { enabled, faults } = randomSchedule(seededRandom(seed), {
      nodes: ['a', 'b', 'c'],
      spares: ['d'],
      survives: new Set(faultKinds),
      startMs: 5_000,
      endMs: 600_000,
    });
    for (const { atMs, fault } of faults) {
      seen.add(fault.type);
      if (!enabled.includes(fault.type) || atMs < 5_000 || atMs >= 600_000) misplaced.push(fault.type);
    }
    expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).sort((a, b) => a - b));
  }
  expect(misplaced).toEqual([]);
  expect([...seen].sort()).toEqual([...faultKinds].sort());
});
