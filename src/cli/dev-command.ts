/** `greenroom dev`: a local cluster in one terminal, restarted on change, with keys to kill its nodes. */
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { wholeOption } from './connection.ts';
import { leaveDevData, prepareDevData } from './dev-data.ts';
import { type DevPlan, planNodes } from './dev-plan.ts';
import { DevSupervisor } from './dev-supervisor.ts';
import { exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import type { ResolvedSettings } from './layered-settings.ts';
import { settingsOf, withSettings } from './setting-flags.ts';
import { listenForStop, samePressMs } from './stop-signals.ts';
import { type Terminal, usesColor } from './terminal.ts';
import { readTokensFile } from './tokens-file.ts';

/** The nodes' data, beside each other. */
export const devDataDefault = '.greenroom/dev';

/** Settings that this command decides itself. */
const ownSettings = new Set(['node', 'advertise', 'join', 'found', 'zone', 'httpAdvertise', 'shutdownGrace']);

/** As many as there are keys for. */
const nodesMax = 9;

interface DevOptions {
  readonly nodes: string;
  readonly fresh?: boolean;
  readonly data?: string;
}

/** @param ends takes the exit code once everything has stopped */
export function addDevCommand(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  const command = program
    .command('dev [actors...]')
    .summary('run a cluster here and restart it on change')
    .description(
      'Run a node, or a cluster of several, in this terminal for development: nodes restart, one after another, when an actor file or what it imports changes, and state and messages are frozen, so that code that changes them fails at once. Keys kill nodes and start them again, and a line says what callers noticed.',
    )
    .option(
      '--nodes <n>',
      `number of nodes, 1 to ${nodesMax}; the ports are --port, --http-port and those after them`,
      '1',
    )
    .option('--fresh', 'start with an empty data directory');
  withSettings(command, ownSettings)
    .addHelpText(
      'after',
      examples([
        ['greenroom dev actors.ts', ''],
        ['greenroom dev actors.ts --nodes 3', 'a cluster; press 1, 2 or 3 to kill a node'],
        ['greenroom dev actors.ts --fresh', 'forget what was there'],
        ['greenroom dev actors.ts --port 0 --http-port 0', 'on free ports'],
      ]),
    )
    .action(async (files: string[], options: DevOptions, command: Command) => {
      ends(await develop(files, options, command, terminal));
    });
}

async function develop(
  files: readonly string[],
  options: DevOptions,
  command: Command,
  terminal: Terminal,
): Promise<number> {
  const count = wholeOption('--nodes', options.nodes, 1, nodesMax)!;
  const resolved = settingsOf(command, files, terminal);
  const { values, warnings } = resolved;
  if (values.actors.length === 0) throw wrongUsage('no actor files were given', 'name them: greenroom dev actors.ts');
  for (const warning of warnings) terminal.note(terminal.error.yellow(`warning: ${warning}`));
  const directory = resolve(terminal.cwd, options.data ?? devDataDefault);
  prepareDevData(directory, options.fresh === true);
  try {
    const plan = await planNodes(count, resolved, directory, terminal);
    return await supervise(resolved, plan, directory, terminal);
  } finally {
    leaveDevData(directory);
  }
}

async function supervise(
  resolved: ResolvedSettings,
  plan: DevPlan,
  directory: string,
  terminal: Terminal,
): Promise<number> {
  const { values } = resolved;
  const hasKeys = process.stdin.isTTY === true && terminal.outIsTerminal;
  const supervisor = new DevSupervisor(
    {
      ...plan,
      dataText: shortPath(directory, terminal.cwd),
      token: values.tokensFile === undefined ? undefined : readTokensFile(values.tokensFile, terminal.cwd).tokens[0],
      env: { ...terminal.env, ...(usesColor(terminal.env, terminal.errorIsTerminal) ? { FORCE_COLOR: '1' } : {}) },
      hasKeys,
    },
    terminal,
  );
  const stopAtOnce = (exitCode: number) => {
    supervisor.killNow();
    process.exit(exitCode);
  };
  const signals = listenForStop(stopAtOnce);
  const stopReading = hasKeys ? readKeys(supervisor, stopAtOnce) : () => {};
  supervisor.start();
  signals.first.then(() => supervisor.stop());
  const exitCode = await supervisor.ended;
  stopReading();
  return exitCode;
}

/** Relative where that is shorter to read. */
function shortPath(path: string, from: string): string {
  const short = relative(from, path);
  return short.startsWith('..') ? path : short || '.';
}

/** Keys one by one, without Return. Ctrl-C is then a key, too: a second press stops at once. */
function readKeys(supervisor: DevSupervisor, stopAtOnce: (exitCode: number) => void): () => void {
  const { stdin } = process;
  let stopPressedMs: number | undefined;
  const onData = (data: Buffer) => {
    for (const key of data.toString('latin1')) {
      if (key !== 'q' && key !== '\u0003' && key !== '\u0004') {
        supervisor.press(key);
        continue;
      }
      const nowMs = performance.now();
      if (stopPressedMs === undefined) supervisor.stop();
      else if (nowMs - stopPressedMs > samePressMs) stopAtOnce(exitCodes.interrupted);
      stopPressedMs ??= nowMs;
    }
  };
  const leave = () => {
    stdin.setRawMode(false);
  };
  stdin.setRawMode(true);
  stdin.on('data', onData);
  process.once('exit', leave);
  return () => {
    stdin.off('data', onData);
    stdin.pause();
    process.off('exit', leave);
    leave();
  };
}
