/** A counter as a Durable Object: `node server.mjs <folder of its packages> <port> <data directory>`. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, port, data] = process.argv.slice(2);
const { Miniflare } = createRequire(join(folder, 'package.json'))('miniflare');

const script = `
export class Counter {
  constructor(state) { this.storage = state.storage; }
  async fetch(request) {
    const by = Number(await request.text());
    const total = ((await this.storage.get('total')) ?? 0) + by;
    await this.storage.put('total', total);
    return new Response(String(total));
  }
}
export default {
  fetch(request, env) {
    return env.COUNTER.get(env.COUNTER.idFromName(new URL(request.url).pathname)).fetch(request);
  },
};`;

const server = new Miniflare({
  host: '127.0.0.1',
  port: Number(port),
  modules: true,
  script,
  compatibilityDate: '2025-01-01',
  durableObjects: { COUNTER: { className: 'Counter', useSQLite: true } },
  durableObjectsPersist: data,
});
await server.ready;
process.once('SIGTERM', () => server.dispose().finally(() => process.exit(0)));
