/** `greenroom check`: whether new code can read what old code has stored, asked before it is deployed. */
import type { Command } from 'commander';
import type { HistoryFailure, HistoryReport } from '../actors/check-histories.ts';
import { wholeOption } from './connection.ts';
import { exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { printTable } from './table.ts';
import { compactJson, printable, type Terminal } from './terminal.ts';

/** Failures shown on a page; `--json` has them all, as far as they are kept. */
export const failuresShownMax = 50;
const progressEvery = 500;

interface CheckOptions {
  readonly data?: string;
  readonly sample?: string;
  readonly json?: boolean;
}

/** @param ends takes the exit code: 1 if a history does not fit */
export function addCheckCommand(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  program
    .command('check <actors...>')
    .summary('replay stored histories against new code')
    .description(
      'Replay the histories in the data directory of a stopped node against the actor classes of the given files, and name every actor and event that they cannot read. Nothing is changed.',
    )
    .requiredOption('--data <directory>', 'the data directory of a stopped node, or a copy of one')
    .option('--sample <n>', 'replay this many actors of each type, instead of all')
    .option('--json', 'print JSON, also of errors')
    .addHelpText(
      'after',
      examples([
        ['greenroom check actors.ts --data .greenroom/node-7400', ''],
        ['greenroom check actors.ts --data /backup/a --sample 1000', 'a thousand actors of each type'],
      ]),
    )
    .action(async (files: string[], options: CheckOptions, command: Command) => {
      const sample = wholeOption('--sample', options.sample, 1, Number.MAX_SAFE_INTEGER);
      const report = await check(files, options.data!, sample, terminal);
      if (command.optsWithGlobals<{ json?: boolean }>().json) printJson(report, terminal);
      else printReport(report, sample, terminal);
      ends(report.failures.length > 0 || report.unserved.size > 0 ? exitCodes.refused : exitCodes.done);
    });
}

async function check(
  files: readonly string[],
  data: string,
  sample: number | undefined,
  terminal: Terminal,
): Promise<HistoryReport> {
  const [{ loadActorModules }, { defineActor, passivateAfterDefaultMs }, { checkHistories }, { openStoredData }] =
    await Promise.all([
      import('./actor-modules.ts'),
      import('../actors/definition.ts'),
      import('../actors/check-histories.ts'),
      import('./stored-data.ts'),
    ]);
  const { actors } = await loadActorModules(files, terminal.cwd);
  const definitions = actors.map((type) => {
    try {
      return defineActor(type, { passivateAfterMs: passivateAfterDefaultMs });
    } catch (error) {
      throw wrongUsage((error as Error).message);
    }
  });
  const { journal, close } = await openStoredData(data, terminal.cwd);
  try {
    return await checkHistories({
      journal,
      definitions,
      sample,
      onProgress: (type, checked) => {
        if (checked % progressEvery === 0) terminal.progress(`${type}: ${checked} replayed`);
      },
    });
  } finally {
    terminal.progress('');
    await close();
  }
}

function printJson({ types, failures, unserved }: HistoryReport, terminal: Terminal): void {
  terminal.print(compactJson({ types, failures, unserved: Object.fromEntries(unserved) }));
}

function printReport(
  { types, failures, unserved }: HistoryReport,
  sample: number | undefined,
  terminal: Terminal,
): void {
  const { cyan, red, green, bold } = terminal.out;
  printTable(
    terminal,
    [
      { title: 'TYPE', paint: cyan },
      { title: 'ACTORS', align: 'right' },
      { title: 'REPLAYED', align: 'right' },
      { title: 'EVENTS', align: 'right' },
      { title: 'FAILED', align: 'right', paint: (text) => (text === '0' ? text : red(text)) },
    ],
    types.map((each) => [each.type, each.actors, each.checked, each.events, each.failed].map(String)),
  );
  for (const failure of failures.slice(0, failuresShownMax)) terminal.print(failureText(failure, terminal));
  const failed = types.reduce((sum, each) => sum + each.failed, 0);
  if (failed > failuresShownMax) terminal.note(`… and ${failed - failuresShownMax} more`);
  for (const [type, records] of unserved) {
    terminal.print(
      `${bold(printable(type))}: ${records} record${records === 1 ? '' : 's'}, and no class of that name in these files; a class that was renamed keeps its old name with the option name: '${printable(type)}'`,
    );
  }
  if (failed === 0 && unserved.size === 0) {
    terminal.note(
      green(sample === undefined ? 'every history fits this code' : 'every history that was replayed fits this code'),
    );
  }
}

function failureText(
  { type, id, position, sequenceNumber, event, problem }: HistoryFailure,
  terminal: Terminal,
): string {
  const { bold, dim } = terminal.out;
  const where = [
    ...(sequenceNumber === undefined ? [] : [`event ${sequenceNumber} ${event}`]),
    ...(position === undefined ? [] : [`position ${position}`]),
  ];
  return `${bold(`${printable(type)} ${printable(id)}`)}  ${dim(where.join(', '))}\n  ${printable(problem)}`;
}
