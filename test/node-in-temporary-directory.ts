/** A real node for one test: HTTP and disk included, free ports, a data directory that is removed afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActorClass, type GreenroomNode, startNode } from 'greenroom';

export interface NodeOnDisk {
  readonly node: GreenroomNode;
  /** Stops the node and starts it again on the same disk. */
  restart(): Promise<GreenroomNode>;
}

export async function onRealNode(actors: readonly ActorClass[], run: (on: NodeOnDisk) => Promise<void>): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'greenroom-'));
  const start = () => startNode({ actors, data, node: 'test', port: 0, httpPort: 0, shards: 8, freeze: true });
  let node = await start();
  try {
    await run({
      get node() {
        return node;
      },
      async restart() {
        await node.close();
        node = await start();
        return node;
      },
    });
  } finally {
    await node.close();
    await rm(data, { recursive: true, force: true });
  }
}

/** Asks again until the answer is as wanted: for what follows from a command by tells. */
export async function eventually<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer) || performance.now() > endMs) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
