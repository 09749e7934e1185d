/** Durable Objects in workerd, by way of miniflare, which needs a newer Node: that is installed from npm, too. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { siblingModule } from '../../../src/bench/child-module.ts';
import { measured, type Peer } from '../peer.ts';
import { freePorts, npmPackages, Program } from '../programs.ts';

export const workerd: Peer = {
  name: 'Durable Objects (workerd)',
  operation: 'POST /c{key}: a Worker asks the key’s object, which gets, puts and answers; over HTTP, SQLite storage',
  guarantees:
    'written to a SQLite file per object before the answer (output gate); one copy; whether it is fsynced is miniflare’s choice',
  comparedWith: ['persisted over HTTP'],
  async run(context) {
    const { scratch, data } = context;
    const folder = await npmPackages(scratch, 'workerd', 'node@22', 'miniflare');
    const [port] = await freePorts(1);
    const program = fileURLToPath(new URL('./server.mjs', import.meta.url));
    const server = new Program(join(folder, 'node_modules/node/bin/node'), [program, folder, String(port), data]);
    try {
      await server.listening(port!);
      const { version } = JSON.parse(await readFile(join(folder, 'node_modules/workerd/package.json'), 'utf8'));
      const http = siblingModule('../../../src/bench/load/http-operations', import.meta.url).href;
      const options = { ports: [port], requests: [{ method: 'POST', path: '/c{key}', body: '1' }] };
      return { version, rates: await measured(http, options, context) };
    } finally {
      await server.stop();
    }
  },
};
