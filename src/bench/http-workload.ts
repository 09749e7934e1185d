/** A workload over HTTP, from generators in processes of their own. */
import { siblingModule } from './child-module.ts';
import { generateLoad } from './load/generator.ts';
import type { HttpOptions } from './load/http-operations.ts';
import type { LoadResult } from './load/load-result.ts';
import type { Workload } from './load/workload.ts';

/** Beyond as many connections, one generator is slower than a node; more would only share the same cores. */
const generatorsMax = 1;

export function runOverHttp(
  { calls, how, idPrefix, keys, load }: Workload,
  ports: readonly number[],
): Promise<LoadResult> {
  if (how === 'tell') throw new Error('over HTTP every command is answered: there are no tells');
  const options: HttpOptions = {
    ports,
    requests: calls.map(({ actorType, command, input, share = 1 }) => ({
      method: 'POST',
      path: `/v1/actors/${actorType}/${encodeURIComponent(idPrefix)}{key}/${command}`,
      ...(input === undefined ? {} : { body: JSON.stringify(input) }),
      share,
    })),
  };
  const module = siblingModule('./load/http-operations', import.meta.url).href;
  return generateLoad({ module, options, keys, load }, Math.min(generatorsMax, ports.length));
}
