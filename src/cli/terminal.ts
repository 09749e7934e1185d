/**
 * Where a run of the command line reads and writes. Results go to standard output, everything else to standard
 * error; colour only where a person looks. Commands get a {@link Terminal} instead of `process`, so that tests give
 * them one of strings.
 */
import { createInterface } from 'node:readline/promises';
import pico from 'picocolors';

export type Colors = ReturnType<typeof pico.createColors>;

/** Standard input is read to its end for an input; beyond this it is refused. The same bound as HTTP's for a body. */
export const inputBytesMax = 1024 * 1024;

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Standard output is a terminal. */
  readonly outIsTerminal: boolean;
  /** Standard error is a terminal. */
  readonly errorIsTerminal: boolean;
  /** Somebody can be asked: standard input and standard error are terminals. */
  readonly canAsk: boolean;
  readonly out: Colors;
  readonly error: Colors;
  /** Writes a line of the result. */
  print(line: string): void;
  /** Writes a line that is not part of the result. */
  note(line: string): void;
  /** Overwrites the line before on standard error, if it is a terminal; '' clears it. For progress. */
  progress(line: string): void;
  /** Everything on standard input. @throws RangeError beyond {@link inputBytesMax} */
  readAll(): Promise<string>;
  /** Asks a question that `y` or `yes` answers. */
  confirm(question: string): Promise<boolean>;
}

/** Whether a stream gets colour: `NO_COLOR` (https://no-color.org) wins, then `FORCE_COLOR`, then what the stream is. */
export function usesColor(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return isTerminal && env.TERM !== 'dumb';
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { env, stdin, stdout, stderr } = process;
  const outIsTerminal = stdout.isTTY === true;
  const errorIsTerminal = stderr.isTTY === true;
  return {
    env,
    cwd: process.cwd(),
    outIsTerminal,
    errorIsTerminal,
    canAsk: stdin.isTTY === true && errorIsTerminal,
    out: pico.createColors(usesColor(env, outIsTerminal)),
    error: pico.createColors(usesColor(env, errorIsTerminal)),
    print: (line) => void stdout.write(`${line}\n`),
    note: (line) => void stderr.write(`${line}\n`),
    progress: (line) => {
      if (errorIsTerminal) stderr.write(`\r\u001b[2K${line}`);
    },
    readAll: async () => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of stdin as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > inputBytesMax) throw new RangeError(`standard input is longer than ${inputBytesMax} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
    confirm: async (question) => {
      const lines = createInterface({ input: stdin, output: stderr });
      try {
        return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
      } finally {
        lines.close();
      }
    },
  };
}

/** Text from elsewhere, made safe to print: what could move the cursor or colour the screen shows as an escape. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A value as one line of JSON, safe to print. */
export function compactJson(value: unknown): string {
  return printable(JSON.stringify(value) ?? '');
}

/** A value as indented JSON, safe to print, its keys and scalars coloured. */
export function prettyJson(value: unknown, colors: Colors): string {
  const text = printable(JSON.stringify(value, null, 2) ?? '');
  if (!colors.isColorSupported) return text;
  return text.replace(
    /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g,
    (token, text: string | undefined, colon: string | undefined) => {
      if (text === undefined) return colors.yellow(token);
      return colon === undefined ? colors.green(token) : `${colors.cyan(text)}${colon}`;
    },
  );
}
