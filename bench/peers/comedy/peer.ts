/** comedy: actors in memory, in one process of Node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measured, type Peer } from '../peer.ts';
import { npmPackages } from '../programs.ts';

export const comedy: Peer = {
  name: 'comedy',
  operation: 'sendAndReceive (ask) to an in-memory actor in the same process',
  guarantees: 'in memory only',
  comparedWith: ['ask'],
  async run(context) {
    const folder = await npmPackages(context.scratch, 'comedy', 'comedy');
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules/comedy/package.json'), 'utf8'));
    return { version, rates: await measured(new URL('./operations.ts', import.meta.url).href, { folder }, context) };
  },
};
