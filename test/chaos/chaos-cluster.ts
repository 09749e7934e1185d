/**
 * A cluster of real processes that can be treated badly: killed, stopped, cut off from each other, given an empty disk.
 * Links are cut by firewall rules on what each node's own user sends, in a network namespace of the run (root only).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NodeStorage } from './node-storage.ts';

const program = fileURLToPath(new URL('../../bin/greenroom.js', import.meta.url));
const readyWithinMs = 60_000;
/** Lives of a supervised node that may end before they are ready, one after the other. */
const startsMax = 3;
const firstUser = 20_000;
/** Megabytes: little enough that a command can use it up soon. */
const heapMax = 384;

export interface ShardView {
  readonly shard: number;
  readonly epoch: number;
  readonly owner: string;
  readonly replicas: readonly string[];
  readonly learners: readonly string[];
  readonly status: string;
}

interface Place {
  readonly name: string;
  readonly port: number;
  readonly httpPort: number;
  readonly user: number;
  child: ChildProcess | undefined;
  exited: Promise<unknown>;
  errors: string[];
}

export interface ChaosClusterOptions {
  readonly directory: string;
  readonly nodes: number;
  readonly actors: string;
  readonly firstPort: number;
  /** Nodes run as users of their own, so that links can be cut. */
  readonly canCut: boolean;
  readonly flags?: readonly string[];
  /** Without it, a node's data is a folder like any other. */
  readonly storage?: NodeStorage;
}

/** A node that died while it was supervised. */
export interface Death {
  readonly name: string;
  readonly lastWords: string;
}

export class ChaosCluster {
  readonly #options: ChaosClusterOptions;
  readonly #places = new Map<string, Place>();
  actors: string;

  constructor(options: ChaosClusterOptions) {
    this.#options = options;
    this.actors = options.actors;
    mkdirSync(options.directory, { recursive: true });
    chmodSync(options.directory, 0o777);
    if (options.canCut) {
      execFileSync('nft', ['add', 'table', 'inet', 'chaos']);
      execFileSync('nft', ['add', 'chain', 'inet', 'chaos', 'out', '{ type filter hook output priority 0; }']);
    }
  }

  get storage(): NodeStorage | undefined {
    return this.#options.storage;
  }

  get names(): readonly string[] {
    return [...this.#places.keys()];
  }

  get running(): readonly string[] {
    return [...this.#places.values()].filter(({ child }) => child !== undefined).map(({ name }) => name);
  }

  url(name: string): string {
    return `http://127.0.0.1:${this.#places.get(name)!.httpPort}`;
  }

  async startAll(): Promise<void> {
    for (let index = 0; index < this.#options.nodes; index++) await this.start('abcdefgh'[index]!);
  }

  /** Starts a node and waits for its ready line. */
  async start(name: string): Promise<void> {
    const place = this.#place(name);
    const { directory, firstPort, canCut, flags = [] } = this.#options;
    const storageEnv = this.storage?.prepare(name);
    const data = this.data(name);
    mkdirSync(data, { recursive: true });
    chmodSync(data, 0o777);
    const founds = name === 'a' && this.#places.size === 1;
    const others = [...this.#places.values()].filter((other) => other !== place && other.child);
    const join_ = founds ? [] : others.flatMap(({ port }) => ['--join', `127.0.0.1:${port}`]).slice(0, 2);
    const args = ['start', this.actors, '--node', name, '--data', data, '--log-level', 'warn'];
    const ports = ['--port', `${place.port}`, '--http-port', `${place.httpPort}`];
    const child = spawn(
      process.execPath,
      [`--max-old-space-size=${heapMax}`, program, ...args, ...ports, ...join_, ...flags],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NO_COLOR: '1', HOME: directory, ...storageEnv },
        cwd: directory,
        ...(canCut ? { uid: place.user, gid: place.user } : {}),
      },
    );
    place.child = child;
    place.errors = [];
    child.stderr!.on('data', (chunk) => {
      place.errors.push(String(chunk));
      if (place.errors.length > 200) place.errors.shift();
    });
    place.exited = new Promise((resolve) =>
      child.once('exit', () => {
        if (place.child === child) place.child = undefined;
        resolve(undefined);
      }),
    );
    const ready = new Promise<true>((resolve) =>
      createInterface({ input: child.stdout! }).once('line', () => resolve(true)),
    );
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), readyWithinMs).unref());
    const outcome = await Promise.race([ready, place.exited.then(() => false), late]);
    if (outcome !== true) throw new Error(`${name} did not start (firstPort ${firstPort}): ${place.errors.join('')}`);
  }

  #place(name: string): Place {
    let place = this.#places.get(name);
    if (!place) {
      const index = 'abcdefgh'.indexOf(name);
      const { firstPort } = this.#options;
      place = {
        name,
        port: firstPort + index,
        httpPort: firstPort + 100 + index,
        user: firstUser + index,
        child: undefined,
        exited: Promise.resolve(),
        errors: [],
      };
      this.#places.set(name, place);
    }
    return place;
  }

  async kill(name: string): Promise<void> {
    this.signal(name, 'SIGKILL');
    await this.#places.get(name)!.exited;
  }

  async stop(name: string): Promise<void> {
    this.signal(name, 'SIGTERM');
    await this.#places.get(name)!.exited;
  }

  /**
   * Starts nodes again that died, until told to stop; as whoever runs a service does.
   * @returns stops, and tells who died, and what they had said
   */
  supervise(names = this.running, startAgain = (name: string) => this.start(name)): () => Promise<readonly Death[]> {
    const deaths: Death[] = [];
    let isOver = false;
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const watched = names.map(async (name) => {
      while (!isOver) {
        await Promise.race([this.#places.get(name)!.exited, over]);
        if (this.#places.get(name)!.child !== undefined) continue;
        deaths.push({ name, lastWords: this.diagnostics(name) });
        // What killed it may be waiting for its next life.
        for (let tries = 0; ; tries++) {
          const failed = await startAgain(name).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (failed === undefined) break;
          if (tries >= startsMax || this.#places.get(name)!.child !== undefined) throw failed;
          deaths.push({ name, lastWords: this.diagnostics(name) });
        }
      }
    });
    return async () => {
      isOver = true;
      end();
      await Promise.all(watched);
      return deaths;
    };
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#places.get(name)!.child?.kill(signal);
  }

  /** Its disk is gone. Only of a node that does not run. */
  wipe(name: string): void {
    rmSync(this.data(name), { recursive: true, force: true });
  }

  /** It is not part of the cluster any more. */
  forget(name: string): void {
    this.wipe(name);
    this.storage?.release(name);
    this.#places.delete(name);
  }

  data(name: string): string {
    return this.storage?.data(name) ?? join(this.#options.directory, name);
  }

  /** Nothing that `from` sends to `to`'s cluster port arrives. */
  cut(from: string, to: string): void {
    const [a, b] = [this.#places.get(from)!, this.#places.get(to)!];
    for (const protocol of ['tcp', 'udp'])
      execFileSync('nft', `add rule inet chaos out meta skuid ${a.user} ${protocol} dport ${b.port} drop`.split(' '));
  }

  heal(): void {
    if (this.#options.canCut) execFileSync('nft', ['flush', 'chain', 'inet', 'chaos', 'out']);
  }

  async shards(through: string): Promise<readonly ShardView[]> {
    const response = await fetch(`${this.url(through)}/v1/cluster/shards`, { signal: AbortSignal.timeout(5_000) });
    return ((await response.json()) as { shards: ShardView[] }).shards;
  }

  async leader(through: string): Promise<string | null> {
    return (await this.#cluster(through)).leader;
  }

  async voters(through: string): Promise<readonly string[]> {
    return (await this.#cluster(through)).voters;
  }

  async #cluster(through: string): Promise<{ leader: string | null; voters: readonly string[] }> {
    const response = await fetch(`${this.url(through)}/v1/cluster`, { signal: AbortSignal.timeout(5_000) });
    return (await response.json()) as { leader: string | null; voters: readonly string[] };
  }

  /** Waits until every shard is served, with all copies that the running nodes can have. */
  async untilWhole(copies: number, withinMs = 120_000): Promise<number> {
    const startMs = performance.now();
    for (;;) {
      const [first] = this.running;
      try {
        const shards = await this.shards(first!);
        const isWhole = shards.every(
          ({ status, replicas, learners }) => status === 'active' && replicas.length >= copies && learners.length === 0,
        );
        if (isWhole) return performance.now() - startMs;
      } catch {
        // Not yet.
      }
      if (performance.now() - startMs > withinMs) throw new Error(`not whole within ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  diagnostics(name: string): string {
    return this.#places.get(name)!.errors.join('');
  }

  async close(): Promise<void> {
    this.heal();
    for (const name of this.running) {
      this.signal(name, 'SIGCONT');
      await this.kill(name);
    }
    for (const name of this.names) this.storage?.release(name);
    if (this.#options.canCut) execFileSync('nft', ['delete', 'table', 'inet', 'chaos']);
  }
}
