/** `greenroom journal verify`: reads everything a stopped node has on its disk, and names what does not verify. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { StoreDamage, VerifyProgress, VerifyReport } from '../persistence/verify.ts';
import { exitCodes } from './exit-codes.ts';
import { examples } from './help.ts';
import { printTable } from './table.ts';
import { compactJson, type Terminal } from './terminal.ts';

/** Characters of the progress bar. */
const barWidth = 30;
/** Between two drawings of it. */
const drawEveryMs = 100;

/** @param ends takes the exit code: 1 if anything is damaged */
export function addJournalCommand(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  const journal = program
    .command('journal')
    .summary('verify the journal of a stopped node')
    .description('Look into the journal that a stopped node keeps in its data directory.')
    .addHelpText('after', examples([['greenroom journal verify --data .greenroom/node-7400', '']]));
  journal
    .command('verify')
    .summary('read everything and name what does not verify')
    .description(
      'Read every file, record and index row in the data directory of a stopped node, and name what does not verify by actor and position. Nothing is changed. Exit code 1 if anything is damaged.',
    )
    .requiredOption('--data <directory>', 'the data directory of a stopped node, or a copy of one')
    .option('--json', 'print JSON, also of errors')
    .addHelpText(
      'after',
      examples([
        ['greenroom journal verify --data .greenroom/node-7400', ''],
        ['greenroom journal verify --data /backup/a --json | jq .damages', ''],
      ]),
    )
    .action(async (options: { data: string }, command: Command) => {
      const report = await verify(options.data, terminal);
      if (command.optsWithGlobals<{ json?: boolean }>().json) terminal.print(compactJson(report));
      else printReport(report, terminal);
      ends(report.damages.length === 0 ? exitCodes.done : exitCodes.refused);
    });
}

async function verify(data: string, terminal: Terminal): Promise<VerifyReport> {
  const [{ verifyStore }, { storedDataError }] = await Promise.all([
    import('../persistence/verify.ts'),
    import('./stored-data.ts'),
  ]);
  let drawnMs = 0;
  try {
    return await verifyStore(resolve(terminal.cwd, data), {
      onProgress: (progress) => {
        const nowMs = performance.now();
        if (nowMs - drawnMs < drawEveryMs) return;
        drawnMs = nowMs;
        terminal.progress(progressText(progress));
      },
    });
  } catch (error) {
    throw storedDataError(error);
  } finally {
    terminal.progress('');
  }
}

/** `records ███████░░░░░░  54 %` */
export function progressText({ step, done, total }: VerifyProgress): string {
  if (total === undefined || total === 0) return `${step.padEnd(8)}${done}`;
  const share = Math.min(1, done / total);
  const full = Math.round(share * barWidth);
  return `${step.padEnd(8)}${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${String(Math.floor(share * 100)).padStart(3)} %`;
}

function printReport(report: VerifyReport, terminal: Terminal): void {
  const { identity, records, hollow, actors, damages } = report;
  const { red, green } = terminal.out;
  if (identity !== undefined) {
    const deleted = hollow === 0 ? '' : `, ${hollow} deleted`;
    terminal.print(
      `node ${identity.node} of cluster ${identity.clusterId}: ${records} records${deleted}, ${actors} actors in the index, ${identity.shardCount} shards`,
    );
  }
  if (damages.length === 0) {
    terminal.print(green('everything verifies'));
    return;
  }
  terminal.print(red(`${damages.length} ${damages.length === 1 ? 'thing does' : 'things do'} not verify`));
  printTable(
    terminal,
    [
      { title: 'ACTOR', paint: terminal.out.cyan },
      { title: 'SHARD', align: 'right' },
      { title: 'POSITION', align: 'right' },
      { title: 'FILE' },
      { title: 'PROBLEM' },
    ],
    damages.map(damageRow),
  );
}

function damageRow({ type, id, shard, position, file, problem }: StoreDamage): string[] {
  const actor = type === undefined ? '' : `${type} ${id ?? ''}`.trimEnd();
  return [
    actor,
    shard === undefined ? '' : String(shard),
    position === undefined ? '' : String(position),
    file ?? '',
    problem,
  ];
}
