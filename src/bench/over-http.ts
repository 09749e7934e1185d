/** Persisted commands over HTTP: parsing, actor, fsync, answer. */
import { startNode } from '../start-node.ts';
import { Counter } from './actors.ts';
import { runHttpLoad } from './http-load.ts';
import type { Benchmark } from './measure.ts';

const actorCount = 10_000;

export const overHttp: Benchmark = {
  name: 'http',
  about: 'the same persisted command over HTTP, 256 keep-alive connections, load generator in a thread of its own',
  isDurable: true,
  async run({ scale, directory }) {
    const node = await startNode({ actors: [Counter], port: 0, httpPort: 0, data: await directory() });
    try {
      const port = Number(new URL(node.httpUrl!).port);
      const load = { port, connections: 256, actorCount, type: 'Counter', command: 'add', body: '1' };
      await runHttpLoad({ ...load, total: Math.ceil(10_000 * scale) });
      const result = await runHttpLoad({ ...load, total: Math.ceil(100_000 * scale) });
      if (result.errors > 0) throw new Error(`${result.errors} requests failed`);
      return [
        { name: 'persisted command over HTTP, 256 connections', unit: '/s', value: result.perSecond },
        { name: 'its latency, p50', unit: 'ms', value: result.p50Ms },
        { name: 'its latency, p99', unit: 'ms', value: result.p99Ms },
      ];
    } finally {
      await node.close();
    }
  },
};
