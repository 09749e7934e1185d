/** nact: actors in memory, in one process of Node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measured, type Peer } from '../peer.ts';
import { npmPackages } from '../programs.ts';

export const nact: Peer = {
  name: 'nact',
  operation: 'query (ask) of a stateful actor in the same process',
  guarantees: 'in memory only',
  comparedWith: ['ask'],
  async run(context) {
    const folder = await npmPackages(context.scratch, 'nact', 'nact');
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules/nact/package.json'), 'utf8'));
    return { version, rates: await measured(new URL('./operations.ts', import.meta.url).href, { folder }, context) };
  },
};
