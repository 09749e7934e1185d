/** A power cut on a living machine: a shim notes each file's size at fsync; after `kill -9` files are cut to it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('./fsync-shim.c', import.meta.url));

export class PowerCut {
  readonly #log: string;
  readonly env: NodeJS.ProcessEnv;

  /** @returns undefined where there is no C compiler, or the system knows no LD_PRELOAD */
  static prepare(directory: string): PowerCut | undefined {
    if (process.platform !== 'linux') return undefined;
    const library = join(directory, 'fsync-shim.so');
    const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    return compiled.status === 0 ? new PowerCut(library, join(directory, 'fsync.log')) : undefined;
  }

  private constructor(library: string, log: string) {
    this.#log = log;
    this.env = { LD_PRELOAD: library, FSYNC_LOG: log, FSYNC_DELAY_US: '3000' };
  }

  /** Forgets the syncs of an earlier process. */
  reset(): void {
    rmSync(this.#log, { force: true });
  }

  /**
   * Cuts every write-ahead log below `directory` to its last synced size; returns how many bytes were lost. Tables
   * and manifests are synced before LevelDB names them.
   */
  cut(directory: string): number {
    const synced = new Map<string, number>();
    if (existsSync(this.#log)) {
      for (const line of readFileSync(this.#log, 'utf8').split('\n')) {
        const space = line.indexOf(' ');
        if (space > 0) synced.set(line.slice(space + 1), Number(line.slice(0, space)));
      }
    }
    let lost = 0;
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/^\d+\.log$/.test(entry.name)) continue;
      const path = resolve(entry.parentPath ?? entry.path, entry.name);
      const { size } = statSync(path);
      const keep = synced.get(path) ?? (hadBefore(path, synced) ? size : 0);
      if (keep >= size) continue;
      truncateSync(path, keep);
      lost += size - keep;
    }
    return lost;
  }
}

/** A log of an earlier process that this one never wrote: it was whole when it was read. */
function hadBefore(path: string, synced: ReadonlyMap<string, number>): boolean {
  const number = Number(/(\d+)\.log$/.exec(path)?.[1]);
  const newest = Math.max(0, ...[...synced.keys()].map((known) => Number(/(\d+)\.log$/.exec(known)?.[1] ?? 0)));
  return number < newest;
}
