/**
 * The options of every command that talks to a running node, and suggestions from what that node serves. `--url`,
 * `--token` and `--json` may stand before the command as well as after it.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseActorId, parseNodeName } from '../core/ids.ts';
import { CommandLineError, wrongUsage } from './exit-codes.ts';
import { NodeApi, type RequestOptions } from './node-api.ts';
import { didYouMean } from './suggestion.ts';
import type { Terminal } from './terminal.ts';
import { trustingFetch } from './trusting-fetch.ts';

export const urlDefault = 'http://127.0.0.1:8400';

export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly ca?: string;
  readonly json?: boolean;
}

/** One of the node's actor types, as `GET /v1/actors` says. */
export interface TypeAnswer {
  readonly name: string;
  readonly kind: string;
  readonly commands: readonly { readonly name: string; readonly schema?: string }[];
}

/** Adds the options to a command. */
export function withConnection(command: Command): Command {
  return command
    .option('--url <url>', `the node's HTTP address (GREENROOM_URL; default ${urlDefault})`)
    .option('--token <token>', 'the bearer token (GREENROOM_TOKEN)')
    .option('--ca <file>', 'who signed the certificate of an https:// node, in PEM (GREENROOM_CA)')
    .option('--json', 'print JSON, also of errors');
}

/** The node that a command was given. @throws CommandLineError exit code 2 */
export function connect(command: Command, terminal: Terminal): NodeApi {
  const options = command.optsWithGlobals<ConnectionOptions>();
  const source = options.url !== undefined ? '--url' : 'GREENROOM_URL';
  const given = options.url ?? (terminal.env.GREENROOM_URL || urlDefault);
  const url = given.includes('://') ? given : `http://${given}`;
  if (!URL.canParse(url) || !/^https?:/.test(url) || /\s/.test(given)) {
    throw wrongUsage(`${source}: '${given}' is not an HTTP address such as ${urlDefault}`);
  }
  const { origin, pathname, username } = new URL(url);
  if (username !== '')
    throw wrongUsage(`${source}: give the token with --token or GREENROOM_TOKEN, not in the address`);
  const token = options.token ?? (terminal.env.GREENROOM_TOKEN || undefined);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw wrongUsage('the token has characters that cannot be sent: it is printable ASCII without spaces');
  }
  return new NodeApi(`${origin}${pathname.replace(/\/+$/, '')}`, token, fetchFor(options, terminal));
}

/** `fetch`, or one that believes the given authority. @throws CommandLineError exit code 2 */
function fetchFor({ ca }: ConnectionOptions, terminal: Terminal): typeof fetch {
  const file = ca ?? (terminal.env.GREENROOM_CA || undefined);
  if (file === undefined) return fetch;
  const source = ca !== undefined ? '--ca' : 'GREENROOM_CA';
  let text: string;
  try {
    text = readFileSync(resolve(terminal.cwd, file), 'utf8');
  } catch (error) {
    throw wrongUsage(`${source} cannot be read: ${(error as Error).message}`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw wrongUsage(`${source}: ${file} holds no certificate in PEM`);
  return trustingFetch(text);
}

/** Whether the result is wanted as JSON. */
export function wantsJson(command: Command): boolean {
  return command.optsWithGlobals<ConnectionOptions>().json === true;
}

/** What the node serves, by name. */
export async function servedTypes(
  api: NodeApi,
  options: Pick<RequestOptions, 'timeoutMs'> = {},
): Promise<readonly TypeAnswer[]> {
  const { types } = await api.get<{ types: readonly TypeAnswer[] }>('/v1/actors', options);
  return [...types].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Runs `ask`, and if the node knows no such type or command, adds what was probably meant. */
export async function withSuggestions<T>(
  api: NodeApi,
  names: { readonly type: string; readonly command?: string },
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    const { code } = error.problem;
    if (code !== 'UNKNOWN_ACTOR_TYPE' && code !== 'UNKNOWN_COMMAND') throw error;
    const types = await servedTypes(api).catch(() => undefined);
    if (types === undefined) throw error;
    throw new CommandLineError(error.exitCode, error.message, {
      problem: error.problem,
      cause: error,
      hint: code === 'UNKNOWN_ACTOR_TYPE' ? typeHint(names.type, types) : commandHint(names, types),
    });
  }
}

function typeHint(type: string, types: readonly TypeAnswer[]): string | undefined {
  return didYouMean(
    type,
    types.map(({ name }) => name),
  );
}

function commandHint(names: { type: string; command?: string }, types: readonly TypeAnswer[]): string | undefined {
  const commands = types.find(({ name }) => name === names.type)?.commands.map(({ name }) => name);
  return commands === undefined ? undefined : didYouMean(names.command ?? '', commands);
}

/** A whole number from an option. @throws CommandLineError exit code 2 */
export function wholeOption(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw wrongUsage(`${name}: '${text}' is not a whole number ${range}`);
}

/** An actor id, checked before it is sent. @throws CommandLineError exit code 2 */
export function checkedId(id: string): string {
  return asUsage(() => parseActorId(id));
}

/** A node's name, checked before it is sent. @throws CommandLineError exit code 2 */
export function checkedNode(name: string): string {
  return asUsage(() => parseNodeName(name));
}

/** Runs a parser whose refusal is wrong usage. @throws CommandLineError exit code 2 */
export function asUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw wrongUsage((error as Error).message);
  }
}
