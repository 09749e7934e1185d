/**
 * Running one node in this process, from its settings to its exit. Standard output gets one line, when the node can serve;
 * everything else is a log on standard error.
 *
 * The order of a stop: the first signal closes the node (no new commands; those in progress get the grace; then what
 * they recorded is on disk) and exits 0. A second one, or a grace that is over, exits at once, as in a crash, which
 * loses nothing that was acknowledged.
 */
import { resolve } from 'node:path';
import type { NodeOptions } from '../cluster/node-options.ts';
import { AssertionFailure } from '../core/assert.ts';
import { GreenroomError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { isLoopback } from '../http/origin-guard.ts';
import { JournalError } from '../persistence/journal.ts';
import type { GreenroomNode } from '../start-node.ts';
import { ActorModulesError, commandsWithoutInput, type LoadedActors, loadActorModules } from './actor-modules.ts';
import { readCredentials } from './credential-files.ts';
import { CommandLineError, exitCodeOf, exitCodes, wrongUsage } from './exit-codes.ts';
import type { ResolvedSettings } from './layered-settings.ts';
import { freezeVariable, parentGone, probeVariable, tellParent } from './parent-channel.ts';
import { pinoLog } from './pino-log.ts';
import type { NodeSettings, SettingKey } from './settings.ts';
import { listenForStop } from './stop-signals.ts';
import { type Terminal, usesColor } from './terminal.ts';
import { readTokensFile } from './tokens-file.ts';

/** On top of the grace, for closing what is open; then the stop is one at once. */
export const closingMarginMs = 5_000;

/**
 * @param acceptLoss no setting: it is said for one start
 * @returns the exit code, once the node has stopped. @throws CommandLineError if it does not start
 */
export async function runNode(resolved: ResolvedSettings, terminal: Terminal, acceptLoss = false): Promise<number> {
  const signals = listenForStop((exitCode) => process.exit(exitCode));
  const { values } = resolved;
  const log = pinoLog({
    level: values.logLevel,
    format: values.logFormat ?? (terminal.errorIsTerminal ? 'pretty' : 'json'),
    color: usesColor(terminal.env, terminal.errorIsTerminal),
  });
  guardProcess(log);
  const { options, warnings } = nodeOptions(resolved, terminal, log);
  for (const warning of [...resolved.warnings, ...warnings]) log.warn(warning);
  const actors = await loadAndTell(values.actors, terminal);
  const starting = start({ ...options, actors, acceptLoss });
  const node = await Promise.race([starting, signals.first.then(() => undefined)]);
  if (node === undefined) {
    // It may wait for members that are not there: then there is nothing to hand over.
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), values.shutdownGrace));
    const started = await Promise.race([starting, late]);
    if (started === undefined) process.exit(exitCodes.done);
    return stop(started, 'a signal while starting', values.shutdownGrace, log);
  }
  terminal.print(readyLine(node));
  const reason = await Promise.race([
    signals.first.then((signal) => ({ why: signal as string, failure: undefined })),
    parentGone(terminal.env).then(() => ({ why: 'its supervisor is gone', failure: undefined })),
    node.failed.then((failure) => ({ why: 'the journal failed', failure })),
  ]);
  if (reason.failure === undefined) return stop(node, reason.why, values.shutdownGrace, log);
  const isExpelled = reason.failure instanceof GreenroomError && reason.failure.code === 'FORBIDDEN';
  if (isExpelled) log.warn('this node is no member of its cluster any more and stops', { why: reason.failure.message });
  else log.error('the journal failed; this node can keep nothing any more and stops', { error: reason.failure });
  await stop(node, isExpelled ? 'no member any more' : reason.why, values.shutdownGrace, log);
  return isExpelled ? exitCodes.done : exitCodes.refused;
}

/** The one line on standard output. */
export function readyLine(node: Pick<GreenroomNode, 'name' | 'clusterAddress' | 'httpUrl'>): string {
  return `greenroom node=${node.name} cluster=${node.clusterAddress} http=${node.httpUrl ?? 'off'} ready`;
}

async function loadAndTell(files: readonly string[], terminal: Terminal): Promise<LoadedActors['actors']> {
  try {
    const loaded = await loadActorModules(files, terminal.cwd);
    tellParent({ type: 'loaded', files: loaded.files, withoutInput: commandsWithoutInput(loaded.actors) });
    if (terminal.env[probeVariable] !== '1') return loaded.actors;
    const { GreenroomProbe } = await import('./dev-probe-actor.ts');
    return [...loaded.actors, GreenroomProbe];
  } catch (error) {
    if (error instanceof ActorModulesError) tellParent({ type: 'loaded', files: error.files, withoutInput: {} });
    throw error;
  }
}

/** Only what was set is passed on: a store that was founded with other values than the defaults is no contradiction. */
function nodeOptions(
  { values, origins }: ResolvedSettings,
  terminal: Terminal,
  log: Log,
): { options: Omit<NodeOptions, 'actors'>; warnings: readonly string[] } {
  const ifSet = <K extends SettingKey>(key: K) =>
    origins.get(key)?.source === 'default' ? {} : { [key]: values[key] };
  const tokens = values.tokensFile === undefined ? undefined : readTokensFile(values.tokensFile, terminal.cwd);
  const credentials = readCredentials(values, terminal.cwd, Date.now());
  const httpHost = values.httpHost ?? values.host;
  const isOpen = values.httpPort !== false && !isLoopback(httpHost) && tokens === undefined;
  const options = {
    ...ifSet('node'),
    ...ifSet('host'),
    ...ifSet('port'),
    ...ifSet('advertise'),
    ...ifSet('join'),
    ...ifSet('found'),
    ...ifSet('zone'),
    ...ifSet('httpHost'),
    ...ifSet('httpPort'),
    ...ifSet('httpAdvertise'),
    ...ifSet('replicas'),
    ...ifSet('shards'),
    ...ifSet('passivateAfter'),
    ...ifSet('maxActive'),
    ...ifSet('shutdownGrace'),
    ...(values.data === undefined ? {} : { data: resolve(terminal.cwd, values.data) }),
    ...(credentials.tls === undefined ? {} : { tls: credentials.tls }),
    ...(credentials.secret === undefined ? {} : { secret: credentials.secret }),
    ...(tokens === undefined ? {} : { tokens: tokens.tokens }),
    ...(values.corsOrigin.length === 0 ? {} : { corsOrigins: values.corsOrigin }),
    freeze: terminal.env[freezeVariable] === '1',
    log,
  };
  const clusterPlace = clusterSocketWarnings(values, credentials);
  const open = `HTTP listens on ${httpHost} without tokens: whoever can reach it can read, change and delete every actor; give --tokens-file, or listen on 127.0.0.1`;
  const inClear =
    tokens !== undefined && values.httpPort !== false && !isLoopback(httpHost) && credentials.tls === undefined
      ? [
          `HTTP listens on ${httpHost} without TLS: tokens travel in clear; give --tls-cert and --tls-key, or put a proxy in front`,
        ]
      : [];
  return {
    options,
    warnings: [
      ...(tokens?.warnings ?? []),
      ...credentials.warnings,
      ...clusterPlace,
      ...(isOpen ? [open] : []),
      ...inClear,
    ],
  };
}

/** Every address of a machine, which is none to reach it at. */
const everywhere: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);

/** @throws CommandLineError for a node that joins and that nobody could reach */
function clusterSocketWarnings(
  { host, port, advertise, join }: NodeSettings,
  { secret, tls }: ReturnType<typeof readCredentials>,
): readonly string[] {
  const warnings: string[] = [];
  if (everywhere.has(host) && advertise === undefined) {
    const problem = `--host ${host} listens everywhere, but is no address at which other nodes reach this one`;
    if (join.length > 0) throw wrongUsage(problem, `give --advertise <host>:${port}`);
    warnings.push(`${problem}: give --advertise <host>:${port} before others join`);
  }
  if (!isLoopback(host) && secret === undefined && tls?.ca === undefined)
    warnings.push(
      `the cluster socket listens on ${host} without a secret: whoever can reach it can join and read everything; give --secret-file, or certificates with --tls-ca`,
    );
  if (!isLoopback(host) && tls !== undefined && tls.ca === undefined)
    warnings.push(
      `HTTP has TLS, and the links between nodes, on ${host}, have not: what they carry can be read on the way; give --tls-ca, too`,
    );
  return warnings;
}

/** Starts the node, its refusals in the words of the command line. */
async function start(options: NodeOptions): Promise<GreenroomNode> {
  const { startNode } = await import('../start-node.ts');
  try {
    return await startNode(options);
  } catch (error) {
    throw startFailure(error, options);
  }
}

function startFailure(error: unknown, options: NodeOptions): unknown {
  if (error instanceof GreenroomError && error.code === 'BAD_REQUEST') return wrongUsage(error.message);
  if (error instanceof JournalError) return new CommandLineError(exitCodes.refused, error.message, { cause: error });
  const { code, port, address } = systemErrorOf(error);
  if (code === 'EADDRINUSE') {
    const flag = port === (options.httpPort ?? 8400) ? '--http-port' : '--port';
    return new CommandLineError(exitCodes.refused, `port ${port} is in use by another process`, {
      hint: `stop that one, or give ${flag} another port (0 picks a free one)`,
      cause: error,
    });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return wrongUsage(`${address ?? options.host} is no address of this machine, so nothing can listen there`);
  }
  if (code === 'EACCES' && port !== undefined) {
    return new CommandLineError(exitCodes.refused, `this user may not listen on port ${port}`, {
      hint: 'ports below 1024 are for privileged processes: give another one',
    });
  }
  if (error instanceof GreenroomError)
    return new CommandLineError(exitCodeOf(error.code), error.message, { cause: error });
  return error;
}

interface SystemError {
  readonly code?: string;
  readonly port?: number;
  readonly address?: string;
}

/** The system's own error in the chain of causes. */
function systemErrorOf(error: unknown): SystemError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('syscall' in at) return at as SystemError;
  }
  return {};
}

async function stop(node: GreenroomNode, why: string, graceMs: number, log: Log): Promise<number> {
  log.info('stopping', { why });
  const deadline = setTimeout(() => {
    log.error('the stop took longer than its grace; going on as in a crash, which loses nothing that was acknowledged');
    process.exit(exitCodes.refused);
  }, graceMs + closingMarginMs);
  try {
    await node.close();
  } catch (error) {
    log.error('stopping failed', { error });
    return exitCodes.refused;
  } finally {
    clearTimeout(deadline);
  }
  log.info('stopped');
  return exitCodes.done;
}

/**
 * A promise that user code forgot to await must not take the node with it: it is logged. A broken invariant, or an
 * exception that nobody caught, does: what it left behind is not known, and a crash is safe.
 */
function guardProcess(log: Log): void {
  process.on('unhandledRejection', (reason) => {
    if (reason instanceof AssertionFailure) throw reason;
    log.error('a promise was rejected and nobody handled it: an await or a catch is missing', { error: reason });
  });
  process.on('uncaughtException', (error) => {
    log.error('an exception was not caught; the node stops as in a crash', { error });
    process.exit(exitCodes.refused);
  });
}
