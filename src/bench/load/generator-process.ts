/** The program of a load generator's process (see generator.ts). */
import { answerParent } from '../child-module.ts';
import type { GeneratorTask, OpenOperations } from './generator.ts';
import { type LoadResultData, loadResultData } from './load-result.ts';
import { runOnKeys } from './workload.ts';

async function generate({ module, options, keys, load }: GeneratorTask): Promise<LoadResultData> {
  const { openOperations } = (await import(module)) as { openOperations: OpenOperations };
  const operations = await openOperations(options as never, load);
  try {
    return loadResultData(await runOnKeys(load, keys, (key) => operations.once(key)));
  } finally {
    await operations.close();
  }
}

answerParent(({ task }: { readonly task: GeneratorTask }) => generate(task));
