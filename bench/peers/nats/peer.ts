/** NATS JetStream with three replicas on this machine: an event published, acknowledged by the stream. */
import { join } from 'node:path';
import { measured, type Peer, type PeerContext, type PeerResult } from '../peer.ts';
import { debianProgram, freePorts, npmPackages, output, Program } from '../programs.ts';
import { inSyncedFolder } from '../synced-folder.ts';

export const nats: Peer = {
  name: 'NATS JetStream, 3 replicas',
  operation:
    'publish of an event of 100 B to the counter’s subject, awaited until the stream acknowledges; `nats` client',
  guarantees:
    'written by two of three servers into files, none of them fsynced before (that is done from time to time): survives the end of processes, but a power cut may lose acknowledged events; a publish that is retried may be stored twice',
  comparedWith: ['three copies', 'three copies over HTTP'],
  run,
};

/** The same where every write of the servers is flushed before it returns, so that an acknowledgement means what Greenroom's does. */
export const natsSynced: Peer = {
  name: 'NATS JetStream, 3 replicas, synced',
  operation: 'the same, with the servers’ files on a file system mounted with `sync`',
  guarantees:
    'on disk at two of three servers: survives a power cut of all; a publish that is retried may be stored twice',
  comparedWith: nats.comparedWith,
  run: (context) => inSyncedFolder(context.data, (data) => run({ ...context, data })),
};

async function run(context: PeerContext): Promise<PeerResult> {
  const { scratch, data } = context;
  const folder = await npmPackages(scratch, 'nats', 'nats');
  const program = await debianProgram('nats-server', '/usr/sbin/nats-server', '/usr/bin/nats-server');
  const ports = await freePorts(6);
  const routes = ports
    .slice(3)
    .map((port) => `nats://127.0.0.1:${port}`)
    .join(',');
  const servers: Program[] = [];
  try {
    for (const n of [0, 1, 2]) {
      const flags = ['-a', '127.0.0.1', '-p', String(ports[n]), '-n', `n${n}`, '-js', '-sd', join(data, `n${n}`)];
      flags.push('-cluster', `nats://127.0.0.1:${ports[n + 3]}`, '-cluster_name', 'bench', '-routes', routes);
      servers.push(new Program(program, flags));
    }
    for (const n of [0, 1, 2]) await servers[n]!.listening(ports[n]!);
    const options = { folder, ports: ports.slice(0, 3) };
    const rates = await measured(new URL('./operations.ts', import.meta.url).href, options, context);
    return { version: await output(program, '--version'), rates };
  } finally {
    for (const server of servers) await server.stop();
  }
}
