/** What the counted cluster counts: the messages of a command are those of the protocol, however many nodes there are. */
import { expect, test } from 'vitest';
import { SimulatedMembers } from '../../src/bench/workloads/growth/simulated-members.ts';

test.each([3, 5])(
  'a command on %i nodes: two appends, two acknowledgements, and a way there and back if it is not local',
  async (nodes) => {
    const members = await SimulatedMembers.start(nodes);
    await members.run(600, 32);
    const total = 1_200;
    const busy = await members.count(() => members.run(total, 32));
    const expected = 4 + (2 * (nodes - 1)) / nodes;
    expect(busy.data.messages / total).toBeGreaterThan(expected - 0.5);
    expect(busy.data.messages / total).toBeLessThan(expected + 0.3);
    const quiet = await members.count(() => members.pass(10_000));
    expect(quiet.virtualMs).toBe(10_000);
    expect(quiet.control.messages).toBeGreaterThan(0);
  },
);

test('one node sends nothing', async () => {
  const members = await SimulatedMembers.start(1);
  const { data, control } = await members.count(() => members.run(100, 8));
  expect([data.messages, control.messages]).toEqual([0, 0]);
});
