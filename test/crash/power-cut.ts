/**
 * A power cut on a living machine: a shim notes each file's size at fsync; after `kill -9` files are cut to it. What a
 * process wrote and did not sync stays unsynced in its next life, until that one syncs it. Names are kept: a rename or
 * a removal that a power cut would undo is not undone.
 */
import { spawnSync } from 'node:child_process';
import {
  type BigIntStats,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('./fsync-shim.c', import.meta.url));
/** LevelDB's diary and its lock: nobody reads them. */
const unread = new Set(['LOG', 'LOG.old', 'LOCK']);

/** @returns the shim's library, or undefined where there is no C compiler, or the system knows no LD_PRELOAD */
export function compileShim(directory: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const library = join(directory, 'fsync-shim.so');
  return spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']).status === 0 ? library : undefined;
}

/** The disk of one node, from the first file on. */
export class PowerCut {
  readonly #log: string;
  readonly #delay: string;
  readonly #synced = new Map<string, number>();
  readonly env: NodeJS.ProcessEnv;

  /** @param path what the shim's files are called, without their endings */
  constructor(library: string, path: string) {
    this.#log = `${path}.synced`;
    this.#delay = `${path}.delay`;
    this.env = { LD_PRELOAD: library, FSYNC_LOG: this.#log, FSYNC_DELAY_FILE: this.#delay };
  }

  /** From now on every fsync takes so much longer; 0 is over. */
  slow(delayMs: number): void {
    if (delayMs === 0) rmSync(this.#delay, { force: true });
    else writeFileSync(this.#delay, String(delayMs * 1_000));
  }

  /** Reads what was synced. Only while the node does not run. */
  #fold(): void {
    if (!existsSync(this.#log)) return;
    for (const line of readFileSync(this.#log, 'utf8').split('\n')) {
      const [size, file] = line.split(' ');
      if (file !== undefined) this.#synced.set(file, Math.max(Number(size), this.#synced.get(file) ?? 0));
    }
    rmSync(this.#log);
  }

  /** Cuts every file below `directory` to what was synced of it; returns how many bytes were lost. */
  cut(directory: string): number {
    this.#fold();
    let lost = 0;
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || unread.has(entry.name)) continue;
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const status = statSync(path, { bigint: true });
      const keep = this.#synced.get(identity(status)) ?? 0;
      if (keep >= status.size) continue;
      truncateSync(path, keep);
      lost += Number(status.size) - keep;
    }
    return lost;
  }
}

/** As the shim writes it. */
function identity({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino}:${birthtimeNs}`;
}
