/** `greenroom dev`: a local node in one terminal, restarted on change, with a key to kill it. */
import { createServer } from 'node:net';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { wholeOption } from './connection.ts';
import { leaveDevData, prepareDevData } from './dev-data.ts';
import { devShutdownGrace } from './dev-node.ts';
import { DevSupervisor } from './dev-supervisor.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import type { ResolvedSettings } from './layered-settings.ts';
import { settingsOf, withSettings } from './setting-flags.ts';
import { flagName, type NodeSettings, settings } from './settings.ts';
import { listenForStop, samePressMs } from './stop-signals.ts';
import { type Terminal, usesColor } from './terminal.ts';
import { readTokensFile } from './tokens-file.ts';

/** The nodes' data, beside each other. */
export const devDataDefault = '.greenroom/dev';

/** Settings that this command decides itself. */
const ownSettings = new Set(['node', 'advertise', 'join', 'found', 'zone', 'httpAdvertise', 'shutdownGrace']);

interface DevOptions {
  readonly nodes: string;
  readonly fresh?: boolean;
  readonly data?: string;
}

/** @param ends takes the exit code once everything has stopped */
export function addDevCommand(program: Command, terminal: Terminal, ends: (exitCode: number) => void): void {
  const command = program
    .command('dev [actors...]')
    .summary('run a node here and restart it on change')
    .description(
      'Run a node in this terminal for development: it restarts when an actor file or what it imports changes, and state and messages are frozen, so that code that changes them fails at once.',
    )
    .option('--nodes <n>', 'number of nodes', '1')
    .option('--fresh', 'start with an empty data directory');
  withSettings(command, ownSettings)
    .addHelpText(
      'after',
      examples([
        ['greenroom dev actors.ts', ''],
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
  if (wholeOption('--nodes', options.nodes, 1, 9) !== 1) {
    throw wrongUsage(
      `--nodes ${options.nodes}: not yet; this version runs single nodes, and clusters of several come with a later one`,
    );
  }
  const resolved = settingsOf(command, files, terminal);
  const { values, warnings } = resolved;
  if (values.actors.length === 0) throw wrongUsage('no actor files were given', 'name them: greenroom dev actors.ts');
  for (const warning of warnings) terminal.note(terminal.error.yellow(`warning: ${warning}`));
  const ports = await claimPorts(values);
  const directory = resolve(terminal.cwd, options.data ?? devDataDefault);
  prepareDevData(directory, options.fresh === true);
  try {
    return await supervise(resolved, ports, directory, terminal);
  } finally {
    leaveDevData(directory);
  }
}

async function supervise(
  resolved: ResolvedSettings,
  ports: Ports,
  directory: string,
  terminal: Terminal,
): Promise<number> {
  const { values } = resolved;
  const hasKeys = process.stdin.isTTY === true && terminal.outIsTerminal;
  const supervisor = new DevSupervisor(
    {
      nodes: [{ name: 'a', args: startArgs('a', resolved, ports, directory, terminal) }],
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

/** Decided here, and not passed on from this command's own flags. */
const decidedHere: ReadonlySet<string> = new Set(['actors', 'data', 'port', 'httpPort', 'logFormat']);

/** What this command decided, and the flags it was given; variables and the file the node reads itself. */
function startArgs(
  name: string,
  { values, origins }: ResolvedSettings,
  ports: Ports,
  directory: string,
  terminal: Terminal,
): string[] {
  const format = values.logFormat ?? (terminal.errorIsTerminal ? 'pretty' : 'json');
  const passedOn = settings.flatMap((setting) => {
    const { value, source } = origins.get(setting.key)!;
    if (decidedHere.has(setting.key) || source !== flagName(setting)) return [];
    return (Array.isArray(value) ? value : [value]).flatMap((each) => [source, String(each)]);
  });
  return [
    ...['--node', name, '--data', join(directory, name), '--shutdown-grace', devShutdownGrace],
    ...['--port', String(ports.cluster), '--http-port', String(ports.http || 'off'), '--log-format', format],
    ...passedOn,
    '--',
    ...values.actors,
  ];
}

interface Ports {
  readonly cluster: number;
  readonly http: number | false;
}

/** Free ports, the same over every restart. @throws CommandLineError if one that was asked for is taken */
async function claimPorts(values: NodeSettings): Promise<Ports> {
  const cluster = await freePort(values.host, values.port, '--port');
  const http =
    values.httpPort !== false && (await freePort(values.httpHost ?? values.host, values.httpPort, '--http-port'));
  return { cluster, http };
}

function freePort(host: string, port: number, flag: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      reject(
        new CommandLineError(
          exitCodes.refused,
          inUse ? `port ${port} is in use by another process` : `cannot listen on ${host}:${port}: ${error.message}`,
          { hint: inUse ? `stop that one, or give ${flag} another port (0 picks a free one)` : undefined },
        ),
      );
    });
    probe.listen(port, host, () => {
      const { port: found } = probe.address() as { port: number };
      probe.close(() => resolve(found));
    });
  });
}
