/** The bearer tokens that may call: a file with one a line; empty lines and lines that begin with # do not count. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { wrongUsage } from './exit-codes.ts';

/** RFC 6750 tokens travel in a header: printable ASCII without spaces. */
const tokenPattern = /^[\x21-\x7e]+$/;
/** Shorter ones can be guessed. */
export const tokenLengthMin = 16;

export interface Tokens {
  readonly tokens: readonly string[];
  readonly warnings: readonly string[];
}

/** @throws CommandLineError exit code 2 if the file cannot be read, holds no token, or holds one that cannot be sent */
export function readTokensFile(file: string, directory: string): Tokens {
  const path = resolve(directory, file);
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw wrongUsage(`the tokens file cannot be read: ${(error as Error).message}`);
  }
  const lines = content.split(/\r?\n/).map((line, i) => ({ number: i + 1, text: line.trim() }));
  const tokens = lines.filter(({ text }) => text !== '' && !text.startsWith('#'));
  if (tokens.length === 0) {
    throw wrongUsage(
      `${path} holds no token, so nobody could call`,
      'write one token a line, e.g. from: openssl rand -hex 32',
    );
  }
  const bad = tokens.find(({ text }) => !tokenPattern.test(text));
  if (bad) throw wrongUsage(`${path}:${bad.number}: a token is printable ASCII without spaces`);
  const short = tokens.filter(({ text }) => text.length < tokenLengthMin).map(({ number }) => number);
  return {
    tokens: tokens.map(({ text }) => text),
    warnings: [
      ...(short.length === 0
        ? []
        : [`${path}: line ${short.join(', ')}: fewer than ${tokenLengthMin} characters can be guessed`]),
      ...(process.platform !== 'win32' && (statSync(path).mode & 0o004) !== 0
        ? [`${path} can be read by every user of this machine: chmod 600 ${path}`]
        : []),
    ],
  };
}
