/**
 * What lies under the data directories of a cluster in trouble. As root, each node has a small ext4 of its own in an
 * image file, so that it can be filled without filling the machine's; where there is a C compiler, a shim notes what
 * each node synced, so that the rest can be lost, and makes syncs slow.
 *
 * The mounts are to be made in a mount namespace of the run: then they end with it, however it ends. Ballast is
 * allocated and not written.
 */
import { type ExecFileSyncOptions, execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { compileShim, PowerCut } from '../crash/power-cut.ts';
import type { Need } from './chaos-fault.ts';

/** Sparse: what is not written takes nothing. */
const imageSize = '1G';
/** LevelDB writes to what its files have left of a block: less than this can hide between two looks. */
const smallestBallast = 4_096;
const quietly: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'pipe'] };

export interface StorageOptions {
  readonly directory: string;
  /** In a mount namespace of the run, as root. */
  readonly canMount: boolean;
}

export class NodeStorage {
  readonly #directory: string;
  readonly #library: string | undefined;
  readonly #powers = new Map<string, PowerCut>();
  readonly #mounted = new Set<string>();
  /** Why a fault that needs it has to be left out. */
  readonly missing: Readonly<Partial<Record<Need, string>>>;
  #ballasts = 0;

  constructor({ directory, canMount }: StorageOptions) {
    this.#directory = directory;
    chmodSync(directory, 0o777);
    this.#library = compileShim(directory);
    const noDisks = canMount ? this.#tryMount() : 'takes root, mount and mkfs.ext4';
    this.missing = {
      ...(noDisks === undefined ? {} : { 'own disks': noDisks }),
      ...(this.#library === undefined ? { 'sync shim': 'takes Linux and a C compiler (cc)' } : {}),
    };
  }

  /** @returns why it cannot be done */
  #tryMount(): string | undefined {
    try {
      this.#mount('probe');
      this.release('probe');
      return undefined;
    } catch (error) {
      return `no disk of its own could be mounted: ${(error as Error).message.trim()}`;
    }
  }

  /** Where a node's data lies: in its own file system not at the root, where `lost+found` is. */
  data(name: string): string {
    return this.missing['own disks'] === undefined ? join(this.#mountPoint(name), 'data') : join(this.#directory, name);
  }

  /** Before a node starts. @returns what its environment needs */
  prepare(name: string): NodeJS.ProcessEnv {
    if (this.missing['own disks'] === undefined && !this.#mounted.has(name)) this.#mount(name);
    if (this.#library === undefined) return {};
    return this.#power(name).env;
  }

  /** How many bytes were lost. Only of a node that was killed. */
  cutPower(name: string): number {
    return this.#power(name).cut(this.data(name));
  }

  /** From now on every fsync takes so much longer; 0 is over. */
  slow(name: string, delayMs: number): void {
    this.#power(name).slow(delayMs);
  }

  /** Takes all space but so many bytes. */
  fill(name: string, leaveBytes: number): void {
    let bytes = this.freeBytes(name) - leaveBytes;
    while (bytes >= smallestBallast) {
      this.#ballasts += 1;
      const ballast = join(this.#ballast(name), String(this.#ballasts));
      mkdirSync(this.#ballast(name), { recursive: true });
      // Metadata takes some, too: what does not fit is tried again by halves.
      if (spawnSync('fallocate', ['-l', String(bytes), ballast]).status === 0)
        bytes = this.freeBytes(name) - leaveBytes;
      else {
        rmSync(ballast, { force: true });
        bytes = Math.floor(bytes / 2);
      }
    }
  }

  empty(name: string): void {
    rmSync(this.#ballast(name), { recursive: true, force: true });
  }

  freeBytes(name: string): number {
    const { bavail, bsize } = statfsSync(this.#mountPoint(name));
    return bavail * bsize;
  }

  /** Its disk is taken away; the image stays. Only of a node that does not run. */
  release(name: string): void {
    if (!this.#mounted.delete(name)) return;
    execFileSync('umount', [this.#mountPoint(name)]);
  }

  #mount(name: string): void {
    const image = join(this.#directory, `${name}.ext4`);
    rmSync(image, { force: true });
    execFileSync('truncate', ['-s', imageSize, image], quietly);
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], quietly);
    mkdirSync(this.#mountPoint(name), { recursive: true });
    execFileSync('mount', ['-o', 'loop', image, this.#mountPoint(name)], quietly);
    chmodSync(this.#mountPoint(name), 0o777);
    this.#mounted.add(name);
  }

  #power(name: string): PowerCut {
    let power = this.#powers.get(name);
    if (!power) {
      power = new PowerCut(this.#library!, join(this.#directory, name));
      this.#powers.set(name, power);
    }
    return power;
  }

  #mountPoint(name: string): string {
    return join(this.#directory, `${name}.disk`);
  }

  #ballast(name: string): string {
    return join(this.#mountPoint(name), 'ballast');
  }
}
