/**
 * A load generator in a process of its own, so that it and the system under test do not share an event loop. The same
 * program for Greenroom and for peers: a module says how one operation is made, everything else is the same.
 */
import { endChild, forkModule, nextMessage, siblingModule } from '../child-module.ts';
import type { KeyChoice } from './keys.ts';
import { addedUp, type LoadResult, type LoadResultData, loadResultFrom } from './load-result.ts';
import { type Load, longestMs, type Operations, shareOfLoad } from './workload.ts';

export interface GeneratorTask {
  /** URL of a module that exports {@link OpenOperations} as `openOperations`. */
  readonly module: string;
  /** What `openOperations` gets. Plain data. */
  readonly options: unknown;
  readonly keys: KeyChoice;
  readonly load: Load;
}

export type OpenOperations = (options: never, load: Load) => Promise<Operations>;

/** On top of the load's own time: starting, connecting, closing. */
const marginMs = 30_000;

/** Runs a load in `generators` processes that share it. */
export async function generateLoad(task: GeneratorTask, generators = 1): Promise<LoadResult> {
  const results = await Promise.all(
    Array.from({ length: generators }, (_, index) => {
      const { seed = 1 } = task.keys;
      const keys = { ...task.keys, seed: seed + index };
      return generateInChild({ ...task, keys, load: shareOfLoad(task.load, index, generators) });
    }),
  );
  return addedUp(results);
}

async function generateInChild(task: GeneratorTask): Promise<LoadResult> {
  const child = forkModule(siblingModule('./generator-process', import.meta.url));
  try {
    child.send({ task });
    return loadResultFrom(await nextMessage<LoadResultData>(child, longestMs(task.load) + marginMs));
  } finally {
    await endChild(child);
  }
}
