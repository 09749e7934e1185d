/**
 * `npm run mutants -- [--cluster toy] [--seeds 50] [--minutes 3]`: whether each deliberate mistake is caught. A check
 * that never caught anything proves nothing.
 */
import Table from 'cli-table3';
import { simulate } from '../../src/testing/simulation/simulation.ts';
import { parseSimulationArguments } from './arguments.ts';

const settings = parseSimulationArguments({ seeds: 50, minutes: 3 });
const table = new Table({ head: ['mistake', 'caught by', 'after seeds', 'what it is'], style: { head: [] } });
let missed = 0;
for (const [mistake, what] of Object.entries(settings.cluster.mistakes)) {
  if (settings.mistake !== undefined && settings.mistake !== mistake) continue;
  let caught: string | undefined;
  let tried = 0;
  for (let seed = settings.seed; caught === undefined && tried < settings.seeds; seed++) {
    tried += 1;
    const { violations } = await simulate({ ...settings, seed, mistake });
    if (violations.length > 0) caught = [...new Set(violations.map(({ check }) => check))].join(', ');
  }
  if (caught === undefined) missed += 1;
  table.push([mistake, caught ?? 'NOT CAUGHT', tried, what]);
  console.error(`${mistake}: ${caught ?? 'not caught'} (${tried} seeds)`);
}
console.log(table.toString());
if (missed > 0) process.exitCode = 1;
