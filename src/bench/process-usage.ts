/** What a process uses, as the system counts it. */
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { NodeUsage } from './cluster-under-test.ts';

/** Of this process: collects garbage first. */
export async function ownUsage(): Promise<NodeUsage> {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, residentBytes: rss, writtenBytes: await writtenBytes(process.pid) };
}

/** Of another process, as far as can be seen from outside (Linux). */
export async function usageOf(processId: number): Promise<NodeUsage> {
  const status = await readFile(`/proc/${processId}/status`, 'utf8').catch(() => '');
  const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
  return { heapBytes: undefined, residentBytes: resident, writtenBytes: await writtenBytes(processId) };
}

/** Bytes a process made the system write to a disk: LevelDB's log, tables and compactions. */
async function writtenBytes(processId: number): Promise<number | undefined> {
  const io = await readFile(`/proc/${processId}/io`, 'utf8').catch(() => '');
  const written = /^write_bytes: (\d+)/m.exec(io)?.[1];
  return written === undefined ? undefined : Number(written);
}

let collect: (() => void) | undefined;

function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  collect();
}
