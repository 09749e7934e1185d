/**
 * What the nodes of `greenroom dev` are called, where they listen, and how each is started. The first founds the cluster
 * and the others join it; afterwards each knows the others from its data, by their addresses: so several nodes keep their
 * ports for as long as their data is kept.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { devShutdownGrace } from './dev-node.ts';
import { CommandLineError, exitCodes, wrongUsage } from './exit-codes.ts';
import type { ResolvedSettings } from './layered-settings.ts';
import { flagName, settings } from './settings.ts';
import type { Terminal } from './terminal.ts';

export interface DevNodePlan {
  readonly name: string;
  /** The arguments of `greenroom start`. */
  readonly args: readonly string[];
}

export interface DevPlan {
  readonly nodes: readonly DevNodePlan[];
  /** The nodes know each other from an earlier run. */
  readonly isKnown: boolean;
}

/** In the data directory: the cluster ports of the nodes in it. */
const portsName = 'cluster-ports.json';
/** Below the ports that Linux (from 32,768), macOS and Windows (from 49,152) give away by themselves. */
const freePorts = { from: 10_000, to: 32_768 };
const freePortTriesMax = 20;
/** What the command line gave this command itself. */
const decidedHere: ReadonlySet<string> = new Set(['actors', 'data', 'port', 'httpPort', 'logFormat']);

/** @throws CommandLineError if ports are taken, or are not those that the nodes in the directory know of each other */
export async function planNodes(
  count: number,
  resolved: ResolvedSettings,
  directory: string,
  terminal: Terminal,
): Promise<DevPlan> {
  const { values } = resolved;
  const known = knownPorts(directory);
  if (known.length > count) {
    throw wrongUsage(
      `the data directory holds a cluster of ${known.length} nodes, and ${count} of them may not be its majority`,
      `give --nodes ${known.length}, or --fresh to start empty`,
    );
  }
  const cluster = await claimPorts(values.host, wantedPorts(values.port, count, known), '--port');
  if (known.length > 1 && known.some((port, i) => port !== cluster[i])) {
    throw wrongUsage(
      `the nodes in the data directory know each other at the ports ${known.join(', ')}, and not at ${cluster.join(', ')}`,
      `give --port ${known[0]}, or --fresh to start empty`,
    );
  }
  const http =
    values.httpPort === false
      ? undefined
      : await claimPorts(values.httpHost ?? values.host, wantedPorts(values.httpPort, count, []), '--http-port');
  writeFileSync(join(directory, portsName), `${JSON.stringify(cluster)}\n`);
  const names = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));
  return {
    nodes: names.map((name, i) => ({
      name,
      args: [
        ...['--node', name, '--data', join(directory, name), '--shutdown-grace', devShutdownGrace],
        ...['--port', String(cluster[i]), '--http-port', String(http?.[i] ?? 'off')],
        ...['--advertise', `${joinHost(values.host)}:${cluster[i]}`],
        ...(i === 0 ? ['--found'] : ['--join', `${joinHost(values.host)}:${cluster[0]}`]),
        ...passedOn(resolved, terminal),
        '--',
        ...values.actors,
      ],
    })),
    isKnown: known.length === count && existsSync(join(directory, names.at(-1)!)),
  };
}

/** What this command was given; variables and the file the nodes read themselves. */
function passedOn({ values, origins }: ResolvedSettings, terminal: Terminal): string[] {
  const format = values.logFormat ?? (terminal.errorIsTerminal ? 'pretty' : 'json');
  const given = settings.flatMap((setting) => {
    const { value, source } = origins.get(setting.key)!;
    if (decidedHere.has(setting.key) || source !== flagName(setting)) return [];
    return (Array.isArray(value) ? value : [value]).flatMap((each) => [source, String(each)]);
  });
  return ['--log-format', format, ...given];
}

/** A node that listens on every address is reached on loopback here. */
function joinHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function knownPorts(directory: string): readonly number[] {
  try {
    const ports: unknown = JSON.parse(readFileSync(join(directory, portsName), 'utf8'));
    return Array.isArray(ports) && ports.every((port) => Number.isInteger(port)) ? ports : [];
  } catch {
    return [];
  }
}

/** From the first on, one after another; 0 for a free one. */
function wantedPorts(first: number, count: number, known: readonly number[]): readonly number[] {
  return Array.from({ length: count }, (_, i) => (first === 0 ? (known[i] ?? 0) : first + i));
}

/** Free ports, the same over every restart. All are held until the last is found, so that no two are the same. */
async function claimPorts(host: string, wanted: readonly number[], flag: string): Promise<readonly number[]> {
  const servers: Server[] = [];
  try {
    for (const port of wanted)
      servers.push(port === 0 ? await listenAnywhere(host, flag) : await listen(host, port, flag));
    return servers.map((server) => (server.address() as { port: number }).port);
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/**
 * One that systems do not give to outgoing connections and to who asks for any port: nobody has it when its node, which
 * is not running for a moment now and at each restart, listens.
 */
async function listenAnywhere(host: string, flag: string): Promise<Server> {
  for (let tries = 0; tries < freePortTriesMax; tries++) {
    const port = freePorts.from + Math.floor(Math.random() * (freePorts.to - freePorts.from));
    try {
      return await listen(host, port, flag);
    } catch {}
  }
  return listen(host, 0, flag);
}

function listen(host: string, port: number, flag: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    if (port > 65_535)
      throw wrongUsage(`there is no port ${port}`, `give ${flag} a lower one: each node takes the next`);
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      const message = inUse
        ? `port ${port} is in use by another process`
        : `cannot listen on ${host}:${port}: ${error.message}`;
      const hint = inUse ? `stop that one, or give ${flag} another port (0 picks a free one)` : undefined;
      reject(new CommandLineError(exitCodes.refused, message, { hint }));
    });
    server.listen(port, host, () => resolve(server));
  });
}
