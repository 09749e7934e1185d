/** What was measured on: without it a figure means nothing. */

import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Histogram } from './load/histogram.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  /** 256 bytes written and fdatasynced, one at a time. */
  readonly fsyncMs: { readonly p50: number; readonly p99: number };
}

const fsyncSamples = 300;

export async function describeMachine(parent: string | undefined): Promise<Machine> {
  const [first] = cpus();
  return {
    processor: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    v8: process.versions.v8,
    fsyncMs: await measureFsync(parent),
  };
}

async function measureFsync(parent: string | undefined): Promise<{ p50: number; p99: number }> {
  const directory = await mkdtemp(join(parent ?? tmpdir(), 'greenroom-fsync-'));
  const file = openSync(join(directory, 'file'), 'w');
  const bytes = Buffer.alloc(256, 7);
  const tookMs = new Histogram();
  try {
    for (let i = 0; i < fsyncSamples; i++) {
      const startMs = performance.now();
      writeSync(file, bytes);
      fdatasyncSync(file);
      tookMs.record(performance.now() - startMs);
    }
  } finally {
    closeSync(file);
    await rm(directory, { recursive: true, force: true });
  }
  return { p50: tookMs.percentileMs(0.5), p99: tookMs.percentileMs(0.99) };
}

/** What is measured: the commit, with a `+` if files differ from it. undefined outside a git checkout. */
export async function sourceRevision(): Promise<string | undefined> {
  const git = async (...args: string[]) => {
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const { stdout } = await promisify(execFile)('git', args, { cwd });
    return stdout.trim();
  };
  try {
    const commit = await git('rev-parse', '--short=12', 'HEAD');
    return (await git('status', '--porcelain')) === '' ? commit : `${commit}+`;
  } catch {
    return undefined;
  }
}
