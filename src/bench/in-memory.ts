/** Local tell and ask: what a command costs without any disk. */
import { startNode } from '../start-node.ts';
import { Tally } from './actors.ts';
import { type Benchmark, closedLoop } from './measure.ts';

const actorCount = 10_000;
/** Spreads consecutive commands over the actors. */
const stride = 7_919;
const tellsPerTurnOfTheLoop = 10_000;

export const inMemory: Benchmark = {
  name: 'in-memory',
  about: 'tell and ask (256 in flight) on 10,000 actors in memory, through the public API',
  isDurable: false,
  async run({ scale, directory }) {
    const node = await startNode({ actors: [Tally], port: 0, httpPort: false, data: await directory() });
    try {
      const refs = Array.from({ length: actorCount }, (_, index) => node.actor(Tally, `t${index}`));
      const tells = refs.map((ref) => node.tell(ref));
      await closedLoop(actorCount, 256, (index) => refs[index]!.add(1));
      const tellTotal = Math.ceil((1_500_000 * scale) / tellsPerTurnOfTheLoop) * tellsPerTurnOfTheLoop;
      const startMs = performance.now();
      for (let sent = 0; sent < tellTotal; sent += tellsPerTurnOfTheLoop) {
        for (let i = 0; i < tellsPerTurnOfTheLoop; i++) tells[((sent + i) * stride) % actorCount]!.add(1);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const tellRate = (tellTotal * 1_000) / (performance.now() - startMs);
      const askTotal = Math.ceil(600_000 * scale);
      return [
        { name: 'local tell', unit: '/s', value: tellRate },
        {
          name: 'local ask, 256 in flight',
          unit: '/s',
          value: await closedLoop(askTotal, 256, (i) => refs[(i * stride) % actorCount]!.add(1)),
        },
        {
          name: 'local ask, 1 in flight',
          unit: '/s',
          value: await closedLoop(Math.ceil(askTotal / 4), 1, (i) => refs[(i * stride) % actorCount]!.add(1)),
        },
      ];
    } finally {
      await node.close();
    }
  },
};
