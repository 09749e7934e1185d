/** `greenroom bench`: measures this installation on this machine; the same code as `npm run bench`. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { didYouMean } from './suggestion.ts';
import type { Terminal } from './terminal.ts';

/** The names of `benchGroups`, known without loading the benchmarks. */
const groups = ['throughput', 'rehydrate', 'footprint', 'all'] as const;
const ofACluster = new Set(['rebalance', 'failover']);

interface BenchFlags {
  readonly repeats: string;
  readonly scale: string;
  readonly directory?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export function addBenchCommand(program: Command, terminal: Terminal, version: () => string): void {
  program
    .command('bench')
    .summary('measure throughput, waking and footprint here')
    .description(
      'Measures this installation on this machine: throughput (tell, ask, persisted commands, HTTP), rehydrate (waking by replay), footprint (memory, start-up), or all. Prints medians with their spread, and the disk’s fsync latency.',
    )
    .argument('[what]', `one of ${groups.join(', ')}`, 'all')
    .option('--repeats <n>', 'how often each is run; the median counts', '3')
    .option('--scale <x>', 'sizes relative to the full ones; 0.1 is a quick look', '1')
    .option('--directory <dir>', 'where data directories are made (and removed); default: the temporary directory')
    .option('--out <file>', 'also write the report as JSON')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      examples([
        ['greenroom bench throughput --scale 0.1', 'a quick look'],
        ['greenroom bench all --repeats 5 --out bench.json', 'the whole, for comparing'],
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
        directory: flags.directory,
        version: version(),
        onProgress: (message) => terminal.progress(`measuring ${message}`),
      });
      const { formatReport } = await import('../bench/report.ts');
      terminal.progress('');
      terminal.print(flags.json ? JSON.stringify(report) : formatReport(report));
      if (flags.out === undefined) return;
      try {
        await writeFile(flags.out, `${JSON.stringify(report, undefined, 2)}\n`);
      } catch (error) {
        throw new CommandLineError(exitCodes.refused, `the report could not be written: ${(error as Error).message}`);
      }
    });
}

function numberFlag(flag: string, text: string, isFine: (value: number) => boolean): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && isFine(value)) return value;
  throw wrongUsage(`${flag} is '${text}'; it is a number above 0`);
}
