/** What one thread does by itself: packing, turns of the event loop, promises. */
import { seededRandom } from '../../core/random.ts';
import { type CommandBody, decodeCommandBody, encodeCommandBody } from '../../persistence/codec.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { perSecond } from '../load/load-result.ts';
import type { LimitProbe } from './limit.ts';

const body: CommandBody = {
  commandId: 'c4f9a1-1b2c3d4e' as never,
  fingerprint: 0,
  events: [
    { type: 'Added', version: 1, data: { by: 1, note: 'an event of a usual size, about a hundred bytes of it…' } },
  ],
  reply: 42,
  tells: [],
  tellsAcknowledged: 0,
  delivery: undefined,
};
const actorCount = 10_000;

/** How often per second, read off the clock once in 64 times. */
function rateOf(durationMs: number, once: (n: number) => unknown): number {
  const startMs = performance.now();
  let nowMs = startMs;
  let count = 0;
  let kept: unknown;
  while (nowMs < startMs + durationMs) {
    for (let i = 0; i < 64; i++) kept = once(count + i);
    count += 64;
    nowMs = performance.now();
  }
  if (kept === undefined) throw new Error('what is measured gives something');
  return (count * 1_000) / (nowMs - startMs);
}

export const pack: LimitProbe = {
  name: 'pack',
  about: 'msgpackr packs the body of a record with one event of 100 B',
  measure: async ({ durationMs }) => rateOf(durationMs, (n) => encodeCommandBody({ ...body, fingerprint: n })),
};

export const unpack: LimitProbe = {
  name: 'unpack',
  about: 'msgpackr unpacks the same',
  async measure({ durationMs }) {
    const bytes = encodeCommandBody(body);
    return rateOf(durationMs, () => decodeCommandBody(bytes));
  },
};

export const loopTurns: LimitProbe = {
  name: 'loopTurns',
  about: 'turns of the event loop',
  measure: ({ durationMs }) =>
    new Promise((resolve) => {
      const startMs = performance.now();
      let turns = 0;
      const turn = (): void => {
        turns += 1;
        const nowMs = performance.now();
        if (nowMs < startMs + durationMs) setImmediate(turn);
        else resolve((turns * 1_000) / (nowMs - startMs));
      };
      setImmediate(turn);
    }),
};

export const promiseCall: LimitProbe = {
  name: 'promiseCall',
  about: `a promise answered from a microtask by one of ${actorCount.toLocaleString('en-US')} objects in a map, 256 in flight`,
  async measure({ durationMs }) {
    const objects = new Map(Array.from({ length: actorCount }, (_, n) => [`t${n}`, { total: 0 }]));
    const ids = [...objects.keys()];
    const random = seededRandom(1);
    const order = Uint32Array.from({ length: 65_536 }, () => Math.floor(random.next() * actorCount));
    let next = 0;
    const result = await closedLoop({ inFlight: 256, warmUpMs: durationMs / 4, durationMs, timedEvery: 64 }, () => {
      const object = objects.get(ids[order[next++ & 65_535]!]!)!;
      return new Promise<number>((resolve) => {
        queueMicrotask(() => {
          object.total += 1;
          resolve(object.total);
        });
      });
    });
    return perSecond(result);
  },
};
