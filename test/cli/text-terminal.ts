/** A terminal of strings: what a command printed, line by line, and what it was told. */
import pico from 'picocolors';
import { runCommandLine } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface TextTerminal extends Terminal {
  readonly printed: string[];
  readonly noted: string[];
}

export interface TextTerminalOptions {
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  readonly isTerminal?: boolean;
  readonly color?: boolean;
  /** What stands on standard input. */
  readonly input?: string;
  /** Answers to questions; without any, nobody can be asked. */
  readonly answers?: boolean[];
}

export function textTerminal(options: TextTerminalOptions = {}): TextTerminal {
  const colors = pico.createColors(options.color ?? false);
  const printed: string[] = [];
  const noted: string[] = [];
  return {
    printed,
    noted,
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    outIsTerminal: options.isTerminal ?? false,
    errorIsTerminal: options.isTerminal ?? false,
    canAsk: options.answers !== undefined,
    out: colors,
    error: colors,
    print: (line) => void printed.push(line),
    note: (line) => void noted.push(line),
    progress: () => {},
    readAll: async () => options.input ?? '',
    confirm: async (question) => {
      noted.push(question);
      return options.answers?.shift() ?? false;
    },
  };
}

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a command line in this process. */
export async function run(args: readonly string[], options: TextTerminalOptions = {}): Promise<Run> {
  const terminal = textTerminal(options);
  const exitCode = await runCommandLine(args, terminal);
  return { exitCode, out: terminal.printed.join('\n'), error: terminal.noted.join('\n') };
}
