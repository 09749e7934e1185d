/** The generator's part of comedy: asks one of 10,000 actors. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { keys } from '../peer.ts';

interface ComedyActor {
  createChild(definition: object): Promise<ComedyActor>;
  sendAndReceive(topic: string, message: unknown): Promise<unknown>;
}

export async function openOperations({ folder }: { readonly folder: string }) {
  const { createSystem } = createRequire(join(folder, 'package.json'))('comedy');
  const system = createSystem({ loggerConfig: { categories: { Default: 'Error' } } });
  const root: ComedyActor = await system.rootActor();
  const counters: ComedyActor[] = [];
  for (let key = 0; key < keys.count; key++) {
    let total = 0;
    counters.push(
      await root.createChild({
        add: (by: number) => {
          total += by;
          return total;
        },
      }),
    );
  }
  return {
    once: (key: number): Promise<unknown> => counters[key]!.sendAndReceive('add', 1),
    close: () => system.destroy() as Promise<void>,
  };
}
