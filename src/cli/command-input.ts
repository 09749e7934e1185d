/**
 * A command's input from the command line: JSON, `-` for standard input, `@file` for a file. Shells take quotes
 * away, so the usual mistake is a bare word; the error shows how it is written.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import { inputBytesMax, printable, type Terminal } from './terminal.ts';

/** @returns JSON text; undefined for no input. @throws CommandLineError exit code 2 */
export async function readCommandInput(argument: string | undefined, terminal: Terminal): Promise<string | undefined> {
  if (argument === undefined) return undefined;
  if (argument === '-') return fromText(await readStandardInput(terminal), 'standard input');
  if (argument.startsWith('@')) return fromText(readFile(argument.slice(1), terminal.cwd), argument.slice(1));
  if (argument.trim() === '') throw wrongUsage('the input is empty', 'leave it out for a command without input');
  if (parses(argument)) return argument;
  throw wrongUsage(`the input ${quoted(argument)} is not JSON`, howToWrite(argument));
}

async function readStandardInput(terminal: Terminal): Promise<string> {
  try {
    return await terminal.readAll();
  } catch (error) {
    throw wrongUsage((error as Error).message);
  }
}

function readFile(file: string, directory: string): string {
  const path = resolve(directory, file);
  try {
    if (statSync(path).size > inputBytesMax) throw new Error(`${file} is longer than ${inputBytesMax} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw wrongUsage(`the input cannot be read: ${(error as Error).message}`);
  }
}

function fromText(text: string, source: string): string {
  const json = text.replace(/^\ufeff/, '').trim();
  if (json === '') throw wrongUsage(`the input from ${source} is empty`);
  try {
    JSON.parse(json);
  } catch (error) {
    throw new CommandLineError(exitCodes.usage, `the input from ${source} is not JSON: ${(error as Error).message}`);
  }
  return json;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The forms that mistakes take once a shell has eaten the quotes. */
function howToWrite(argument: string): string {
  if (/^[[{]/.test(argument.trim())) {
    const repaired = repairObject(argument);
    return repaired === undefined
      ? 'put it in single quotes, with double quotes inside: \'{"name": "value"}\''
      : `did you mean ${shellQuoted(repaired)}? Names and texts in JSON have double quotes, and the shell needs single ones around it all`;
  }
  return `a text in JSON has quotes of its own: ${shellQuoted(JSON.stringify(argument))}; a file is @file, standard input is -`;
}

/** `{sku:milk,quantity:2}` and `{'sku': 'milk'}` with JSON's quotes; undefined if that does not make JSON of it. */
function repairObject(text: string): string | undefined {
  const repaired = text.replaceAll("'", '"').replace(/(?<=[[{,:]\s*)([A-Za-z_$][\w$.-]*)(?=\s*[\]},:])/g, (word) => {
    return ['true', 'false', 'null'].includes(word) ? word : JSON.stringify(word);
  });
  return parses(repaired) ? repaired : undefined;
}

function shellQuoted(json: string): string {
  return `'${printable(json.replaceAll("'", "'\\''"))}'`;
}

function quoted(argument: string): string {
  return printable(argument.length <= 60 ? argument : `${argument.slice(0, 60)}…`);
}
