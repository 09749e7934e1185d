/** The generator's part of nact: asks one of 10,000 actors. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { keys } from '../peer.ts';

const askWithinMs = 10_000;

export async function openOperations({ folder }: { readonly folder: string }) {
  const { start, spawn, query, dispatch, stop } = createRequire(join(folder, 'package.json'))('nact');
  const system = start();
  const count = (total = 0, message: { readonly by: number; readonly sender: unknown }) => {
    dispatch(message.sender, total + message.by);
    return total + message.by;
  };
  const counters = Array.from({ length: keys.count }, (_, key) => spawn(system, count, `c${key}`));
  return {
    once: (key: number): Promise<unknown> =>
      query(counters[key], (sender: unknown) => ({ by: 1, sender }), askWithinMs) as Promise<unknown>,
    close: async (): Promise<void> => void stop(system),
  };
}
