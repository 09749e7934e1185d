/**
 * The command line as a whole: its commands, and what becomes of what they throw.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addActorCommands } from './actor-commands.ts';
import { addBackupCommands } from './backup-command.ts';
import { addBenchCommand } from './bench-command.ts';
import { addCallCommand } from './call-command.ts';
import { addCheckCommand } from './check-command.ts';
import { addClusterCommands } from './cluster-commands.ts';
import { addConfigCommand } from './config-command.ts';
import { addDeadLettersCommand } from './dead-letters-command.ts';
import { addDevCommand } from './dev-command.ts';
import { addEventsCommand } from './events-command.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { examples } from './help.ts';
import { addInspectCommand } from './inspect-command.ts';
import { addJournalCommand } from './journal-command.ts';
import { addMemberCommands } from './member-commands.ts';
import { ConnectionLost } from './node-api.ts';
import { addRecoverCommand } from './recover-command.ts';
import { addRemindersCommand } from './reminders-command.ts';
import { addStartCommand } from './start-command.ts';
import { compactJson, type Terminal } from './terminal.ts';

/** The version of this installation. */
export function installedVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return version as string;
}

/**
 * Runs one command line.
 *
 * @param args without the program's name
 * @returns the exit code
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const refused: string[] = [];
  let exitCode: number = exitCodes.done;
  const program = makeProgram(
    terminal,
    (text) => refused.push(text),
    (code) => {
      exitCode = code;
    },
  );
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    if (error instanceof CommanderError && error.code === 'commander.help') {
      terminal.note(refused.join('').trimEnd());
      return exitCodes.usage;
    }
    return report(error instanceof CommanderError ? fromCommander(error, args, program) : error, args, terminal);
  }
}

function makeProgram(terminal: Terminal, refuse: (text: string) => void, ends: (exitCode: number) => void): Command {
  const program = new Command('greenroom')
    .description('Persistent actors: durable, event-sourced state that sleeps when idle and wakes by replay.')
    .version(installedVersion(), '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: refuse,
      outputError: refuse,
      getOutHasColors: () => terminal.out.isColorSupported,
      getErrHasColors: () => terminal.error.isColorSupported,
    })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      examples([
        ['greenroom dev actors.ts', 'run it here and restart on change'],
        ['greenroom call Counter hits add 3', 'call a command of an actor'],
        ['greenroom <command> --help', 'everything about one command'],
      ]),
    );
  for (const flag of ['--url <url>', '--token <token>', '--ca <file>', '--json']) {
    program.addOption(program.createOption(flag).hideHelp());
  }
  addStartCommand(program, terminal, ends);
  addDevCommand(program, terminal, ends);
  addConfigCommand(program, terminal);
  addCallCommand(program, terminal);
  addInspectCommand(program, terminal);
  addEventsCommand(program, terminal);
  addRemindersCommand(program, terminal);
  addActorCommands(program, terminal);
  addDeadLettersCommand(program, terminal);
  addClusterCommands(program, terminal);
  addMemberCommands(program, terminal);
  addRecoverCommand(program, terminal);
  addBackupCommands(program, terminal, ends);
  addCheckCommand(program, terminal, ends);
  addJournalCommand(program, terminal, ends);
  addBenchCommand(program, terminal, installedVersion);
  return program;
}

/** Commander's refusals, in one line with a hint. */
function fromCommander(error: CommanderError, args: readonly string[], program: Command): CommandLineError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(rest.join(' ').trim())?.[1];
  const help = `\`greenroom ${[...commandPath(program, args), '--help'].join(' ')}\``;
  if (error.code === 'commander.excessArguments' && args[0] === 'call') {
    return wrongUsage('a command takes one input at most', `put it in quotes, as one JSON value: '{"name": "value"}'`);
  }
  return wrongUsage(first, meant === undefined ? `see ${help}` : `did you mean ${meant}?`);
}

/** The commands that the first arguments name: `journal verify`. */
function commandPath(program: Command, args: readonly string[]): string[] {
  const path: string[] = [];
  let at: Command | undefined = program;
  for (const arg of args) {
    at = at.commands.find((each) => each.name() === arg);
    if (at === undefined) break;
    path.push(arg);
  }
  return path;
}

function report(error: unknown, args: readonly string[], terminal: Terminal): number {
  const known = asCommandLineError(error);
  if (args.includes('--json')) {
    terminal.print(compactJson(known.problem));
    return known.exitCode;
  }
  const { red, bold, dim } = terminal.error;
  terminal.note(`${bold(red('greenroom:'))} ${known.message}`);
  if (known.hint !== undefined) terminal.note(dim(known.hint));
  return known.exitCode;
}

function asCommandLineError(error: unknown): CommandLineError {
  if (error instanceof CommandLineError) return error;
  if (error instanceof ConnectionLost) {
    return new CommandLineError(exitCodes.unavailable, `the node stopped answering: ${error.message}`);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CommandLineError(exitCodes.refused, text, { cause: error });
}
