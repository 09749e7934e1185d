/** `greenroom bench`: measures this installation on this machine; the same code as `npm run bench`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BenchReport } from '../bench/report/report.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { didYouMean } from './suggestion.ts';
import type { Terminal } from './terminal.ts';

/** The names of `benchGroups`, known without loading the benchmarks. */
const groups = ['throughput', 'latency', 'rehydrate', 'footprint', 'growth', 'limits', 'all'] as const;
const ofACluster = new Set(['rebalance', 'failover']);

interface BenchFlags {
  readonly repeats: string;
  readonly scale: string;
  readonly directory?: string;
  readonly out?: string;
  readonly plots?: string;
  readonly growthMax: string;
  readonly json?: boolean;
}

export function addBenchCommand(program: Command, terminal: Terminal, version: () => string): void {
  program
    .command('bench')
    .summary('measure throughput, latency, waking and footprint here')
    .description(
      'Measures this installation on this machine: throughput (tell, ask, persisted commands, queries, HTTP), latency (at fixed rates), rehydrate (waking by replay), footprint (memory, disk, start-up), growth (cost as actors grow in number), limits (what disk, wire and processor do by themselves), or all. Prints medians with their spread and as a share of their limit, and the disk’s fsync latency.',
    )
    .argument('[what]', `one of ${groups.join(', ')}`, 'all')
    .option('--repeats <n>', 'how often each is run; the median counts', '3')
    .option('--scale <x>', 'sizes relative to the full ones; 0.1 is a quick look', '1')
    .option('--directory <dir>', 'where data directories are made (and removed); default: the temporary directory')
    .option('--growth-max <n>', 'actors that growth ends with, at full scale', '1000000')
    .option('--out <file>', 'also write the report as JSON')
    .option('--plots <dir>', 'also write plots as SVG files into this directory')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      examples([
        ['greenroom bench throughput --scale 0.1', 'a quick look'],
        ['greenroom bench all --repeats 5 --out bench.json --plots plots', 'the whole, for comparing'],
        ['greenroom bench limits', 'what this machine could do at best'],
      ]),
    )
    .action(async (what: string, flags: BenchFlags) => {
      const { benchGroups, runBenchmarks } = await import('../bench/run.ts');
      const benchmarks = Object.hasOwn(benchGroups, what) ? benchGroups[what] : undefined;
      if (!benchmarks) {
        if (ofACluster.has(what))
          throw wrongUsage(`bench ${what} needs a cluster of several nodes, which this version does not have yet`);
        throw wrongUsage(
          `there is no benchmark '${what}'`,
          didYouMean(what, groups) ?? `there are ${groups.join(', ')}`,
        );
      }
      const repeats = numberFlag('--repeats', flags.repeats, Number.isInteger);
      const scale = numberFlag('--scale', flags.scale, () => true);
      const report = await runBenchmarks({
        benchmarks,
        repeats,
        scale,
        growthMax: numberFlag('--growth-max', flags.growthMax, Number.isInteger),
        directory: flags.directory,
        version: version(),
        onProgress: (message) => terminal.progress(`measuring ${message}`),
      });
      const { formatReport } = await import('../bench/report/text-report.ts');
      terminal.progress('');
      terminal.print(flags.json ? JSON.stringify(report) : formatReport(report));
      try {
        if (flags.out !== undefined) await writeFile(flags.out, `${JSON.stringify(report, undefined, 2)}\n`);
        if (flags.plots !== undefined) await writePlots(report, flags.plots);
      } catch (error) {
        throw new CommandLineError(exitCodes.refused, `the report could not be written: ${(error as Error).message}`);
      }
    });
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
