/** `greenroom bench`: measures this installation on this machine; the same code as `npm run bench`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BenchReport } from '../bench/report/report.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { didYouMean } from './suggestion.ts';
import type { Terminal } from './terminal.ts';

/** The names of `benchGroups` and `clusterGroups`, known without loading the benchmarks. */
const groups = [
  'throughput',
  'latency',
  'rehydrate',
  'footprint',
  'growth',
  'limits',
  'all',
  'rebalance',
  'failover',
] as const;
/** They measure what happens to a cluster, so they start one. */
const onlyOfACluster = new Set(['rebalance', 'failover']);
const changingNodes = 3;
const copiesUsually = 3;
/** What `--smoke` stands for: whether it runs at all, in a few seconds. Its figures mean nothing. */
const smoke = { repeats: '1', scale: '0.05', shards: 16, rate: '200', rounds: '1' } as const;

interface BenchFlags {
  readonly nodes?: string;
  readonly replicas?: string;
  readonly rate?: string;
  readonly rounds?: string;
  readonly repeats?: string;
  readonly scale?: string;
  readonly smoke?: boolean;
  readonly directory?: string;
  readonly out?: string;
  readonly plots?: string;
  readonly growthMax: string;
  /** true prints, a text is a file. */
  readonly json?: boolean | string;
}

export function addBenchCommand(program: Command, terminal: Terminal, version: () => string): void {
  program
    .command('bench')
    .summary('measure throughput, latency, waking, footprint and clusters here')
    .description(
      'Measures this installation on this machine: throughput (tell, ask, persisted commands, queries, HTTP; with --nodes on a cluster of node processes), latency (at fixed rates), rehydrate (waking by replay), footprint (memory, disk, start-up), growth (cost as actors, shards, and in simulation nodes, grow in number), limits (what disk, wire and processor do by themselves), or all of these, which is one node. rebalance (a fourth node joins three and is drained again) and failover (kill -9 of owners) start clusters. Prints medians with their spread and as a share of their limit, and the disk’s fsync latency.',
    )
    .argument('[what]', `one of ${groups.join(', ')}`, 'all')
    .option('--nodes <n>', 'throughput: on a cluster of so many node processes')
    .option('--replicas <n>', `copies of each shard in a cluster; default ${copiesUsually}, or 1 on fewer nodes`)
    .option('--rate <n>', 'rebalance, failover: calls a second (default 1000)')
    .option('--rounds <n>', 'failover: how often a node is killed (default 5)')
    .option('--repeats <n>', 'how often each is run; the median counts (default 3; rebalance and failover 1)')
    .option('--scale <x>', 'sizes relative to the full ones; 0.1 is a quick look (default 1)')
    .option('--smoke', 'only whether it runs: seconds, few shards, figures that mean nothing')
    .option('--directory <dir>', 'where data directories are made (and removed); default: the temporary directory')
    .option('--growth-max <n>', 'actors that growth ends with, at full scale', '1000000')
    .option('--out <file>', 'also write the report as JSON')
    .option('--plots <dir>', 'also write plots as SVG files into this directory')
    .option('--json [file]', 'print the report as JSON, or write it into this file')
    .addHelpText(
      'after',
      examples([
        ['greenroom bench throughput --scale 0.1', 'a quick look'],
        ['greenroom bench throughput --nodes 3 --replicas 3', 'three node processes'],
        ['greenroom bench rebalance --json rebalance.json --plots plots', 'a node joins and leaves under load'],
        ['greenroom bench failover --rounds 10', 'owners are killed under load'],
        ['greenroom bench all --repeats 5 --out bench.json --plots plots', 'the whole, for comparing'],
        ['greenroom bench limits', 'what this machine could do at best'],
      ]),
    )
    .action(async (what: string, flags: BenchFlags) => {
      const { benchGroups, clusterGroupLimits, clusterGroups, runBenchmarks } = await import('../bench/run.ts');
      if (!Object.hasOwn(benchGroups, what) && !Object.hasOwn(clusterGroups, what))
        throw wrongUsage(
          `there is no benchmark '${what}'`,
          didYouMean(what, groups) ?? `there are ${groups.join(', ')}`,
        );
      const size = sizeOf(what, flags);
      const usual = { repeats: onlyOfACluster.has(what) ? '1' : '3', scale: '1', rate: '1000', rounds: '5' };
      const { repeats, scale, rate, rounds } = { ...(flags.smoke ? smoke : usual), ...flags };
      const report = await runBenchmarks({
        benchmarks: (size ? clusterGroups : benchGroups)[what]!,
        repeats: numberFlag('--repeats', repeats, Number.isInteger),
        scale: numberFlag('--scale', scale, () => true),
        rate: numberFlag('--rate', rate, () => true),
        rounds: numberFlag('--rounds', rounds, Number.isInteger),
        growthMax: numberFlag('--growth-max', flags.growthMax, Number.isInteger),
        directory: flags.directory,
        version: version(),
        onProgress: (message) => terminal.progress(`measuring ${message}`),
        ...(size ? { ...size, limits: clusterGroupLimits[what]! } : {}),
        ...(size && flags.smoke ? { shards: smoke.shards } : {}),
      });
      const { formatReport } = await import('../bench/report/text-report.ts');
      terminal.progress('');
      terminal.print(flags.json === true ? JSON.stringify(report) : formatReport(report));
      try {
        for (const file of [flags.out, flags.json])
          if (typeof file === 'string') await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
        if (flags.plots !== undefined) await writePlots(report, flags.plots);
      } catch (error) {
        throw new CommandLineError(exitCodes.refused, `the report could not be written: ${(error as Error).message}`);
      }
    });
}

/** Of the cluster that is measured; undefined where it is one node in this process. */
function sizeOf(what: string, flags: BenchFlags): { readonly nodes: number; readonly replicas: number } | undefined {
  const isOfACluster = onlyOfACluster.has(what);
  if (!isOfACluster && what !== 'throughput') {
    if (flags.nodes !== undefined || flags.replicas !== undefined)
      throw wrongUsage(`bench ${what} measures one node`, '--nodes and --replicas are for throughput');
    return undefined;
  }
  if (!isOfACluster && flags.nodes === undefined) {
    if (flags.replicas === undefined) return undefined;
    throw wrongUsage('--replicas is for a cluster', 'say of how many nodes, with --nodes');
  }
  const nodes = numberFlag('--nodes', flags.nodes ?? String(changingNodes), Number.isInteger);
  if (isOfACluster && nodes !== changingNodes)
    throw wrongUsage(`bench ${what} is of ${changingNodes} nodes, not ${nodes}`);
  const copies = flags.replicas ?? String(nodes < copiesUsually ? 1 : copiesUsually);
  const replicas = numberFlag('--replicas', copies, Number.isInteger);
  if (replicas > nodes) throw wrongUsage(`${replicas} copies need as many nodes, and there are ${nodes}`);
  if (what === 'failover' && replicas === 1)
    throw wrongUsage('bench failover needs copies that can take over', 'leave --replicas away, or give 3');
  return { nodes, replicas };
}

async function writePlots(report: BenchReport, directory: string): Promise<void> {
  const { reportPlots } = await import('../bench/report/report-plots.ts');
  await mkdir(directory, { recursive: true });
  for (const { name, svg } of reportPlots(report)) await writeFile(join(directory, `${name}.svg`), svg);
}

function numberFlag(flag: string, text: string, isFine: (value: number) => boolean): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && isFine(value)) return value;
  throw wrongUsage(`${flag} is '${text}'; it is a number above 0`);
}
