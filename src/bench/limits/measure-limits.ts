/** Takes one sample of each limit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fdatasync, leveldbBatch256, leveldbBatch4096, pointRead } from './disk.ts';
import type { LimitName, LimitProbe, Limits } from './limit.ts';
import { loopTurns, pack, promiseCall, unpack } from './processor.ts';
import { httpEcho64, httpEcho256, websocketBatch, websocketFrame } from './wire.ts';

const probes: readonly LimitProbe[] = [
  fdatasync,
  leveldbBatch256,
  leveldbBatch4096,
  pointRead,
  websocketFrame,
  websocketBatch,
  httpEcho64,
  httpEcho256,
  pack,
  unpack,
  loopTurns,
  promiseCall,
];

export const limitNames: readonly LimitName[] = probes.map(({ name }) => name);

export interface LimitsRun {
  /** Where data directories are made; default: the system's temporary directory. */
  readonly parent: string | undefined;
  readonly durationMs: number;
  /** Default: all. */
  readonly only?: readonly LimitName[];
  readonly onProgress: (message: string) => void;
}

export async function measureLimits(limits: Limits, run: LimitsRun): Promise<void> {
  for (const { name, about, measure } of probes) {
    if (run.only && !run.only.includes(name)) continue;
    run.onProgress(`limit: ${name}`);
    const directory = await mkdtemp(join(run.parent ?? tmpdir(), 'greenroom-limit-'));
    try {
      limits.add(name, about, await measure({ directory, durationMs: run.durationMs }));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
