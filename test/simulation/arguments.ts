/** What the simulation scripts are told on the command line. */
import { parseArgs } from 'node:util';
import { greenroomCluster } from '../../src/testing/simulation/greenroom-cluster.ts';
import { greenroomAlone } from '../../src/testing/simulation/greenroom-nodes.ts';
import type { ClusterKind } from '../../src/testing/simulation/simulated-node.ts';
import { toyCluster } from './toy/toy-cluster.ts';

export const clusterKinds: readonly ClusterKind[] = [greenroomCluster, toyCluster, greenroomAlone];

export interface SimulationArguments {
  readonly cluster: ClusterKind;
  readonly nodes: number;
  readonly minutes: number;
  readonly seeds: number;
  /** The first seed. */
  readonly seed: number;
  readonly trace: boolean;
  readonly mistake: string | undefined;
  /** Runs in which most copies of some shards are lost, and an operator accepts it. */
  readonly losses: boolean;
}

export function parseSimulationArguments(
  defaults: { readonly seeds: number; readonly minutes: number },
  list = process.argv.slice(2),
): SimulationArguments {
  const { values } = parseArgs({
    args: list,
    options: {
      cluster: { type: 'string', default: 'greenroom' },
      nodes: { type: 'string' },
      minutes: { type: 'string' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      mistake: { type: 'string' },
      losses: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const cluster = clusterKinds.find(({ name }) => name === values.cluster);
  if (!cluster)
    throw new Error(`--cluster is one of ${clusterKinds.map(({ name }) => name).join(', ')}, not '${values.cluster}'`);
  if (values.losses && cluster !== greenroomCluster) throw new Error('--losses is for the cluster greenroom');
  if (values.mistake !== undefined && !(values.mistake in cluster.mistakes))
    throw new Error(`--mistake is one of ${Object.keys(cluster.mistakes).join(', ') || 'none'}`);
  return {
    cluster,
    nodes: numberOf('nodes', values.nodes, cluster === greenroomAlone ? 1 : 3),
    minutes: numberOf('minutes', values.minutes, defaults.minutes),
    seeds: numberOf('seeds', values.seeds, values.seed === undefined ? defaults.seeds : 1),
    seed: numberOf('seed', values.seed, 1),
    trace: values.trace,
    mistake: values.mistake,
    losses: values.losses,
  };
}

/** The command that runs one seed again, with everything that decides its course. */
export function replayCommand(settings: SimulationArguments, seed: number): string {
  const { cluster, nodes, minutes, mistake, losses } = settings;
  const more = `${losses ? ' --losses' : ''}${mistake === undefined ? '' : ` --mistake '${mistake}'`}`;
  return `npm run simulate -- --cluster ${cluster.name} --nodes ${nodes} --minutes ${minutes} --seed ${seed}${more} --trace`;
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new Error(`--${name} is a number above 0, not '${text}'`);
}
