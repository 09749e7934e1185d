/** An event-sourced counter whose journal is a table of PostgreSQL: what an actor on a database does for each command. */
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { measured, type Peer, Skipped } from '../peer.ts';
import { debianProgram, freePorts, npmPackages, output, Program } from '../programs.ts';

export const postgresql: Peer = {
  name: 'PostgreSQL, event insert',
  operation:
    'INSERT of an event of 100 B with the next sequence number, prepared, one transaction each, from a pool of at most 64 connections of `pg`; the state stays in the caller’s memory',
  guarantees: 'fsynced before the answer (synchronous_commit on); one copy; a unique key fences double writers',
  comparedWith: ['persisted'],
  async run(context) {
    const { scratch, data } = context;
    const folder = await npmPackages(scratch, 'postgresql', 'pg');
    const versions = [17, 16, 15, 14];
    const postgres = await debianProgram('postgresql', ...versions.map((n) => `/usr/lib/postgresql/${n}/bin/postgres`));
    if (process.getuid?.() !== 0) throw new Skipped('it is started as the user postgres, which only root can do');
    const [uid, gid] = [Number(await output('id', '-u', 'postgres')), Number(await output('id', '-g', 'postgres'))];
    const directory = join(data, 'database');
    await mkdir(directory, { recursive: true });
    for (const path of [data, directory]) await chown(path, uid, gid);
    const initdb = new Program(
      join(postgres, '..', 'initdb'),
      ['-D', directory, '-A', 'trust', '-U', 'bench', '--no-locale', '-E', 'UTF8'],
      { uid, gid, cwd: data },
    );
    await initdb.finished(60_000);
    const [port] = await freePorts(1);
    const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'shared_buffers=512MB', '-c', 'max_wal_size=4GB'];
    const server = new Program(postgres, ['-D', directory, '-p', String(port), '-k', data, ...settings], {
      uid,
      gid,
      cwd: data,
    });
    try {
      await server.listening(port!);
      const rates = await measured(new URL('./operations.ts', import.meta.url).href, { folder, port }, context);
      return { version: await output(postgres, '--version'), rates };
    } finally {
      await server.stop('SIGINT');
    }
  },
};
