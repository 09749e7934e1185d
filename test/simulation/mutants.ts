/**
 * `npm run mutants -- [--cluster toy] [--seeds 50] [--minutes 3]`: whether each deliberate mistake is caught. A check
 * that never caught anything proves nothing.
 *
 * The mistakes of Greenroom's own protocol are looked for where they show soonest: in a story told step by step, in
 * random lives of one shard's log, and in the simulation of whole clusters; those about accepted losses in clusters that
 * have one.
 */
import Table from 'cli-table3';
import { actorMistakes } from '../../src/actors/mistakes.ts';
import { lossMistakes, type ProtocolMistake } from '../../src/cluster/mistakes.ts';
import { simulateLoss } from '../../src/testing/simulation/loss-simulation.ts';
import { simulate } from '../../src/testing/simulation/simulation.ts';
import { routingStories } from '../cluster/routing/told.ts';
import { simulate as simulateShard } from '../cluster/shards/simulation.ts';
import { stories, tell } from '../cluster/shards/told.ts';
import { startsOnOldImage } from '../cluster/starting.ts';
import { parseSimulationArguments } from './arguments.ts';

interface Caught {
  readonly by: string;
  /** Empty for a story. */
  readonly seeds: string;
}

/** Lives of one shard's log take a fraction of a second. */
const shardSeedsMax = 400;
/** It is asked in how many of so many seeds a mistake shows. */
const shardSeedsShown = 50;

const lossMinutes = 2;

const settings = parseSimulationArguments({ seeds: 50, minutes: 3 });
const table = new Table({ head: ['mistake', 'caught by', 'in seeds', 'what it is'], style: { head: [] } });
let missed = 0;
for (const [mistake, what] of Object.entries(settings.cluster.mistakes)) {
  if (settings.mistake !== undefined && settings.mistake !== mistake) continue;
  const caught = isAboutLosses(mistake)
    ? await afterALoss(mistake)
    : ((await inTheShardLog(mistake)) ?? (await inACluster(mistake)));
  if (caught === undefined) missed += 1;
  table.push([mistake, caught?.by ?? 'NOT CAUGHT', caught?.seeds ?? `0 of ${settings.seeds}`, what]);
  console.error(`${mistake}: ${caught ? `${caught.by} ${caught.seeds}` : 'not caught'}`);
}
console.log(table.toString());
if (missed > 0) process.exitCode = 1;

async function inTheShardLog(mistake: string): Promise<Caught | undefined> {
  if (settings.cluster.name !== 'greenroom' || actorMistakes.some((each) => each === mistake)) return undefined;
  const protocolMistake = mistake as ProtocolMistake;
  if (stories[protocolMistake] && (await tell(protocolMistake, true)) !== undefined)
    return { by: 'a story of one replica', seeds: '' };
  if (routingStories.some((story) => story(protocolMistake).join() !== story().join()))
    return { by: 'a story of a router and an owner', seeds: '' };
  if ((await startsOnOldImage(protocolMistake)) !== (await startsOnOldImage()))
    return { by: 'a story of three starting nodes', seeds: '' };
  const claims = new Set<string>();
  let found = 0;
  for (let seed = 1; seed <= shardSeedsMax; seed++) {
    const { violations } = await simulateShard(seed, protocolMistake);
    if (violations.length > 0) {
      if (found === 0) isFineWithout(mistake, seed, (await simulateShard(seed)).violations);
      found += 1;
    }
    for (const violation of violations) claims.add(violation.slice(0, violation.indexOf(':')));
    if (found > 0 && seed >= shardSeedsShown)
      return { by: `lives of a shard's log: ${[...claims].join(', ')}`, seeds: `${found} of ${seed}` };
  }
  return undefined;
}

/** What fails also without the mistake does not show it. */
function isFineWithout(mistake: string, seed: number, violations: readonly unknown[]): void {
  if (violations.length > 0)
    throw new Error(`"${mistake}" seems caught, but seed ${seed} fails without it: ${JSON.stringify(violations[0])}`);
}

function isAboutLosses(mistake: string): boolean {
  return settings.cluster.name === 'greenroom' && lossMistakes.some((each) => each === mistake);
}

/** In clusters of three nodes and of five by turns. The loss comes in the first minute: there is no need for more. */
async function afterALoss(mistake: string): Promise<Caught | undefined> {
  for (let tried = 1; tried <= settings.seeds; tried++) {
    const nodes = tried % 2 === 1 ? 3 : 5;
    const seed = settings.seed + tried - 1;
    const run = { ...settings, nodes, seed, minutes: lossMinutes };
    const { violations } = await simulateLoss({ ...run, mistake });
    if (violations.length === 0) continue;
    isFineWithout(mistake, seed, (await simulateLoss({ ...run, mistake: undefined })).violations);
    const checks = [...new Set(violations.map(({ check }) => check))].join(', ');
    return { by: `a cluster after a loss: ${checks}`, seeds: `1 of ${tried}` };
  }
  return undefined;
}

async function inACluster(mistake: string): Promise<Caught | undefined> {
  for (let tried = 1; tried <= settings.seeds; tried++) {
    const run = { ...settings, seed: settings.seed + tried - 1 };
    const { violations } = await simulate({ ...run, mistake });
    if (violations.length === 0) continue;
    isFineWithout(mistake, run.seed, (await simulate({ ...run, mistake: undefined })).violations);
    const checks = [...new Set(violations.map(({ check }) => check))].join(', ');
    return { by: `a cluster: ${checks}`, seeds: `1 of ${tried}` };
  }
  return undefined;
}
