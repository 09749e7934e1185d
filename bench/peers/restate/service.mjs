/** The counter as a virtual object of Restate: `node service.mjs <folder of its packages> <port>`. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, port] = process.argv.slice(2);
const restate = createRequire(join(folder, 'package.json'))('@restatedev/restate-sdk');

const counter = restate.object({
  name: 'Counter',
  handlers: {
    add: async (context, by) => {
      const total = ((await context.get('total')) ?? 0) + by;
      context.set('total', total);
      return total;
    },
  },
});

restate.serve({ services: [counter], port: Number(port) });
