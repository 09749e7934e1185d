#!/usr/bin/env node
// Starts the command line; the rest is in src/cli. Kept in plain old syntax, so that an old Node can say it is old.
const nodeMajorMin = 20;

if (Number(process.versions.node.split('.')[0]) < nodeMajorMin) {
  console.error(`greenroom: needs Node.js ${nodeMajorMin} or newer; this is ${process.versions.node}`);
  process.exit(1);
}

// libuv's four threads are few where cold reads and the synced batch meet; must be set before the first one starts.
process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8';

import('../dist/cli/main.js').then(
  (cli) => cli.main(),
  (error) => {
    const isUnbuilt = error && error.code === 'ERR_MODULE_NOT_FOUND' && /dist[\\/]cli[\\/]main/.test(error.message);
    console.error(isUnbuilt ? 'greenroom: not built yet; run `npm run build` in its directory first' : error);
    process.exit(1);
  },
);
